"""The policy in force, read back from the log that put it there."""

from __future__ import annotations

from pathlib import Path

from governance.errors import PolicyError, StoreError
from governance.events import PolicyActivated
from governance.ledger import Ledger
from governance.policy import Policy, parse_policy


def policy_in_force(ledger: Ledger) -> Policy:
    """The policy that decides now.

    Raises:
        PolicyError: none is in force.
        StoreError: its text was erased.
    """
    name = ledger.state.active_policy
    if name is None:
        raise PolicyError(
            "no policy is in force, so nothing may be proposed",
            hint="palimpsest policy activate default",
        )
    digest = ledger.state.policies[name]
    for event in ledger.events(types=[PolicyActivated.event_type]):
        payload = event.payload
        if isinstance(payload, PolicyActivated) and payload.digest == digest:
            return parse_policy(payload.text, Path(f"{name}.policy.yaml"))
    raise StoreError(f"the text of policy {name} {digest[:12]} is gone")
