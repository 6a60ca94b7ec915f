from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.errors import WorkspaceError
from agent.importers import detect_source, import_source, load_sgd
from agent.importers.sgd import QUESTIONS_A_DIALOGUE, question_phrase
from agent.models.builtin.patching import apply_patch
from agent.models.protocol import UNKNOWN, Patch
from agent.workspace import Workspace
from agent.workspace_schema import EditPair
from governance import drift

SERVICE = "Restaurants_2"
SCHEMA = [
    {
        "service": SERVICE,
        "description": "Restaurants",
        "slots": [
            {"name": "restaurant_name", "description": "Name of the restaurant"},
            {"name": "location", "description": "City where the restaurant is located"},
            {"name": "date", "description": "Tentative date of restaurant reservation"},
            {"name": "phone_number", "description": "Phone number to contact restaurant"},
            {
                "name": "has_seating_outdoors",
                "description": "Whether the restaurant has outdoor seating available",
                "is_categorical": True,
                "possible_values": ["True", "False"],
            },
            {
                "name": "price_range",
                "description": "Price range for the restaurant",
                "is_categorical": True,
                "possible_values": ["cheap", "moderate", "pricey"],
            },
            {
                "name": "number_of_seats",
                "description": "Number of seats to reserve at the restaurant",
                "is_categorical": True,
                "possible_values": ["1", "2"],
            },
        ],
    }
]
NAMES = ["Sino", "Zaoh", "Napa Grill", "Koryo", "Mai", "Big 4", "Bistro", "Lupin", "Orto", "Fig"]
CITIES = ["San Jose", "Saratoga", "Livermore", "Napa", "Berkeley"]


def spanned(text: str, **values: str) -> dict[str, Any]:
    spans = [
        [SERVICE, slot, text.index(value), text.index(value) + len(value)]
        for slot, value in values.items()
    ]
    return {"speaker": "user", "text": text, "spans": spans}


def dialogue(number: int) -> dict[str, Any]:
    name, city = NAMES[number % len(NAMES)], CITIES[number % len(CITIES)]
    return {
        "id": f"1_{number:05d}",
        "services": [SERVICE],
        "turns": [
            spanned(f"A table at {name} in {city}.", restaurant_name=name, location=city),
            {"speaker": "system", "text": "For which date?\nIt is moderate there.", "spans": []},
            spanned("On March 14th, please.", date="March 14th"),
            {"speaker": "system", "text": "It is booked.", "spans": []},
        ][: 4 - number % 2],
        "final_state": {
            SERVICE: {
                "restaurant_name": [name],
                "location": [city],
                "date": ["March 14th", "14th of March"],
                "number_of_seats": ["2"],
                "has_seating_outdoors": ["True"],
                "price_range": ["moderate"],
            }
        },
    }


