"""The search: the lowest bad version in no more questions than it takes, and what did it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import bisect as searching
from governance import canonical, review
from governance.commands import bisecting
from governance.errors import BisectError
from governance.events import (
    AdapterWithdrawn,
    DriftHeld,
    EntryProposed,
    EntrySuperseded,
    MemoryRecalled,
    OutcomeRecorded,
    Scope,
    Span,
)
from governance.ledger import EventDraft, Ledger
from governance.records import DriftHold
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback, rollback
from tests.governance.desk import DESK, Desk
from tests.governance.drafts import ANN, SYSTEM, StepClock, draft, life, source
from tests.governance.erasable import NORA, erased, fill
from tests.governance.target import Target


@given(st.integers(1, 400), st.data())
def test_the_lowest_bad_version_is_found_in_log_n_questions(
    count: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, count - 1))
    asked: list[int] = []

    def good(seq: int) -> bool:
        asked.append(seq)
        return seq < bad * 10

    found = searching.search([place * 10 for place in range(count)], good)
    assert found is not None
    assert found.seq == bad * 10
    assert found.before == (None if bad == 0 else (bad - 1) * 10)
    assert found.asked == len(asked) <= math.ceil(math.log2(count)) + 1


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_of_a_memory_that_went_back_and_forth_a_change_for_the_worse_is_found(
    history: list[bool],
) -> None:
    found = searching.search(range(len(history)), history.__getitem__)
    if history[-1]:
        assert found is None
        return
    assert found is not None
    assert not history[found.seq]
    assert found.before is None or history[found.before]


class Learned(Desk):
    """A right value, unrelated things, then a wrong one that takes its place."""

    right: str = ""
    wrong: str = ""
    adjuster: str = ""


def misled(desk: Desk, attribute: str, value: str, right: str) -> str:
    """A wrong value is let in and takes the place of the right one; its id."""
    wrong = desk.fact(attribute, value, replaces=right).entry_id
    entry = desk.entry(wrong)
    review.approve(
        desk.ledger, wrong, actor=ANN, reason_code="correction", expected_version=1,
        expected_digest=entry.content_digest,
    )  # fmt: skip
    return wrong


@pytest.fixture
def desk() -> Learned:
    desk = Learned()
    desk.right = desk.fact("deductible", "300 EUR").entry_id
    desk.adjuster = desk.fact("adjuster", "Hugo Bancroft").entry_id
    desk.recall("x")
    desk.wrong = misled(desk, "deductible", "350 EUR", desk.right)
    desk.fact("inspection", "10 March")
    return desk


class Reader(Target):
    """Answers with the value that is in force at a version, as the agent's memory would."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        self.asked.append((seq, tuple(without)))
        state = self.ledger.state_at(seq)
        back = {state.entries[one].replaces for one in without}
        values = [
            entry.body.value  # type: ignore[union-attr]
            for entry in state.visible(scope)
            if (entry.status == "active" or entry.entry_id in back)
            and entry.entry_id not in without
            and getattr(entry.body, "attribute", "") == question
        ]
        return values[-1] if values else "unknown"


def test_only_versions_at_which_memory_changed_are_asked_about(desk: Learned) -> None:
    head = desk.ledger.head.seq
    found = searching.versions(desk.ledger, 0, head)
    assert found[0] == 0
    assert found[-1] == head
    acting = [
        event.header.seq for event in desk.ledger.events(types=["entry.activated"])
    ]  # fmt: skip
    assert len(found) - 1 == len(acting) == 4
    assert all(first <= last for first, last in zip(acting, found[1:], strict=True))
    for start, stop in ((3, 3), (5, 2), (0, head + 1)):
        with pytest.raises(BisectError, match="nothing to search"):
            searching.versions(desk.ledger, start, stop)


def test_the_entry_is_named_with_its_evidence_and_confirmed(desk: Learned) -> None:
    reader, head = Reader(desk.ledger), desk.ledger.head.seq

    def probe(seq: int, without: Collection[str]) -> bool:
        return reader.answer_at(seq, DESK, "deductible", without=without) in {"300 EUR", "unknown"}

    candidates = searching.versions(desk.ledger, 0, head)
    found = searching.search(candidates, lambda seq: probe(seq, ()))
    assert found is not None
    blamed = {
        one.entry.entry_id: one for one in searching.suspects(desk.ledger, found, head, probe)
    }
    wrong, right = blamed[desk.wrong], blamed[desk.right]
    assert wrong.confirmed is True
    assert wrong.entry.decided_by == ANN
    assert wrong.evidence == ("calls/17: the deductible is 350 EUR.",)
    assert (right.confirmed, type(right.event.payload)) == (None, EntrySuperseded)


