"""A two-transcript workspace and a scripted model that reads it: no weights, real ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.gateway import Gateway
from agent.models.builtin.dialect import CARDS, EDIT, END, NOTES, QUESTION, TURN, BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.workspace import Workspace, load_workspace
from governance.events import Actor
from governance.ledger import Ledger
from governance.policy import load_policy

TURNS = [
    {"transcript": "t1", "subject": "claim CL-1", "task": "Register a claim.",
     "plan": ["Looked up the policy."], "outcome": {"reward": 1, "origin": "environment"}},
    {"speaker": "Priya", "text": "The claim number is CL-1."},
    {"speaker": "Priya", "text": "Your adjuster is Ilse Marwood."},
    {"speaker": "tool", "tool": "lookup_policy", "arguments": {"p": "T-9"}, "result": {"ok": 1}},
    {"speaker": "Priya", "text": "The inspection is on 12 March."},
    {"speaker": "Priya", "text": "Sorry, the inspection is on 14 March."},
]  # fmt: skip
OTHER = [
    {"transcript": "t2", "subject": "claim CL-2"},
    {"speaker": "Agnes", "text": "The garage is Copperfield Motors."},
    {"speaker": "Agnes", "text": "Lovely weather today."},
]
TOML = """
name = "small-desk"
policy = "default"
[context]
budget_tokens = 32
[relay]
round_trips = 2
[sources."transcripts/a.jsonl"]
trust = "internal"
data_subject = "Nora Brennan"
[sources."transcripts/b.jsonl"]
trust = "internal"
[sources."documents/payments.csv"]
trust = "trusted"
"""
CSV = "id,payee,amount\nP-1,Marsh Lane Builders,96.50\nP-2,Northgate Hire,40.00\n"
QUESTIONS = [
    {"id": "q1", "question": "What is the adjuster of claim CL-1?", "answers": ["Ilse Marwood"],
     "evidence": {"source": "transcripts/a.jsonl", "turn": 1},
     "subject": "claim CL-1", "attribute": "adjuster"},
    {"id": "q2", "question": "What is the colour of claim CL-9?", "answers": ["unknown"],
     "subject": "claim CL-9", "attribute": "colour"},
]  # fmt: skip
EDITS = [
    {"id": "amount", "document": "documents/payments.csv",
     "forward": "Change the amount of P-1 from 96.50 to 104.00.",
     "backward": "Change the amount of P-1 from 104.00 to 96.50.",
     "expect": {"present": ["104.00"], "absent": ["96.50"]}},
]  # fmt: skip

_FACTS = (
    (r"claim number is (CL-\d+)", "claim number"),
    (r"adjuster is ([A-Z]\w+ [A-Z]\w+)", "adjuster"),
    (r"inspection is on (\d+ \w+)", "inspection date"),
    (r"garage is ([A-Z]\w+ [A-Z]\w+)", "garage"),
)


def respond(prompt: str) -> str | None:
    """What a model that can read would say."""
    if prompt.startswith(CARDS):
        read = prompt.partition(TURN)[2]
        found = [(m[1], name) for pattern, name in _FACTS if (m := re.search(pattern, read))]
        return "\n".join(f" {value} | {name}" for value, name in found) + END if found else " none"
    if prompt.startswith(EDIT):
        change = re.search(r"of (\S+) from (\S+) to (\S+)\.", prompt)
        return f" {change[1]} : {change[2]} => {change[3]}" if change else " none"
    if prompt.startswith(NOTES):
        asked = re.search(rf"{re.escape(QUESTION)} What is the (.+) of (.+)\?", prompt)
        wanted = asked and re.search(rf"The {asked[1]} of {asked[2]} is (.+)\.", prompt)
        return f" {wanted[1]}" if wanted else " unknown"
    return " unknown"


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(respond, dialect=BuiltinDialect())


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The workspace's folder."""
    folder = tmp_path / "desk"
    files: dict[str, Sequence[object]] = {
        "transcripts/a.jsonl": TURNS,
        "transcripts/b.jsonl": OTHER,
        "questions.jsonl": QUESTIONS,
        "edits.jsonl": EDITS,
    }
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "documents").mkdir()
    (folder / "documents/payments.csv").write_text(CSV, encoding="utf-8")
    (folder / "workspace.toml").write_text(TOML, encoding="utf-8")
    return folder


@pytest.fixture
def workspace(desk: Path) -> Workspace:
    return load_workspace(desk, strict=True)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.in_memory() as opened:
        yield opened


@pytest.fixture
def gateway(ledger: Ledger, workspace: Workspace) -> Gateway:
    gateway = Gateway(
        ledger,
        scope=workspace.settings.scope,
        actor=Actor(kind="agent", id="scripted"),
        policy=load_policy("default"),
    )
    for source in workspace.sources:
        gateway.register(source)
    return gateway


@dataclass
class Watcher:
    """An observer that remembers, and can stop a run at a chosen step."""

    stop: Callable[[str, int], bool] = lambda stage, step: False
    stages: list[str] = None  # type: ignore[assignment]  # set on first use
    steps: int = 0

    def stage(self, name: str, total: int) -> None:
        self.stages = [*(self.stages or []), name]
        self.steps = 0

    def step(self, note: str = "") -> None:
        self.steps += 1
        if self.stop(self.stages[-1], self.steps):
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        """Nothing to show."""


@pytest.fixture
def make_watcher() -> Callable[..., Watcher]:
    return Watcher