def write(folder: Path, lines: Sequence[Any], *, schema: bool = True, name: str = "mini") -> Path:
    path = folder / f"{name}.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    if schema:
        (folder / f"{name}_schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    return path


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return write(tmp_path, [dialogue(number) for number in range(10)])


# --- transcripts -----------------------------------------------------------------------


def test_a_dialogue_becomes_a_transcript(mini: Path) -> None:
    workspace = load_sgd(mini)
    source = workspace.transcripts[0]
    assert source.text == (
        "user: A table at Sino in San Jose.\nsystem: For which date? It is moderate there.\n"
        "user: On March 14th, please.\nsystem: It is booked.\n"
    )
    assert source.subject == "booking 1_00000"
    assert [turn.trust for turn in source.turns[:2]] == ["customer", "internal"]
    for turn in source.turns:
        assert source.text[turn.text_start : turn.end] == turn.text
    assert source.header is not None
    assert source.header.outcome is None
    assert workspace.name == "sgd-mini"
    assert {one.scope for one in workspace.sources} == {workspace.settings.scope}


def test_limit_takes_the_first(mini: Path) -> None:
    assert len(load_sgd(mini).transcripts) == 10
    workspace = load_sgd(mini, limit=2)
    assert [one.source_id for one in workspace.transcripts] == [
        "transcripts/1_00000",
        "transcripts/1_00001",
    ]
    with pytest.raises(WorkspaceError, match="leaves nothing"):
        load_sgd(mini, limit=0)


def test_same_file_and_limit_same_workspace(mini: Path) -> None:
    assert load_sgd(mini, limit=5) == load_sgd(mini, limit=5)
    assert load_sgd(mini, seed=1).questions != load_sgd(mini, seed=2).questions


# --- questions -------------------------------------------------------------------------


def test_questions_use_the_schemas_words_and_all_values(mini: Path) -> None:
    asked = {one.id: one for one in load_sgd(mini, questions_a_dialogue=9).questions}
    name = asked["1_00000.Restaurants_2.restaurant_name"]
    assert name.question == "What is the name of the restaurant for booking 1_00000?"
    assert name.answers == ("Sino",)
    assert (name.subject, name.attribute) == ("booking 1_00000", "restaurant name")
    date = asked["1_00000.Restaurants_2.date"]
    assert date.question == "What is the date of restaurant reservation for booking 1_00000?"
    assert date.answers == ("March 14th", "14th of March")
    # Stated in words though never annotated.
    assert asked["1_00000.Restaurants_2.price_range"].answers == ("moderate",)
    # A bare number and a yes/no slot cannot be pinned to what was said.
    assert "1_00000.Restaurants_2.number_of_seats" not in asked
    assert "1_00000.Restaurants_2.has_seating_outdoors" not in asked


def test_every_answer_stands_where_the_evidence_points(mini: Path) -> None:
    workspace = load_sgd(mini, questions_a_dialogue=9)
    answerable = [one for one in workspace.questions if one.answerable]
    assert len(answerable) == 40
    for question in answerable:
        assert question.evidence is not None
        source = workspace.source(question.evidence.source)
        span = source.locate(question.evidence)
        assert span is not None
        assert any(answer in source.text[span.start : span.end] for answer in question.answers)


def test_some_questions_have_no_answer(mini: Path) -> None:
    unknown = [one for one in load_sgd(mini).questions if not one.answerable]
    assert {one.answers for one in unknown} == {(UNKNOWN,)}
    assert [one.id for one in unknown] == [
        f"1_{number:05d}.Restaurants_2.phone_number" for number in (2, 5, 8)
    ]


def test_questions_are_capped(mini: Path) -> None:
    workspace = load_sgd(mini)
    for source in workspace.transcripts:
        about = [one for one in workspace.questions if one.subject == source.subject]
        assert len([one for one in about if one.answerable]) == QUESTIONS_A_DIALOGUE


def test_a_slot_of_two_services_with_one_wording_is_not_asked(tmp_path: Path) -> None:
    both = dialogue(0)
    both["services"].append("Bars_1")
    both["final_state"]["Bars_1"] = {"location": ["Napa"], "drink": ["Lemonade"]}
    both["turns"].append({"speaker": "user", "text": "And Lemonade in Napa.", "spans": []})
    path = write(tmp_path, [both], schema=False)
    asked = {one.id for one in load_sgd(path, questions_a_dialogue=9).questions}
    assert "1_00000.Bars_1.drink" in asked
    assert not asked & {"1_00000.Bars_1.location", "1_00000.Restaurants_2.location"}


def test_no_preference_is_no_answer(tmp_path: Path) -> None:
    one = dialogue(0)
    one["final_state"][SERVICE]["restaurant_name"] = ["dontcare"]
    path = write(tmp_path, [one])
    asked = {question.id for question in load_sgd(path, questions_a_dialogue=9).questions}
    assert "1_00000.Restaurants_2.location" in asked
    assert "1_00000.Restaurants_2.restaurant_name" not in asked


def test_without_schema_the_slots_names_are_asked(tmp_path: Path) -> None:
    path = write(tmp_path, [dialogue(0)], schema=False)
    asked = {one.question for one in load_sgd(path, questions_a_dialogue=9).questions}
    assert "What is the restaurant name for booking 1_00000?" in asked


def test_a_broken_schema_is_a_problem(mini: Path) -> None:
    mini.with_name("mini_schema.json").write_text('[{"service": 1}]', encoding="utf-8")
    workspace = load_sgd(mini)
    assert [problem.where for problem in workspace.problems] == ["mini_schema.json"]
    with pytest.raises(WorkspaceError, match="is not a schema"):
        load_sgd(mini, strict=True)


def test_a_value_said_twice_in_a_turn_points_at_the_turn(tmp_path: Path) -> None:
    one = dialogue(0)
    one["turns"][0] = spanned("Sino! I mean Sino in San Jose.", restaurant_name="Sino")
    path = write(tmp_path, [one])
    question = next(
        found
        for found in load_sgd(path, questions_a_dialogue=9).questions
        if found.attribute == "restaurant name"
    )
    assert question.evidence is not None
    assert (question.evidence.turn, question.evidence.quote) == (0, None)


@pytest.mark.parametrize(
    ("description", "phrase"),
    [
        ("Name of the restaurant", "name of the restaurant"),
        ("The amount of money to transfer", "amount of money to transfer"),
        ("Date of event or for checking availability", "date of event"),
        ("Language to use for subtitles (or None for no subtitles)",
         "language to use for subtitles"),
        ("Subcategory of event, either a music genre or sport name", "subcategory of event"),
        ("IBAN of the account.", "IBAN of the account"),
        ("Boolean flag indicating if pets are allowed", None),
        ("Whether the flight arrives the next day", None),
        ("  ", None),
    ],
)  # fmt: skip
def test_phrases(description: str, phrase: str | None) -> None:
    assert question_phrase(description) == phrase


# --- derived documents -----------------------------------------------------------------


def obey(document: str, instruction: str) -> str:
    """An exact editor for the wordings of the derived pairs."""
    lines = document.split("\n")
    if found := re.fullmatch(r"Rename (.+) to (.+)\.", instruction):
        return document.replace(found[1], found[2])
    if found := re.fullmatch(r'Delete the line "(.+)"', instruction):
        return "\n".join(apply_patch(lines, [Patch(found[1], None)]))
    if found := re.fullmatch(r'Insert the line "(.+)" after the line "(.+)"', instruction):
        return "\n".join(apply_patch(lines, [Patch(None, found[1], found[2])]))
    if found := re.fullmatch(r"Delete the row for (.+)\.", instruction):
        (row,) = (line for line in lines if found[1] in line)
        return "\n".join(apply_patch(lines, [Patch(row, None)]))
    if found := re.fullmatch(r'Insert the row "(.+)" after (.+)\.', instruction):
        (anchor,) = (line for line in lines if found[2] in line)
        indent = anchor[: len(anchor) - len(anchor.lstrip())]
        return "\n".join(apply_patch(lines, [Patch(None, indent + found[1], anchor)]))
    found = re.fullmatch(r"Change the (.+?)(?: of (.+))? from (\d+) to (\d+)\.", instruction)
    assert found is not None, instruction
    key = found[2] or found[1].split()[-1]
    (line,) = (line for line in lines if key in line and re.search(rf"\b{found[3]}\b", line))
    new = re.sub(rf"(?<![\w-]){found[3]}(?![\w-])", found[4], line)
    return "\n".join(apply_patch(lines, [Patch(line, new)]))


def check_pairs(workspace: Workspace) -> list[EditPair]:
    texts = {source.source_id: source.text for source in workspace.documents}
    for pair in workspace.edits:
        text = texts[pair.document]
        edited = obey(text, pair.forward)
        assert edited != text
        assert all(part in edited for part in pair.expect.present), pair
        assert not any(part in edited for part in pair.expect.absent), pair
        assert any(part in text for part in pair.expect.absent), pair
        drift.domain_for(pair.document).parse(edited)
        assert obey(edited, pair.backward) == text
    return list(workspace.edits)


def test_three_documents_are_derived_and_say_so(mini: Path) -> None:
    workspace = load_sgd(mini)
    names = [source.source_id for source in workspace.documents]
    assert names == [
        "documents/derived-bookings.csv",
        "documents/derived-choices.json",
        "documents/derived-summary.md",
    ]
    assert workspace.relay_documents == tuple(names)
    assert "derived" in workspace.settings.description
    for source in workspace.documents:
        assert drift.domain_for(source.source_id).parse(source.text)
        for turn in source.turns:
            assert source.text[turn.start : turn.end] == turn.text


def test_every_edit_pair_is_reversible(mini: Path) -> None:
    assert len(check_pairs(load_sgd(mini))) == 9


def test_few_dialogues_still_give_documents(mini: Path, tmp_path: Path) -> None:
    assert len(check_pairs(load_sgd(mini, limit=1))) >= 5
    path = write(tmp_path, [dialogue(0)], schema=False, name="bare")
    assert len(load_sgd(path).documents) == 3
    check_pairs(load_sgd(path))


def test_the_table_does_not_give_answers_away(mini: Path) -> None:
    workspace = load_sgd(mini)
    table = workspace.source("documents/derived-bookings.csv").text
    for question in workspace.questions:
        rows = [row for row in table.splitlines() if question.subject.split()[1] in row]
        assert not any(f",{question.attribute}," in row for row in rows)
    assert "number of seats" in table


# --- bad input -------------------------------------------------------------------------


def test_malformed_lines_are_named_and_left_out(tmp_path: Path) -> None:
    outside = dialogue(4)
    outside["turns"][0]["spans"] = [[SERVICE, "date", 0, 999]]
    extra = {**dialogue(5), "mood": "good"}
    lines = [dialogue(0), "{broken", "[]", "", dialogue(0), outside, extra, dialogue(6)]
    path = write(tmp_path, lines)
    workspace = import_source(path)
    assert [one.source_id for one in workspace.transcripts] == [
        "transcripts/1_00000",
        "transcripts/1_00006",
    ]
    assert [problem.where for problem in workspace.problems] == [
        f"mini.jsonl:{number}" for number in (2, 3, 5, 6, 7)
    ]
    assert "already read" in workspace.problems[2].message
    assert "span outside" in workspace.problems[3].message
    with pytest.raises(WorkspaceError, match=r"mini\.jsonl:2: malformed JSON"):
        import_source(path, strict=True)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, [dialogue(0)])
    path.write_bytes(path.read_bytes() + b'{"id": "\xff"}\n')
    assert "not UTF-8" in import_source(path).problems[0].message


