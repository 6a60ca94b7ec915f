"""What is taken from a model's reply, what is asked again, and what is dropped."""

from __future__ import annotations

import json

from agent.extraction import RETRIES, extract
from agent.gateway import Gateway
from agent.models.chat import ChatDialect
from agent.models.protocol import Turn
from agent.models.scripted import ScriptedModel
from agent.program import Learner, chunks
from agent.workspace import Workspace
from governance.events import MemoryRecalled
from governance.ledger import Ledger

TURNS = (
    Turn("Priya", "Your adjuster is Ilse Marwood."),
    Turn("Priya", "The inspection is on 14 March, ring 0161 496 0114."),
)


def card(attribute: str, answer: str, quote: str, question: str = "") -> dict[str, str]:
    question = question or f"What is the {attribute} of claim CL-1?"
    return {
        "subject": "claim CL-1", "attribute": attribute, "answer": answer,
        "question": question, "quote": quote,
    }  # fmt: skip


ADJUSTER = card("adjuster", "Ilse Marwood", "Your adjuster is Ilse Marwood.")


def reply(*cards: dict[str, str]) -> str:
    return json.dumps(cards)


def answering(*replies: str) -> ScriptedModel:
    """A model that gives one reply after the other, and the last one from then on."""
    left = list(replies)
    return ScriptedModel(lambda _: left.pop(0) if len(left) > 1 else left[0], dialect=ChatDialect())


def test_an_unreadable_reply_is_asked_for_again_and_says_what_was_wrong() -> None:
    model = answering("Sure! Here are some cards.", reply(ADJUSTER))
    extraction = extract(model, TURNS, "claim CL-1")
    assert [one.draft.answer for one in extraction.found] == ["Ilse Marwood"]
    assert extraction.unreadable == 0
    first, second = model.calls
    assert second.startswith(first)
    assert "could not be read" in second
    # The control: an empty array is an answer, and nothing is asked again.
    silent = answering("[]")
    assert extract(silent, TURNS, "claim CL-1").found == ()
    assert len(silent.calls) == 1


def test_after_two_retries_nothing_is_taken_and_the_window_counts_as_unreadable() -> None:
    model = answering("I would rather talk about the weather.")
    extraction = extract(model, TURNS, "claim CL-1")
    assert (extraction.found, extraction.unreadable) == ((), 1)
    assert len(model.calls) == 1 + RETRIES
    assert model.calls[1] == model.calls[2]  # the notice is given once


def test_an_answer_that_states_more_than_its_quote_is_dropped() -> None:
    # "14" stands in the quote only as a piece of a telephone number.
    made_up = card("floor", "14", "ring 0161 496 0114")
    extraction = extract(answering(reply(made_up, ADJUSTER)), TURNS, "claim CL-1")
    assert [one.draft.attribute for one in extraction.found] == ["adjuster"]
    assert extraction.dropped == 1


def test_a_near_repetition_is_dropped_and_another_number_is_none() -> None:
    again = card(
        "claims adjuster", "Ilse Marwood", ADJUSTER["quote"], "What is the adjuster of claim CL-1 ?"
    )
    other = card(
        "adjuster for CL-2", "Ilse Marwood", ADJUSTER["quote"],
        "What is the adjuster of claim CL-2?",
    )  # fmt: skip
    extraction = extract(answering(reply(ADJUSTER, again, other)), TURNS, "claim CL-1")
    assert [one.draft.attribute for one in extraction.found] == ["adjuster", "adjuster for CL-2"]
    assert extraction.dropped == 1


def test_an_instruct_model_is_shown_allowed_cards_of_earlier_parts_and_the_record_names_them(
    gateway: Gateway, workspace: Workspace, ledger: Ledger
) -> None:
    def respond(prompt: str) -> str:
        said = prompt.partition("<transcript>")[2]
        return reply(ADJUSTER) if "Your adjuster is Ilse Marwood." in said else "[]"

    model = ScriptedModel(respond, dialect=ChatDialect())
    learner = Learner(gateway, model)
    parts = list(chunks(workspace.transcripts[0], model, 12))
    assert len(parts) > 1
    for chunk in parts:
        learner.learn(chunk)
    shown = [prompt for prompt in model.calls if "<known>" in prompt]
    assert shown
    assert all("Ilse Marwood" in prompt.partition("<known>")[2] for prompt in shown)
    assert model.calls[0] not in shown  # nothing was written before the first part
    marks = [
        event.payload
        for event in ledger.events(types={"memory.recalled"})
        if isinstance(event.payload, MemoryRecalled)
    ]
    cards = {e.entry_id for e in ledger.state.entries.values() if e.body.kind == "card"}
    assert marks[0].entries == []
    assert set(marks[-1].entries) == cards
    assert cards
