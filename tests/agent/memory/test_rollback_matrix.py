"""One example of every part that can be rolled back: by index and adapter digests."""

from __future__ import annotations

from typing import TypeAlias

import pytest

from agent.memory.recall import ExternalMemory
from governance.events import Body, Channel, Scope
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback, rollback
from tests.governance.desk import DESK, Desk, card, fact
from tests.governance.drafts import ANN, BOB
from tests.governance.test_rollback import approve

OTHER = Scope(tenant=DESK.tenant, agent="other")
Digests: TypeAlias = dict[tuple[str, Channel], str | None]


class Agents(Desk):
    """Two agents, each with a note and a card in an adapter."""

    def learn(self, place: Scope, attribute: str, value: str) -> tuple[str, str]:
        """A person's note and card, approved by another; their ids."""
        self.scope = place
        names = (f"note {attribute} of {place}", f"card {attribute} of {place}")
        bodies: tuple[Body, Body] = (fact(attribute, value), card(attribute, value))
        for name, body in zip(names, bodies, strict=True):
            self.submit(body, None, entry_id=name, actor=BOB)
            approve(self, name)
        return names

    def digests(self) -> Digests:
        """What every agent recalls, and what it serves."""
        state = self.ledger.state
        found: Digests = {}
        for place in (DESK, OTHER):
            found[place.agent, "external"] = ExternalMemory().index_digest(state, place)
            found[place.agent, "parametric"] = state.shards[f"of {place}"].active
        return found


@pytest.mark.parametrize("channel", [None, "external", "parametric"])
@pytest.mark.parametrize("scope", [None, DESK], ids=["all", "one"])
def test_the_chosen_part_goes_back_and_every_other_stays(
    scope: Scope | None, channel: Channel | None
) -> None:
    desk = Agents()
    first = {}
    for place in (DESK, OTHER):
        first[place] = desk.learn(place, "deductible", "300 EUR")
        desk.build(first[place][1], shard_id=f"of {place}")
    then, version = desk.digests(), desk.ledger.head.seq
    for place in (DESK, OTHER):
        note, old = first[place]
        _, new = desk.learn(place, "adjuster", "Hugo Bancroft")
        desk.build(old, new, shard_id=f"of {place}")
        revoke(desk.ledger, plan_revocation(desk.ledger, note), actor=ANN, reason_code="wrong")
    before, head = desk.digests(), desk.ledger.head.seq
    assert all(then[part] != before[part] for part in then)

    plan = plan_rollback(desk.ledger, version, scope=scope, channel=channel)
    rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    assert desk.digests() == {
        (agent, kind): (
            then[agent, kind]
            if scope in {None, Scope(tenant=DESK.tenant, agent=agent)} and channel in {None, kind}
            else before[agent, kind]
        )
        for agent, kind in before
    }

    plan = plan_rollback(desk.ledger, head, scope=scope, channel=channel)
    rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    assert desk.digests() == before
