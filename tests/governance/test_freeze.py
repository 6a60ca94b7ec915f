"""Under a freeze nothing is learned and everything can be taken back; thawing goes on from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.errors import FrozenError
from governance.events import LedgerFrozen, LedgerThawed
from governance.ledger import Ledger
from governance.lineage import residue
from governance.rollback import plan_rollback
from tests.governance.desk import Desk
from tests.governance.drafts import ANN, append
from tests.governance.erasable import erased, home_of
from tests.governance.test_rollback import approve, back, standing, taken_back


def freeze(ledger: Ledger) -> None:
    append(ledger, LedgerFrozen(reason="incident"), ANN)


def thaw(ledger: Ledger) -> None:
    append(ledger, LedgerThawed(reason="over"), ANN)


def test_nothing_is_learned_until_it_is_thawed() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    card = desk.card("deductible", "300 EUR").entry_id
    freeze(desk.ledger)
    before = standing(desk.ledger.state)
    for learns in (
        lambda: desk.fact("adjuster", "Hugo Bancroft"), lambda: approve(desk, waiting),
        lambda: desk.build(card),
    ):  # fmt: skip
        with pytest.raises(FrozenError) as caught:
            learns()
        assert "palimpsest thaw" in str(caught.value.hint)
    assert standing(desk.ledger.state) == before
    thaw(desk.ledger)
    approve(desk, waiting)
    desk.build(card)
    assert desk.fact("adjuster", "Hugo Bancroft").decision.outcome == "allow"
    assert {desk.status(waiting), desk.status(card)} == {"active"}


def test_only_what_a_person_reviewed_is_recalled_and_served_meanwhile() -> None:
    desk = Desk()
    cards = [
        desk.card("deductible", "300 EUR").entry_id,
        desk.card("inspection", "10 March").entry_id,
    ]
    reviewed = desk.card("plumber", "Wexler Plumbing").entry_id
    approve(desk, reviewed)
    by_rule, by_person = desk.build(*cards, shard_id="rule"), desk.build(reviewed)

    def acting() -> tuple[set[str], set[str]]:
        state = desk.ledger.state
        entries = {one.entry_id for one in state.entries.values() if state.may_recall(one)}
        return entries, {one for one in (by_rule, by_person) if state.may_serve(one)}

    before = acting()
    assert before == ({*cards, reviewed}, {by_rule, by_person})
    freeze(desk.ledger)
    assert acting() == ({reviewed}, {by_person})
    thaw(desk.ledger)
    assert acting() == before


def test_revoking_goes_on_and_holds_after_the_thaw() -> None:
    desk = Desk()
    card = desk.card("deductible", "300 EUR").entry_id
    kept = desk.fact("inspection", "10 March").entry_id
    desk.build(card)
    freeze(desk.ledger)
    taken_back(desk, card)
    assert (desk.status(card), desk.served()) == ("revoked", None)
    assert residue(desk.ledger.state, [card]) == ()
    thaw(desk.ledger)
    assert (desk.status(card), desk.status(kept)) == ("revoked", "active")


def test_erasing_goes_on(tmp_path: Path) -> None:
    with home_of(tmp_path) as ledger:
        freeze(ledger)
        erased(ledger, "nora-1")
        assert ledger.state.frozen
        statuses = {name: ledger.state.entries[name].status for name in ("nora-1", "other")}
        assert statuses == {"nora-1": "erased", "other": "active"}
        assert ledger.verify().ok


class Undone(Desk):
    """What a person and what a rule alone had approved, each with the version it stood at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.start = self.ledger.head.seq
        self.by_person = self.fact("plumber", "Wexler Plumbing").entry_id
        approve(self, self.by_person)
        self.by_rule = self.fact("deductible", "300 EUR").entry_id
        self.both = self.ledger.head.seq
        taken_back(self, self.by_rule)
        self.person_only = self.ledger.head.seq
        taken_back(self, self.by_person)


def test_a_rollback_brings_back_what_a_person_had_approved() -> None:
    desk = Undone()
    freeze(desk.ledger)
    before = standing(desk.ledger.state)
    with pytest.raises(FrozenError, match=f"bring {desk.by_rule} back") as caught:
        back(desk, desk.both)
    assert "palimpsest thaw" in str(caught.value.hint)
    assert standing(desk.ledger.state) == before
    back(desk, desk.person_only)
    assert (desk.status(desk.by_person), desk.status(desk.by_rule)) == ("active", "revoked")
    thaw(desk.ledger)
    back(desk, desk.both)
    assert (desk.status(desk.by_person), desk.status(desk.by_rule)) == ("active", "active")


def test_a_rollback_that_only_takes_away_goes_on() -> None:
    desk = Desk()
    kept = desk.fact("deductible", "300 EUR").entry_id
    then = desk.ledger.head.seq
    later = desk.fact("inspection", "10 March").entry_id
    freeze(desk.ledger)
    back(desk, then)
    assert (desk.status(kept), desk.status(later)) == ("active", "revoked")


def test_an_adapter_comes_back_only_if_a_person_reviewed_every_card() -> None:
    """The card is in force all along; only the adapter around it would change."""
    desk = Desk()
    by_rule = desk.card("deductible", "300 EUR").entry_id
    reviewed = desk.card("plumber", "Wexler Plumbing").entry_id
    approve(desk, reviewed)
    first = desk.build(reviewed)
    then = desk.ledger.head.seq
    mixed = desk.build(by_rule, reviewed)
    both = desk.ledger.head.seq
    back(desk, then)
    assert desk.served() == first
    freeze(desk.ledger)
    with pytest.raises(FrozenError, match=by_rule):
        back(desk, both)
    assert desk.served() == first
    thaw(desk.ledger)
    back(desk, both)
    assert desk.served() == mixed
    freeze(desk.ledger)
    assert plan_rollback(desk.ledger, then).shards[0].after == first
    back(desk, then)
    assert desk.served() == first
