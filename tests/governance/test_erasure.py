"""Erasing for good: what goes, what stays, who may, and that nothing is left in any file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from governance import erasure
from governance.erasure import approve_erasure, complete_erasure, plan_erasure
from governance.errors import (
    ForgottenError,
    HoldError,
    IllegalTransitionError,
    LedgerError,
    SelfReviewError,
    StoreError,
    VerificationError,
)
from governance.events import ErasureCompleted, PolicyActivated, PolicyTerms
from governance.keystore import Keystore
from governance.ledger import Ledger
from governance.rawsearch import pieces, search, spellings
from governance.remains import texts_of
from governance.retention import (
    US_PER_DAY,
    expire_due,
    lift_hold,
    place_hold,
    plan_prune,
    prune,
)
from governance.subject_access import give_access
from tests.governance.drafts import ANN, EPOCH_US, HERE, StepClock, draft
from tests.governance.erasable import (
    NORA,
    OFFICER,
    OTHERS,
    SECOND,
    WORDS,
    approved,
    erased,
    fill,
    home_of,
    requested,
    source_of,
)
from tests.properties.folding import assert_folds


def test_a_person_is_erased_with_everything_that_rests_on_them_and_nothing_else(
    tmp_path: Path,
) -> None:
    with home_of(tmp_path) as ledger:
        before = ledger.head.seq
        plan = plan_erasure(ledger, data_subject=NORA)
        assert set(plan.found.entries) == {"nora-1", "nora-2", "nora-3", "nora-card"}
        done = erased(ledger, person=NORA)
        assert done.events == len(plan.found.events)
        state = ledger.state
        assert {one: state.entries[one].status for one in state.entries} == {
            "nora-1": "erased", "nora-2": "erased", "nora-3": "erased", "nora-card": "erased",
            "other": "active",
        }  # fmt: skip
        assert "nora-1" not in ledger.state_at(before).entries
        assert "other" in ledger.state_at(before).entries
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.erased == done.events
        assert_folds(ledger, before, before // 2, scopes=(HERE,))
    with Ledger.open(tmp_path / "home", clock=StepClock()) as ledger:
        assert_folds(ledger, before, scopes=(HERE,))
        assert ledger.verify().ok


def status_of(ledger: Ledger, entry_id: str) -> str:
    return ledger.state.entries[entry_id].status


def raw(home: Path, *texts: str) -> set[str]:
    """Names of files in which one of the texts stands, however it is spelled."""
    needles = {one for text in texts for piece in pieces(text) for one in spellings(piece)}
    return {path.name for path in search(home, needles).hits}


def test_no_file_holds_the_text_afterwards_and_a_stray_copy_stops_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with home_of(tmp_path) as ledger:
        (home / "exports").mkdir()
        give_access(ledger, NORA, home / "exports" / "access.json", actor=OFFICER)
        stray = home / "notes.txt"
        stray.write_bytes(WORDS.encode("utf-16-le"))
        assert raw(home, WORDS) == {"access.json", "notes.txt"}
        erasure_id = approved(ledger, person=NORA)
        with pytest.raises(VerificationError, match=r"notes\.txt"):
            complete_erasure(ledger, erasure_id, actor=OFFICER)
        assert ledger.state.entries["nora-1"].status == "erased"  # it acts no more already
        stray.unlink()
        done = complete_erasure(ledger, erasure_id, actor=OFFICER)
        assert done.exports
        assert ledger.state.exports[done.exports[0]].withdrawn
        assert not (home / "exports" / "access.json").exists()
        assert raw(home, WORDS) == set()
        texts = {text for event in ledger.events() for text in texts_of(event.payload)}
        assert OTHERS in texts
        assert WORDS not in texts


def test_entries_alone_go_with_what_was_made_of_them(tmp_path: Path) -> None:
    with home_of(tmp_path) as ledger:
        erased(ledger, "nora-1")
        state = ledger.state
        assert state.entries["nora-3"].status == "erased"
        assert state.entries["nora-2"].status == "active"
        assert state.sources["nora"].kind == "transcript"
        assert state.tombstones(HERE).keys() >= {state.entries["nora-1"].tombstone}
        with pytest.raises(LedgerError, match="nothing is held"):
            plan_erasure(ledger, entries=["nora-1"])
        assert_folds(ledger, 5, 20, scopes=(HERE,))


def test_an_erased_person_is_not_begun_again_but_by_a_person(tmp_path: Path) -> None:
    with home_of(tmp_path) as ledger:
        erased(ledger, person=NORA)
        again = source_of("nora-again", "Nora Brennan calls again.")
        with pytest.raises(ForgottenError, match="erased"):
            ledger.append([draft(again, data_subject=NORA)])
        ledger.append([draft(source_of("desk-2", "Somebody else calls."), data_subject="Tom")])
        ledger.append([draft(again, ANN, data_subject=NORA)])
        assert ledger.state.sources["nora-again"].chars


def test_it_takes_two_people_and_no_hold(tmp_path: Path) -> None:
    with home_of(tmp_path) as ledger:
        erasure_id = requested(ledger, "nora-1")
        with pytest.raises(SelfReviewError):
            approve_erasure(ledger, erasure_id, actor=OFFICER)
        with pytest.raises(IllegalTransitionError, match="not approved"):
            complete_erasure(ledger, erasure_id, actor=OFFICER)
        hold_id = place_hold(ledger, reason="case 7", actor=OFFICER, data_subjects=[NORA])
        with pytest.raises(HoldError, match=hold_id):
            approve_erasure(ledger, erasure_id, actor=SECOND)
        lift_hold(ledger, hold_id, reason="over", actor=OFFICER)
        approve_erasure(ledger, erasure_id, actor=SECOND)
        kept = place_hold(ledger, reason="case 8", actor=OFFICER)
        with pytest.raises(HoldError, match=kept):
            complete_erasure(ledger, erasure_id, actor=OFFICER)
        assert status_of(ledger, "nora-1") == "active"
        lift_hold(ledger, kept, reason="over", actor=OFFICER)
        complete_erasure(ledger, erasure_id, actor=OFFICER)
        assert status_of(ledger, "nora-1") == "erased"
        refused = [event.payload for event in ledger.events(types={"command.refused"})]
        assert len(refused) >= 2


def test_time_and_people_let_entries_expire(tmp_path: Path) -> None:
    with home_of(tmp_path) as ledger:
        terms = PolicyTerms(ttl_days={"fact": 1})
        ledger.append([draft(PolicyActivated(name="p", digest="d", text="t", terms=terms), ANN)])
        assert expire_due(ledger, EPOCH_US).entries == ()
        due = expire_due(ledger, EPOCH_US + 2 * US_PER_DAY)
        assert set(due.entries) == {"nora-1", "nora-2", "nora-3", "other"}
        assert ledger.state.entries["nora-card"].status == "active"
        plan = plan_prune(ledger, before_us=EPOCH_US + US_PER_DAY, kinds=["card"])
        hold_id = place_hold(ledger, reason="case 7", actor=OFFICER, entries=["nora-card"])
        with pytest.raises(HoldError):
            prune(ledger, plan, actor=OFFICER)
        lift_hold(ledger, hold_id, reason="over", actor=OFFICER)
        assert prune(ledger, plan, actor=OFFICER).entries == ("nora-card",)
        assert ledger.state.shards["sh1"].active is None


def test_an_erasure_interrupted_after_the_destruction_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with home_of(tmp_path) as ledger:
        first, second = approved(ledger, person=NORA), approved(ledger, "other")
        searched = erasure._searched

        def killed(*args: Any, keys_destroyed: bool = True) -> int:
            if keys_destroyed:
                raise StoreError("killed at step 5")
            return searched(*args, keys_destroyed=False)

        with monkeypatch.context() as patch:
            patch.setattr(erasure, "_searched", killed)
            with pytest.raises(StoreError, match="step 5"):
                complete_erasure(ledger, first, actor=OFFICER)
        assert WORDS not in {text for event in ledger.events() for text in texts_of(event.payload)}
        with pytest.raises(LedgerError, match="comes first") as caught:
            complete_erasure(ledger, second, actor=OFFICER)
        assert caught.value.hint == f"palimpsest erase complete {first}"
        assert status_of(ledger, "other") == "active"
        done = complete_erasure(ledger, first, actor=OFFICER)
        assert (done.entries, done.sources) == (4, 1)
        assert done.searched > 0
        assert complete_erasure(ledger, second, actor=OFFICER).entries == 1
        assert ledger.verify().erased == done.events + len(list_of(ledger, second))


def list_of(ledger: Ledger, erasure_id: str) -> list[int]:
    """Events that went in a completed erasure."""
    return next(
        event.payload.events
        for event in ledger.events(types={"erasure.completed"})
        if isinstance(event.payload, ErasureCompleted) and event.payload.erasure_id == erasure_id
    )


def test_an_erasure_interrupted_after_it_was_recorded_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Keystore) -> None:
        raise StoreError("killed at step 6")

    with home_of(tmp_path) as ledger:
        first, second = approved(ledger, "nora-1"), approved(ledger, "other")
        with monkeypatch.context() as patch:
            patch.setattr(Keystore, "erased", killed)
            with pytest.raises(StoreError, match="step 6"):
                complete_erasure(ledger, first, actor=OFFICER)
        assert ledger.state.erasures[first].status == "completed"
        with pytest.raises(IllegalTransitionError, match="completed, not approved"):
            complete_erasure(ledger, first, actor=OFFICER)
        assert complete_erasure(ledger, second, actor=OFFICER).entries == 1


def test_an_erasure_of_a_ledger_in_memory_searches_no_files() -> None:
    ledger = Ledger.in_memory(clock=StepClock())
    fill(ledger)
    assert erased(ledger, "nora-1").searched == 0
    assert status_of(ledger, "nora-1") == "erased"
    assert status_of(ledger, "other") == "active"


def test_an_export_that_cannot_be_deleted_stops_the_erasure_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with home_of(tmp_path) as ledger:
        place = ledger.home / "exports" / "access.json"
        place.parent.mkdir()
        outside = tmp_path / "access.json"
        give_access(ledger, NORA, place, actor=OFFICER)
        give_access(ledger, NORA, outside, actor=OFFICER)
        erasure_id = approved(ledger, person=NORA)
        place.unlink()
        (place / "in the way").mkdir(parents=True)
        with pytest.raises(StoreError, match=r"access\.json cannot be deleted"):
            complete_erasure(ledger, erasure_id, actor=OFFICER)
        assert ledger.state.erasures[erasure_id].status == "approved"
        (place / "in the way").rmdir()
        place.rmdir()
        monkeypatch.setattr(erasure, "load_target", lambda _: None)  # no model is installed
        assert len(complete_erasure(ledger, erasure_id, actor=OFFICER).exports) == 2
        assert outside.exists()  # this program has no say there
