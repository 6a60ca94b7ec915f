"""Random histories: any version can be stood on again, and left again, whole or in part.

Two agents and a user of one of them learn in both channels. Whatever part a rollback is asked
for, that part stands as it stood and every other stays as it was.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance import review
from governance.errors import PalimpsestError
from governance.events import Body, Channel, Scope
from governance.lineage import residue
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback, rollback
from governance.state import EntryState, State
from tests.governance.desk import DESK, QUOTES, Desk, card, fact
from tests.governance.drafts import ANN, BOB
from tests.governance.test_rollback import standing, within
from tests.properties.folding import assert_folds

USER: Final = DESK.model_copy(update={"user": "u1"})
OTHER: Final = Scope(tenant=DESK.tenant, agent="other")
PLACES: Final = (DESK, USER, OTHER)
CHANNELS: Final[tuple[Channel, ...]] = ("external", "parametric")
VALUES: Final = list(QUOTES)


class Step(NamedTuple):
    """One command, where it is given and on what."""

    name: str
    number: int
    place: Scope


class Part(NamedTuple):
    """What a rollback is asked for; ``None`` is all of it."""

    scope: Scope | None
    channel: Channel | None


STEPS: Final = st.lists(
    st.builds(
        Step,
        st.sampled_from(["fact", "card", "approve", "reject", "revoke", "build", "back"]),
        st.integers(0, 20),
        st.sampled_from(PLACES),
    ),
    min_size=2, max_size=14,
)  # fmt: skip
PARTS: Final = st.builds(Part, st.sampled_from([None, *PLACES]), st.sampled_from([None, *CHANNELS]))


def take(desk: Desk, step: Step) -> None:
    """One command; those that do not apply are refused and change nothing."""
    state, ledger = desk.ledger.state, desk.ledger
    desk.scope = step.place
    entries = [one for one in state.entries.values() if one.scope == step.place]
    chosen = entries[step.number % len(entries)] if entries else None
    if step.name in {"fact", "card"}:
        learn(desk, step)
    elif step.name == "build":
        cards = [one.entry_id for one in entries if one.channel == "parametric"
                 and one.status in {"approved", "active"}]  # fmt: skip
        if cards:
            desk.build(*cards, shard_id=f"shard of {step.place}")
    elif step.name == "back":
        plan = plan_rollback(ledger, step.number % (ledger.head.seq + 1))
        rollback(ledger, plan, actor=ANN, reason_code="drill")
    elif chosen is not None and step.name == "revoke":
        revoke(ledger, plan_revocation(ledger, chosen.entry_id), actor=ANN, reason_code="wrong")
        assert residue(ledger.state, [chosen.entry_id]) == ()
    elif chosen is not None:
        decide(desk, step.name, chosen)


def learn(desk: Desk, step: Step) -> None:
    """Propose a value; the other agent has no source, and so a person stands for it."""
    value = VALUES[step.number % len(VALUES)]
    body: Body = fact(*value) if step.name == "fact" else card(*value)
    name = f"{step.name}-{step.number % len(VALUES)}-{step.place}"
    if step.place == OTHER:
        desk.submit(body, None, entry_id=name, actor=BOB)
    else:
        desk.submit(body, QUOTES[value], entry_id=name)


def decide(desk: Desk, name: str, entry: EntryState) -> None:
    verdict = review.approve if name == "approve" else review.reject
    verdict(
        desk.ledger, entry.entry_id, actor=ANN,
        reason_code="cleared" if name == "approve" else "wrong",
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


def lived(steps: list[Step]) -> tuple[Desk, list[int]]:
    """A desk to which all this happened, and its version after each step."""
    desk = Desk()
    stops = [desk.ledger.head.seq]
    for one in steps:
        stood = standing(desk.ledger.state)
        try:
            take(desk, one)
        except PalimpsestError:  # all that a refusal leaves is its record
            assert standing(desk.ledger.state) == stood
        stops.append(desk.ledger.head.seq)
    return desk, stops


def apart(state: State) -> dict[tuple[str, Channel], dict[str, object]]:
    """Every part by itself: what acts or waits of one owner in one channel."""
    found: dict[tuple[str, Channel], dict[str, object]] = {}
    shared = {channel: standing(state, DESK, channel) for channel in CHANNELS}
    for channel in CHANNELS:
        own = standing(state, USER, channel)
        found[str(USER), channel] = own
        rest = {name: one for name, one in shared[channel].items() if name not in own}
        found[str(DESK), channel] = rest
        found[str(OTHER), channel] = standing(state, OTHER, channel)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(0, 100), PARTS)
def test_any_part_can_be_put_back_to_any_version_and_back_again(
    steps: list[Step], target: int, part: Part
) -> None:
    desk, stops = lived(steps)
    ledger = desk.ledger
    assert standing(ledger.state) == standing(ledger.state_at(ledger.head.seq))
    to_seq, head = stops[target % len(stops)], ledger.head.seq
    before, then = apart(ledger.state), apart(ledger.state_at(to_seq))
    wanted = {
        (str(place), channel): then[str(place), channel]
        for place in PLACES
        for channel in CHANNELS
        if within(part.scope, place) and part.channel in {None, channel}
    }
    plan = plan_rollback(ledger, to_seq, scope=part.scope, channel=part.channel)
    if plan.empty:
        assert {**before, **wanted} == before
        return
    rollback(ledger, plan, actor=ANN, reason_code="drill")
    assert apart(ledger.state) == {**before, **wanted}
    undo = plan_rollback(ledger, head, scope=part.scope, channel=part.channel)
    rollback(ledger, undo, actor=ANN, reason_code="drill")
    assert apart(ledger.state) == before
    assert_folds(ledger, 0, to_seq, head, ledger.head.seq, scopes=PLACES)
    assert ledger.verify().ok