def test_gzip_is_read_and_a_damaged_one_refused(mini: Path) -> None:
    zipped = mini.with_name("mini.jsonl.gz")
    whole = gzip.compress(mini.read_bytes())
    zipped.write_bytes(whole)
    assert load_sgd(zipped).questions == load_sgd(mini).questions
    zipped.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WorkspaceError, match="damaged"):
        import_source(zipped)
    zipped.write_bytes(whole[:-8] + b"\0" * 8)
    with pytest.raises(WorkspaceError, match="damaged"):
        load_sgd(zipped)


def test_an_overlong_line_is_left_out(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.importers.records.MAX_LINE_BYTES", 2_000)
    mini.write_text("x" * 7_000 + "\n" + mini.read_text(encoding="utf-8"), encoding="utf-8")
    workspace = load_sgd(mini)
    assert [problem.where for problem in workspace.problems] == ["mini.jsonl:1"]
    assert len(workspace.transcripts) == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "does not exist"),
        ("data.parquet", b"PAR1", "unknown kind"),
        ("empty.jsonl", b"", "holds no records"),
        ("blank.jsonl", b"\n\n", "holds no records"),
        ("broken.jsonl", b"{\n", "holds no records: broken.jsonl:1"),
        ("chat.jsonl", b'{"messages": []}\n', "no supported format .its keys: messages"),
        ("keyless.jsonl", b"{}\n", "its keys: none"),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WorkspaceError, match=message) as caught:
        detect_source(path)
    assert "Schema-Guided Dialogue" in caught.value.hint
    assert detect_source(write(tmp_path, [dialogue(0)])) == "sgd"


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="is a folder"):
        import_source(tmp_path)