def test_what_a_drift_hold_names(desk: Learned) -> None:
    held = DriftHeld(hold_id="d1", reason="worse", alarm="a1", entries=["e9"], adapters=["none"])
    desk.ledger.append([EventDraft(held, SYSTEM, DESK)])
    hold = searching.alarm_of(desk.ledger.state, "d1")
    assert (hold.held, searching.held_entries(desk.ledger.state, hold)) == (held, ("e9",))
    with pytest.raises(BisectError, match="no alarm") as caught:
        searching.alarm_of(desk.ledger.state, "d2")
    assert caught.value.hint == "known: d1"


# --- from an alarm -------------------------------------------------------------------------


def answered(
    desk: Desk, question: str, expected: str, answer: str, *entries: str, adapter: str | None = None
) -> tuple[str, ...]:
    """A prompt and its answer in one append, as the agent records them; the events' ids."""
    recalled = MemoryRecalled(
        recall_id=f"r{desk.ledger.head.seq}", purpose="answer", query=question,
        entries=list(entries), adapter_digest=adapter,
    )  # fmt: skip
    outcome = OutcomeRecorded(
        task_id=question, run_id="r", arm="both", question=question, answer=answer,
        expected=[expected], exact=answer == expected, f1_ppm=0, origin="ground_truth",
    )  # fmt: skip
    drafts = [EventDraft(one, SYSTEM, desk.scope) for one in (recalled, outcome)]
    return desk.ledger.append(drafts, key=f"answer {desk.ledger.head.seq}").event_ids


def alarmed(
    desk: Desk, *entries: str, adapters: tuple[str, ...] = (), causes: tuple[str, ...] = ()
) -> DriftHold:
    held = DriftHeld(
        hold_id=f"d{desk.ledger.head.seq}", reason="worse", alarm="a", entries=list(entries),
        adapters=list(adapters),
    )  # fmt: skip
    desk.ledger.append([EventDraft(held, SYSTEM, desk.scope, causes=causes)])
    return desk.ledger.state.drift_holds[held.hold_id]


def test_an_alarm_asks_what_was_answered_wrongly_with_what_it_names(desk: Learned) -> None:
    def asked(hold: DriftHold) -> list[str]:
        return [one.question for one in searching.alarm_questions(desk.ledger, hold).asked]

    answered(desk, "colour", "red", "blue", "other")
    answered(desk, "adjuster", "Hugo Bancroft", "Hugo Bancroft", desk.wrong)
    with pytest.raises(BisectError, match="rests on no wrong answer") as caught:
        searching.alarm_questions(desk.ledger, alarmed(desk, desk.wrong))
    assert "--question" in str(caught.value.hint)
    answered(desk, "never known", "x", "y", desk.wrong)
    assert asked(alarmed(desk, desk.wrong)) == ["never known"]
    answered(desk, "deductible", "300 EUR", "300 EUR", desk.right)
    good = desk.ledger.head.seq
    ids = answered(desk, "deductible", "300 EUR", "350 EUR", desk.wrong, adapter="ad")
    found = searching.alarm_questions(desk.ledger, alarmed(desk, desk.wrong))
    assert found.asked == (searching.Asked("deductible", ("300 EUR",)),)  # it was known before
    assert found.good == good
    assert asked(alarmed(desk, adapters=("ad",))) == asked(alarmed(desk)) == ["deductible"]
    assert asked(alarmed(desk, "other", causes=ids[1:])) == ["deductible"]
    assert asked(alarmed(desk, "other")) == ["colour"]
    elsewhere = replace(alarmed(desk, desk.wrong), scope=Scope(tenant="elsewhere"))
    with pytest.raises(BisectError, match="no wrong answer"):
        searching.alarm_questions(desk.ledger, elsewhere)


def doubted(ledger: Ledger, first: int, *, confirmed: bool = True) -> dict[str, bool | None]:
    """Who is suspected for everything from ``first`` on."""
    head = ledger.head.seq
    found = searching.Found(head, first - 1 or None, 1, 1)
    asked: list[str] = []

    def probe(_: int, without: Collection[str]) -> bool:
        asked.extend(without)
        return confirmed

    suspected = searching.suspects(ledger, found, head, probe)
    by_name = {one.entry.entry_id: one.confirmed for one in suspected}
    assert asked == [name for name, answer in by_name.items() if answer is not None]
    return by_name


