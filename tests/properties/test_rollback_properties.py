"""Random histories: whatever happened, any version can be stood on again, and left again."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance import review
from governance.errors import PalimpsestError
from governance.lineage import residue
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback, rollback
from tests.governance.desk import QUOTES, Desk
from tests.governance.drafts import ANN
from tests.governance.test_rollback import standing
from tests.properties.folding import assert_folds

STEPS = st.lists(
    st.tuples(st.sampled_from(["fact", "card", "approve", "reject", "revoke", "build", "back"]),
              st.integers(0, 20)),
    min_size=2, max_size=14,
)  # fmt: skip
VALUES = list(QUOTES)


def step(desk: Desk, name: str, number: int) -> None:
    """One command; those that do not apply are refused and change nothing."""
    state, ledger = desk.ledger.state, desk.ledger
    entries = list(state.entries.values())
    chosen = entries[number % len(entries)] if entries else None
    if name in {"fact", "card"}:
        getattr(desk, name)(*VALUES[number % len(VALUES)])
    elif name == "build":
        cards = [one.entry_id for one in entries if one.channel == "parametric"
                 and one.status in {"approved", "active"}]  # fmt: skip
        if cards:
            desk.build(*cards)
    elif name == "back":
        plan = plan_rollback(ledger, number % (ledger.head.seq + 1))
        rollback(ledger, plan, actor=ANN, reason_code="drill")
    elif chosen is not None and name == "revoke":
        revoke(ledger, plan_revocation(ledger, chosen.entry_id), actor=ANN, reason_code="wrong")
        assert residue(ledger.state, [chosen.entry_id]) == ()
    elif chosen is not None:
        decide = review.approve if name == "approve" else review.reject
        decide(
            ledger, chosen.entry_id, actor=ANN, reason_code="cleared" if name == "approve" else "wrong",  # noqa: E501
            expected_version=chosen.version, expected_digest=chosen.content_digest,
        )  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(0, 100))
def test_any_version_can_be_stood_on_and_left_again(
    steps: list[tuple[str, int]], target: int
) -> None:
    desk = Desk()
    stops = [desk.ledger.head.seq]
    for name, number in steps:
        stood = standing(desk.ledger.state)
        try:
            step(desk, name, number)
        except PalimpsestError:  # all that a refusal leaves is its record
            assert standing(desk.ledger.state) == stood
        stops.append(desk.ledger.head.seq)
    ledger = desk.ledger
    assert standing(ledger.state) == standing(ledger.state_at(ledger.head.seq))
    to_seq, head = stops[target % len(stops)], ledger.head.seq
    before = standing(ledger.state)
    plan = plan_rollback(ledger, to_seq)
    if not plan.entries and not plan.shards:
        assert standing(ledger.state_at(to_seq)) == before
        return
    rollback(ledger, plan, actor=ANN, reason_code="drill")
    assert standing(ledger.state) == standing(ledger.state_at(to_seq))
    rollback(ledger, plan_rollback(ledger, head), actor=ANN, reason_code="drill")
    assert standing(ledger.state) == before
    assert_folds(ledger, 0, to_seq, head, ledger.head.seq, scopes=(desk.scope,))
    assert ledger.verify().ok
