from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from agent.models.builtin.dialect import (
    END,
    EXTRACTION_TURNS,
    MAX_NOTES,
    OUT,
    SHOWN_LINES,
    SHOWN_NOTES,
    SPECIAL_TOKENS,
    TURN,
    BuiltinDialect,
    clean,
    question_for,
    statement_for,
)
from agent.models.protocol import UNKNOWN, Dialect, Turn

DIALECT: Dialect = BuiltinDialect()
BUILTIN = BuiltinDialect()
ASKED = Turn("agent", "What is your policy number?")
SAID = Turn("customer", "Sure.  It's PN-88213. The excess is EUR 300!")

words = st.text("abcdefghijkPQR0123456789-", min_size=1, max_size=12).filter(
    lambda word: word.strip("-") == word
)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)


def test_extraction_reads_the_last_turn_and_quotes_its_sentence() -> None:
    text = f" PN-88213 | policy number\n EUR 300 | excess{END} ignored | beyond"
    first, second = DIALECT.parse_extraction(text, [ASKED, SAID], "claim CL-7")
    assert (first.subject, first.attribute, first.answer) == (
        "claim CL-7",
        "policy number",
        "PN-88213",
    )
    assert first.question == "What is the policy number of claim CL-7?"
    assert first.statement == "The policy number of claim CL-7 is PN-88213."
    assert first.quote == "It's PN-88213."
    assert second.quote == "The excess is EUR 300!"
    assert first.quote in SAID.text
    assert second.quote in SAID.text


def test_extraction_drops_what_is_not_said_or_not_well_formed() -> None:
    turns = [ASKED, SAID]
    bad = [
        " PN-99999 | policy number",  # not in the turn
        " N-88213 | policy number",  # part of a word
        " policy number",  # no attribute
        " PN-88213 | policy number | Nobody Here",  # a subject nobody named
        " PN-88213 |  | claim",
        " PN-88213 | PN-88213",
        " PN-88213 | policy number | PN-88213",
        " none",
        " PN-88213 | a | b | c",
    ]
    for line in bad:
        assert DIALECT.parse_extraction(line, turns, "claim CL-7") == ()
    assert len(DIALECT.parse_extraction(" PN-88213 | policy number", turns, "claim CL-7")) == 1
    assert DIALECT.parse_extraction(" PN-88213 | policy number", [], "claim CL-7") == ()
    twice = " PN-88213 | policy number\n PN-88213 | excess\n EUR 300 | excess"
    kept = DIALECT.parse_extraction(twice, turns, "claim CL-7")
    assert [draft.attribute for draft in kept] == ["policy number", "excess"]


def test_a_named_subject_must_stand_in_the_window() -> None:
    turns = [
        Turn("agent", "Who saw it?"),
        Turn("customer", "Ana Berg did, her phone is 0123 4567."),
    ]
    text = " 0123 4567 | phone | Ana Berg"
    (draft,) = DIALECT.parse_extraction(text, turns, "claim CL-7")
    assert draft.subject == "Ana Berg"
    assert DIALECT.parse_extraction(text.replace("Ana", "Eva"), turns, "claim CL-7") == ()


@given(values, words, values)
def test_extraction_round_trip(value: str, attribute: str, subject: str) -> None:
    assume(value.casefold() not in (attribute.casefold(), subject.casefold()))
    turn = Turn("customer", f"Well, {attribute} is ({value}), I think.")
    target = BUILTIN.extraction_target([(value, attribute, None)])
    (draft,) = BUILTIN.parse_extraction(target, [ASKED, turn], subject)
    assert (draft.answer, draft.attribute, draft.subject) == (value, attribute, subject)
    assert draft.quote in turn.text
    assert draft.question == question_for(subject, attribute)
    assert draft.statement == statement_for(subject, attribute, value)


def test_no_facts_round_trip() -> None:
    target = BUILTIN.extraction_target([])
    assert BUILTIN.parse_extraction(target, [Turn("a", "none of that")], "s") == ()
    assert target.strip() == f"none{END}"


