"""Commands from the screen: what they append, what they refuse, whom they ask to follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard import actions
from governance.events import Actor, ReviewAssigned, ReviewTerms
from governance.ledger import SYSTEM, EventDraft, Ledger
from governance.revocation import plan_revocation
from governance.rollback import plan_rollback
from tests.dashboard.fakes import Follower
from tests.dashboard.learner import JONAS, LOCAL, MARTA, SCOPE


def decide(ledger: Ledger, entry_id: str, choice: actions.Choice = "approve") -> actions.Decide:
    entry = ledger.state.entry(entry_id)
    reason = next(iter(actions.reasons(choice)))
    return actions.Decide(LOCAL, entry_id, choice, reason, "seen", entry.version,
                          entry.content_digest)  # fmt: skip


def serving(ledger: Ledger) -> bool:
    return ledger.state.shards["shard-lisbon"].active is not None


def test_approving_a_fact_puts_it_in_force_and_asks_for_no_training(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    follower = Follower()
    done = actions.decide(ledger, follower, decide(ledger, ids["travellers"]))
    assert isinstance(done, actions.Done)
    assert ledger.state.entry(ids["travellers"]).status == "active"
    assert done.last_seq == ledger.head.seq
    assert not done.settling
    assert follower.asked == []


def test_approving_a_replacement_supersedes_the_old_value(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    done = actions.decide(ledger, Follower(), decide(ledger, ids["departure-new"]))
    assert isinstance(done, actions.Done)
    assert ledger.state.entry(ids["departure-new"]).status == "active"
    assert ledger.state.entry(ids["departure"]).status == "superseded"


def test_approving_a_card_asks_for_training(ledger: Ledger, ids: dict[str, str]) -> None:
    follower = Follower()
    done = actions.decide(ledger, follower, decide(ledger, ids["departure-card"]))
    assert isinstance(done, actions.Done)
    assert done.settling
    assert follower.asked == [(SCOPE, None)]
    assert ledger.state.entry(ids["departure-card"]).status == "approved"


def test_the_first_of_two_approvals_of_a_card_trains_nothing(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    name = ids["departure-card"]
    asked = ReviewAssigned(
        entry_id=name, version=1, rule_id="", message="", terms=ReviewTerms(people=2)
    )
    ledger.append([EventDraft(asked, SYSTEM, SCOPE)])
    follower = Follower()
    first = actions.decide(ledger, follower, decide(ledger, name))
    assert isinstance(first, actions.Done)
    assert not first.settling
    assert follower.asked == []
    second = replace(decide(ledger, name), actor=MARTA, expected_approvals=1)
    assert isinstance(actions.decide(ledger, follower, second), actions.Done)
    assert follower.asked == [(SCOPE, None)]


@pytest.mark.parametrize("choice", ["reject", "quarantine"])
def test_other_decisions_arrive(
    ledger: Ledger, ids: dict[str, str], choice: actions.Choice
) -> None:
    done = actions.decide(ledger, Follower(), decide(ledger, ids["contact"], choice))
    assert isinstance(done, actions.Done)
    status = {"reject": "rejected", "quarantine": "quarantined"}[choice]
    assert ledger.state.entry(ids["contact"]).status == status


def decisions(ledger: Ledger) -> int:
    """Events that are no record of a refusal."""
    return sum(event.header.type != "command.refused" for event in ledger.events())


def test_decision_on_another_version_or_content_is_refused(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    before, good = decisions(ledger), decide(ledger, ids["travellers"])
    for stale in (replace(good, expected_version=2), replace(good, expected_digest="0" * 64)):
        refused = actions.decide(ledger, Follower(), stale)
        assert isinstance(refused, actions.Refused)
        assert refused.kind == "AppendConflictError"
        assert refused.words.startswith("It changed while you were looking.")
        assert "look again" in refused.hint
    assert decisions(ledger) == before
    assert isinstance(actions.decide(ledger, Follower(), good), actions.Done)


def test_refusals_are_typed_and_append_nothing(ledger: Ledger, ids: dict[str, str]) -> None:
    before, good = decisions(ledger), decide(ledger, ids["travellers"])
    cases = {
        "NotAuthorisedError": replace(good, actor=Actor(kind="human", id="nobody")),
        "ReviewError": replace(good, reason_code="because"),
        "IllegalTransitionError": decide(ledger, ids["hotel"]),
        "LedgerError": replace(good, entry_id="fact-that-is-not"),
    }
    for kind, command in cases.items():
        refused = actions.decide(ledger, Follower(), command)
        assert isinstance(refused, actions.Refused)
        assert refused.kind == kind
    assert decisions(ledger) == before
    assert isinstance(actions.decide(ledger, Follower(), good), actions.Done)


def test_author_cannot_approve_their_own_entry(ledger: Ledger, ids: dict[str, str]) -> None:
    from governance.events import EntryVerified, RoleGranted, VerifierResult
    from tests.dashboard.learner import Learner, Ticking
    from tests.dashboard.population import fact

    desk = Learner(ledger, Ticking(), dict(ids))
    ledger.append([EventDraft(RoleGranted(principal=str(JONAS), role="reviewer"), SYSTEM)])
    desk.propose("own", fact("travel desk", "hours", "08:00", "It opens at 08:00."),
                 "The desk is open from 08:00 to 18:00.", author=JONAS)  # fmt: skip
    result = VerifierResult(verifier="schema", version=1, outcome="pass")
    verified = EntryVerified(entry_id=desk.ids["own"], version=1, results=[result], risk_ppm=0)
    ledger.append([EventDraft(verified, SYSTEM, SCOPE)])
    command = decide(ledger, desk.ids["own"])
    refused = actions.decide(ledger, Follower(), replace(command, actor=JONAS))
    assert isinstance(refused, actions.Refused)
    assert refused.kind == "SelfReviewError"
    assert isinstance(actions.decide(ledger, Follower(), command), actions.Done)


def test_revoking_a_card_withdraws_its_adapter_and_asks_for_a_rebuild(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    follower = Follower()
    plan = plan_revocation(ledger, ids["seat-card"])
    silent = actions.Revoke(LOCAL, plan, "wrong", "  ")
    refused = actions.take_back(ledger, follower, silent)
    assert isinstance(refused, actions.Refused)
    assert refused.kind == "CommentRequired"
    assert serving(ledger)
    done = actions.take_back(ledger, follower, replace(silent, comment="wrong seat"))
    assert isinstance(done, actions.Done)
    assert "residue 0" in done.words
    assert not serving(ledger)
    assert follower.asked == [(SCOPE, None)]
    again = actions.take_back(ledger, follower, replace(silent, comment="once more"))
    assert isinstance(again, actions.Refused), "a plan from before the change is stale"


def test_rollback_needs_the_typed_number_and_can_be_undone(
    ledger: Ledger, ids: dict[str, str]
) -> None:
    follower, before = Follower(), ledger.head.seq
    statuses = {key: entry.status for key, entry in ledger.state.entries.items()}
    plan = plan_rollback(ledger, 150, scope=SCOPE)
    command = actions.RollBack(LOCAL, plan, "drill", "", typed="15")
    refused = actions.roll_back(ledger, follower, command)
    assert isinstance(refused, actions.Refused)
    assert refused.kind == "ConfirmationRequired"
    assert ledger.head.seq == before
    done = actions.roll_back(ledger, follower, replace(command, typed=" 150 "))
    assert isinstance(done, actions.Done)
    assert ledger.state.entry(ids["fee-card"]).status == "active"
    then = ledger.state_at(150)
    assert ledger.state.shards["shard-lisbon"].active == then.shards["shard-lisbon"].active
    back = plan_rollback(ledger, before, scope=SCOPE)
    undo = actions.RollBack(LOCAL, back, "mistake", "", typed=str(before))
    assert isinstance(actions.roll_back(ledger, follower, undo), actions.Done)
    assert {key: entry.status for key, entry in ledger.state.entries.items()} == statuses


def test_rollback_settles_only_what_is_missing(ledger: Ledger) -> None:
    follower = Follower()
    plan = plan_rollback(ledger, 150, scope=SCOPE)
    actions.roll_back(ledger, follower, actions.RollBack(LOCAL, plan, "drill", "", typed="150"))
    served = tuple(move.after for move in plan.shards if move.after)
    assert served
    assert follower.asked == [(SCOPE, served)]


def test_rollback_by_someone_without_the_role_is_refused(ledger: Ledger) -> None:
    plan = plan_rollback(ledger, 150, scope=SCOPE)
    command = actions.RollBack(MARTA, plan, "drill", "", typed="150")
    refused = actions.roll_back(ledger, Follower(), command)
    assert isinstance(refused, actions.Refused)
    assert refused.kind == "NotAuthorisedError"
    allowed = actions.roll_back(ledger, Follower(), replace(command, actor=LOCAL))
    assert isinstance(allowed, actions.Done)
