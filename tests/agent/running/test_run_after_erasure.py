"""A run does not begin again to remember somebody who was erased, and goes on with the rest."""

from __future__ import annotations

from pathlib import Path

from agent.models.scripted import ScriptedModel
from agent.run import RunOptions, run
from agent.workspace import load_workspace
from governance.erasure import approve_erasure, complete_erasure, plan_erasure, request_erasure
from governance.ledger import Ledger
from governance.policy import load_policy
from tests.governance.drafts import ANN, BOB

PERSON = "Nora Brennan"


class Notes:
    """An observer that keeps what each step said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, total: int) -> None:
        self.said.append(f"[{name} {total}]")

    def step(self, note: str = "") -> None:
        self.said.append(note)

    def note(self, text: str) -> None:
        """Nothing to keep."""


def erase(home: Path, person: str) -> None:
    with Ledger.open(home) as ledger:
        plan = plan_erasure(ledger, data_subject=person)
        asked = request_erasure(ledger, plan, basis="consent-withdrawn", reason="letter", actor=ANN)
        approve_erasure(ledger, asked, actor=BOB)
        complete_erasure(ledger, asked, actor=BOB)


def test_new_text_about_an_erased_person_is_left_out_and_the_run_goes_on(
    desk: Path, model: ScriptedModel, tmp_path: Path
) -> None:
    options = RunOptions(tmp_path / "home", load_policy("default"))
    run(load_workspace(desk, strict=True), model, options, Notes())
    erase(options.home, PERSON)
    # The same person, another day; and the same other customer, another day.
    for name, old, new in (("a", "12 March", "15 March"), ("b", "Lovely", "Awful")):
        transcript = desk / f"transcripts/{name}.jsonl"
        transcript.write_text(transcript.read_text("utf-8").replace(old, new), "utf-8")
    notes = Notes()
    summary = run(load_workspace(desk, strict=True), model, options, notes)
    assert summary.verified
    assert "transcripts/a.jsonl (about a person who was erased: left out)" in notes.said
    assert "transcripts/b.jsonl" in notes.said  # registered: it is about somebody else
    with Ledger.open(options.home) as ledger:
        kinds = sorted(source.kind for source in ledger.state.sources.values())
    assert kinds == ["document", "erased", "transcript", "transcript"]


def test_the_erased_text_itself_is_left_out(
    desk: Path, model: ScriptedModel, tmp_path: Path
) -> None:
    options = RunOptions(tmp_path / "home", load_policy("default"))
    run(load_workspace(desk, strict=True), model, options, Notes())
    erase(options.home, PERSON)
    notes = Notes()
    run(load_workspace(desk, strict=True), model, options, notes)
    assert "transcripts/a.jsonl (erased: left out)" in notes.said
    assert "transcripts/b.jsonl (known)" in notes.said