def test_a_file_without_a_usable_dialogue(tmp_path: Path) -> None:
    bad = {**dialogue(0), "turns": []}
    with pytest.raises(WorkspaceError, match=r"no usable dialogue: mini\.jsonl:1"):
        import_source(write(tmp_path, [bad]))


def test_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be read"):
        load_sgd(tmp_path / "missing.jsonl")


# --- the real data ---------------------------------------------------------------------


def real_data() -> Path:
    root = Path(__file__).resolve().parents[3]
    data = Path(os.environ.get("PALIMPSEST_DATA", root.parent / "shared" / "data"))
    path = data / "sgd" / "dev.jsonl.gz"
    if not path.exists():
        pytest.skip("Schema-Guided Dialogue is not here; set PALIMPSEST_DATA")
    return path


def test_twenty_real_dialogues() -> None:
    workspace = import_source(real_data(), limit=20, strict=True)
    assert len(workspace.transcripts) == 20
    assert workspace.problems == ()
    assert len(check_pairs(workspace)) == 9
    for question in workspace.questions:
        if question.evidence is not None:
            source = workspace.source(question.evidence.source)
            assert source.locate(question.evidence) is not None


def test_all_real_dialogues_are_usable() -> None:
    workspace = import_source(real_data(), strict=True)
    assert len(workspace.transcripts) == 2_098
    assert len({question.id for question in workspace.questions}) == len(workspace.questions)
    assert sum(question.answerable for question in workspace.questions) > 4_000
    check_pairs(workspace)