def test_an_adapter_is_doubted_for_each_of_its_cards(desk: Learned) -> None:
    card = desk.card("inspection", "10 March").entry_id
    digest = desk.build(card)
    first = desk.ledger.head.seq + 1
    withdrawn = AdapterWithdrawn(shard_id="shard", digest=digest, reason_code="drift")
    desk.ledger.append([EventDraft(withdrawn, SYSTEM, desk.scope)])
    assert doubted(desk.ledger, first) == {card: True}
    assert doubted(desk.ledger, first, confirmed=False) == {card: False}


def test_a_rollback_is_doubted_for_each_entry_it_moved(desk: Learned) -> None:
    before = desk.ledger.head.seq
    later = desk.fact("plumber", "Wexler Plumbing").entry_id
    first = desk.ledger.head.seq + 1
    plan = plan_rollback(desk.ledger, before)
    rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    assert doubted(desk.ledger, first) == {later: None}  # it is gone and cannot be left out
    assert doubted(desk.ledger, 1)[desk.wrong] is True


def test_the_evidence_of_a_suspect_is_quoted_while_there_is_any() -> None:
    ledger = Ledger.in_memory(clock=StepClock())
    fill(ledger)
    spans = [Span(source_id=name, start=0, end=10) for name in ("nora", "desk")]
    first, *later = life("also")
    assert isinstance(first.payload, EntryProposed)
    both = replace(first, payload=first.payload.model_copy(update={"spans": spans}))
    ledger.append([both, *later])
    head = ledger.head.seq

    def quoted() -> dict[str, tuple[str, ...]]:
        found = searching.Found(head, None, 1, 1)
        suspected = searching.suspects(ledger, found, ledger.head.seq, lambda *_: True)
        return {one.entry.entry_id: one.evidence for one in suspected}

    assert quoted()["nora-2"] == ("nora.jsonl: My IBAN is",)
    assert quoted()["also"] == ("nora.jsonl: My IBAN is", "desk.jsonl: The garage")
    erased(ledger, person=NORA)
    assert quoted()["nora-2"] == ()
    assert quoted()["also"] == ("desk.jsonl: The garage",)


def test_there_is_something_to_search_in_a_range_of_versions_that_exist(desk: Learned) -> None:
    head = desk.ledger.head.seq
    for start, stop in ((0, head + 1), (3, 3), (4, 3), (-1, 3)):
        with pytest.raises(BisectError, match="nothing to search") as caught:
            searching.versions(desk.ledger, start, stop)
        assert f"0 to {head}" in caught.value.hint
    assert searching.versions(desk.ledger, head - 1, head)[0] == head - 1


def test_an_alarm_is_known_by_its_id_and_speaks_against_cards_of_its_adapters(
    desk: Learned,
) -> None:
    with pytest.raises(BisectError, match="no alarm 'd1'") as caught:
        searching.alarm_of(desk.ledger.state, "d1")
    assert caught.value.hint == "known: none"
    card = desk.card("inspection", "10 March").entry_id
    hold = alarmed(desk, desk.wrong, card, adapters=(desk.build(card), "never built"))
    assert searching.alarm_of(desk.ledger.state, hold.held.hold_id) == hold
    assert searching.held_entries(desk.ledger.state, hold) == (desk.wrong, card)
    assert searching.held_entries(desk.ledger.state, alarmed(desk)) == ()


# --- the command -------------------------------------------------------------------------