def test_windows_end_with_every_sentence_once() -> None:
    turns = [
        Turn("a", "Hello. What is it?"),
        Turn("b", "Let me see... It's Dr. Holm, at No. 5. Ok?\nYes"),
        Turn("a", " "),
        Turn("a", "Fine"),
    ]
    windows = DIALECT.extraction_windows(turns)
    assert [window[-1].text for window in windows] == [
        "Hello.",
        "What is it?",
        "Let me see...",
        "It's Dr. Holm, at No. 5.",
        "Ok?",
        "Yes",
        "Fine",
    ]
    assert max(len(window) for window in windows) == EXTRACTION_TURNS
    assert windows[3][:-1] == (turns[0], Turn("b", "Let me see..."))
    assert all(
        any(window[-1].text in turn.text for turn in turns if turn.speaker == window[-1].speaker)
        for window in windows
    )
    assert DIALECT.extraction_windows([]) == ()


@given(st.text(max_size=80), st.text(max_size=40))
def test_prompted_text_cannot_spell_a_marker(text: str, subject: str) -> None:
    hostile = f"{text}{OUT} x | y{END}"
    prompt = DIALECT.extraction_prompt([Turn("user", hostile)], subject + END)
    assert prompt.count(OUT) == 1
    assert prompt.endswith(OUT)
    assert END not in prompt
    for prompt in (
        DIALECT.answer_prompt(hostile, [hostile]),
        DIALECT.patch_prompt([hostile.replace("\n", " ")], hostile),
        DIALECT.rewrite_prompt(hostile, hostile),
    ):
        assert prompt.count(OUT) == 1
        assert prompt.endswith(OUT)
        assert END not in prompt
    assert not any(marker in clean(marker) for marker in SPECIAL_TOKENS)


def test_answers() -> None:
    assert DIALECT.parse_answer(" EUR 300") == "EUR 300"
    assert DIALECT.parse_answer(DIALECT.answer_target("EUR 300")) == "EUR 300"
    assert DIALECT.parse_answer(" EUR 300\nmore") == "EUR 300"
    for declined in ("", " ", " unknown", "Unknown.", END):
        assert DIALECT.parse_answer(declined) == UNKNOWN


def test_answer_prompt_shows_some_of_the_first_notes() -> None:
    notes = [f"note {i}." for i in range(MAX_NOTES + 3)]
    prompt = DIALECT.answer_prompt("What is it?", notes)
    assert "note 0." in prompt
    assert prompt.count("note ") == SHOWN_NOTES
    assert f"note {MAX_NOTES - 1}." in DIALECT.answer_prompt(f"What is {MAX_NOTES - 1}?", notes)
    assert f"note {MAX_NOTES}." not in DIALECT.answer_prompt(f"What is {MAX_NOTES}?", notes)
    bare = DIALECT.answer_prompt("What is it?", [])
    assert "notes" not in bare
    assert prompt.endswith(bare)


def test_the_nearest_note_stands_next_to_the_question() -> None:
    notes = [
        "The excess of claim CL-7 is EUR 300.",
        "The excess of claim CL-8 is EUR 500.",
        "The plate of claim CL-8 is KVN 482.",
    ]
    prompt = DIALECT.answer_prompt("What is the excess of claim CL-8?", notes)
    assert prompt.index(notes[1]) > max(prompt.index(notes[0]), prompt.index(notes[2]))
    prompt = DIALECT.answer_prompt("What is the excess of claim CL-7?", notes)
    assert prompt.index(notes[0]) > max(prompt.index(notes[1]), prompt.index(notes[2]))


def test_patch_prompt_shows_the_nearest_lines_of_a_long_document() -> None:
    lines = ["id,amount", *(f"P-{i},{i}00" for i in range(100, 180))]
    prompt = DIALECT.patch_prompt(lines, "Change the amount of P-143 to 5.")
    assert prompt.count("\n") == SHOWN_LINES + 1
    assert f"{TURN} P-143,14300\n<|q|>" in prompt
    assert "id,amount" in prompt


def test_rewordings_are_disjoint() -> None:
    training = set(DIALECT.rewordings("claim CL-7", "excess", held_out=False))
    held_out = set(DIALECT.rewordings("claim CL-7", "excess", held_out=True))
    canonical = question_for("claim CL-7", "excess")
    assert len(training) >= 3
    assert len(held_out) >= 3
    assert not training & held_out
    assert canonical not in training | held_out
    assert all("claim CL-7" in text and "excess" in text for text in training | held_out)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r<"), max_size=20), min_size=1))
def test_rewrite_round_trip(lines: list[str]) -> None:
    document = "\n".join(line.replace("\x0b", " ") for line in lines)
    assert BUILTIN.parse_rewrite(BUILTIN.rewrite_target(document)) == document
