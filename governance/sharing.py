"""Sharing what is known in one scope with another: a copy that stays tied to its original.

A person copies one entry in force. The copy is proposed in the target scope and goes
through that scope's checks, policy and review like anything else; the sharer is its author,
so somebody else approves it. It keeps the id of its original as a parent, whatever the
scope: it is trusted no more than what the original rests on, and revoking the original
reaches it and everything made from it. The rules are ``governance.transfer_rules``, held in
every append.
"""

from __future__ import annotations

from typing import Final

from governance.events import Actor, EntryProposed, Scope
from governance.ledger import Ledger
from governance.policy import Policy
from governance.refusals import recording
from governance.review import Submitted, submit

_ID_CHARS: Final = 12


def share(
    ledger: Ledger,
    entry_id: str,
    *,
    to: Scope,
    actor: Actor,
    policy: Policy,
    data_subject: str = "",
) -> Submitted:
    """Copy an entry that is in force into another scope, for review there.

    The same entry in the same scope is the same copy: a repeat changes nothing.

    Args:
        ledger: Where both scopes are.
        entry_id: The original, or a unique beginning of its id.
        to: The scope that gets a copy.
        actor: The person who shares it.
        policy: Decides in the target scope.
        data_subject: Whose key encrypts the copy.

    Raises:
        NotAuthorisedError: no person, or none who may share that far.
        IllegalTransitionError: the original is not in force.
        LedgerError: no such entry, or it is in that scope already.

    Side effects: appends proposal, checks and decision; a refusal is recorded.
    """
    with recording(ledger, "share", f"entry:{entry_id}", actor=actor):
        original = ledger.state.entry(entry_id)
        identity = f"copy:{original.entry_id}:{original.version}:{to}"
        proposal = EntryProposed(
            entry_id=f"{original.body.kind}-{ledger.keyed(identity)[:_ID_CHARS]}",
            version=1,
            body=original.body,
            copy_of=original.entry_id,
            valid_from_us=original.valid_from_us,
            valid_to_us=original.valid_to_us,
        )
        return submit(
            ledger, proposal, actor=actor, scope=to, policy=policy, data_subject=data_subject
        )