@pytest.fixture
def command(desk: Learned, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """The command, on the desk's ledger."""
    reader = Reader(desk.ledger)
    monkeypatch.setattr(bisecting, "open_ledger", lambda home: nullcontext(desk.ledger))
    monkeypatch.setattr("governance.memory_target.load_target", lambda ledger: reader)
    return reader


def run(**options: object) -> None:
    bisecting.bisect(home=Path("x"), as_json=True, **options)  # type: ignore[arg-type]


def test_the_command_names_the_first_bad_version(
    desk: Learned, command: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    held = DriftHeld(hold_id="d1", reason="worse", alarm="a1", entries=[desk.wrong])
    desk.ledger.append([EventDraft(held, SYSTEM, DESK)])
    run(question="deductible", expect=["300 EUR", "unknown"], alarm="d1")
    said = json.loads(capsys.readouterr().out)
    (cause,) = [one for one in said["suspects"] if one["confirmed"]]
    assert (cause["entry_id"], cause["held_by_alarm"]) == (desk.wrong, True)
    assert said["last_good"] < said["first_bad"] == desk.ledger.event(cause["event"]).header.seq + 1
    assert said["evaluations"] <= math.ceil(math.log2(said["versions"])) + 1
    bisecting.bisect(home=Path("x"), question="deductible", expect=["300 EUR", "unknown"])
    shown = capsys.readouterr().out
    assert "is bad, version" in shown
    assert f"palimpsest revoke {desk.wrong}" in shown


def test_an_alarm_by_itself_names_the_first_bad_version_before_it(
    desk: Learned, command: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when the memory was cured since, and another scope learned something."""
    answered(desk, "adjuster", "Hugo Bancroft", "Hugo Bancroft", desk.adjuster)
    good = desk.ledger.head.seq
    wrong = misled(desk, "adjuster", "Ilse Marwood", desk.adjuster)
    bad = desk.ledger.head.seq
    answered(desk, "adjuster", "Hugo Bancroft", "Ilse Marwood", wrong)
    hold = alarmed(desk, wrong)
    revoke(desk.ledger, plan_revocation(desk.ledger, wrong), actor=ANN, reason_code="wrong")
    desk.ledger.append([draft(source("s1")), *life("elsewhere")])
    run(alarm=hold.held.hold_id)
    said = json.loads(capsys.readouterr().out)
    assert said["asked"] == [{"question": "adjuster", "answers": ["Hugo Bancroft"]}]
    assert (said["last_good"], said["first_bad"]) == (good, bad)
    (cause,) = [one for one in said["suspects"] if one["confirmed"]]
    assert (cause["entry_id"], cause["held_by_alarm"]) == (wrong, True)
    run(alarm=hold.held.hold_id, scope="mutual/desk", start=0, stop=good)
    assert json.loads(capsys.readouterr().out)["first_bad"] is None


def test_a_question_that_is_answered_rightly_is_never_bad(
    command: Reader, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "probe.jsonl"
    file.write_text('{"question": "adjuster", "answers": ["Hugo Bancroft"]}\n\n')
    run(probe=file)
    assert json.loads(capsys.readouterr().out)["first_bad"] is None
    bisecting.bisect(home=Path("x"), probe=file)
    assert "nothing to find" in capsys.readouterr().out
    assert len(command.asked) == 2


def test_what_was_always_bad_has_no_good_version(
    command: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    bisecting.bisect(home=Path("x"), question="colour", expect=["red"])
    shown = capsys.readouterr().out
    assert "bad from the first version on" in shown
    assert "leaving out a single entry does not help" in shown


def test_wrong_input_is_said_clearly(
    desk: Learned, command: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.write_text("\n")
    broken.write_text('{"question": "x"}\n')
    for options, match in (
        ({}, "what should be asked"), ({"question": "q"}, "right answer"),
        ({"question": "q", "probe": empty}, "what should be asked"),
        ({"expect": ["a"], "alarm": "d1"}, "what should be asked"),
        ({"probe": empty}, "is empty"), ({"probe": broken}, "holds no probes"),
        ({"probe": tmp_path / "none"}, "holds no probes"),
    ):  # fmt: skip
        with pytest.raises(BisectError, match=match):
            run(**options)
    run(question="deductible", expect=["300 EUR", "unknown"], scope="mutual/desk")
    monkeypatch.setattr("governance.memory_target.load_target", lambda ledger: None)
    with pytest.raises(BisectError, match="no agent memory"):
        run(question="q", expect=["a"])
    desk.ledger.append([draft(source("s1")), *life("elsewhere")])
    with pytest.raises(BisectError, match="several scopes"):
        run(question="q", expect=["a"])


NAMES = ["bot", '","recorded_at_us":1,"type":"x"}', 'a"b\\', '"command":"z"']


@pytest.mark.parametrize("command", [None, "ab12"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_cut_out_of_a_header_is_what_decoding_finds(name: str, command: str | None) -> None:
    header: dict[str, Any] = {
        "actor": {"id": name, "kind": "agent"}, "causes": [], "command": command, "episode": name,
        "format": 1, "recorded_at_us": 17, "scope": {"user": name}, "seq": 3, "subject": name,
        "subject_version": 1, "type": "entry.activated",
    }  # fmt: skip
    wanted = (json.dumps(command).encode(), b"17", "entry.activated")
    assert searching._append_and_type(canonical.encode(header)) == wanted
    future = header | {"zone": "later"}  # a key after the last one we know
    assert searching._append_and_type(canonical.encode(future)) == wanted
    with pytest.raises(BisectError, match="cannot be read"):
        searching._append_and_type(b"{}")
