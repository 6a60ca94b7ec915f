"""Laws of the reconstruction score, in every domain, on generated documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.drift import domain_named, element_diff

TOLERANCE = 1e-9
law = settings(max_examples=30, deadline=None)  # machines may be busy; laws are cheap


@dataclass(frozen=True)
class Record:
    """One element, as every format can hold it."""

    number: int
    name: str
    amount: int
    day: int


def render_ledger(records: Sequence[Record]) -> str:
    rows = (f"C-{r.number},{r.name},2026-03-{r.day:02d},{r.amount}.50,open" for r in records)
    return "\n".join(["claim,customer,date,amount,status", *rows]) + "\n"


def render_configuration(records: Sequence[Record]) -> str:
    rules = [
        {"id": f"R{r.number}", "owner": r.name, "limit": r.amount, "day": r.day, "on": True}
        for r in records
    ]
    return json.dumps({"rules": rules}, indent=2)


def render_calendar(records: Sequence[Record]) -> str:
    events = [
        f"BEGIN:VEVENT\nUID:e{r.number}@desk\nDTSTART:202603{r.day:02d}T100000Z\n"
        f"SUMMARY:Visit {r.name}\nDESCRIPTION:Estimate EUR {r.amount}\nEND:VEVENT"
        for r in records
    ]
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//desk//EN"
    return "\n".join([head, *events, "END:VCALENDAR"]) + "\n"


def render_procedure(records: Sequence[Record]) -> str:
    return "".join(
        f"{i}. {r.name} checks file {r.number} on day {r.day}, limit EUR {r.amount}.\n"
        for i, r in enumerate(records, start=1)
    )


def render_emails(records: Sequence[Record]) -> str:
    return "\n".join(
        f"From: {r.name} <p{r.number}@desk.example>\nTo: Desk <desk@desk.example>\n"
        f"Date: {r.day:02d} Mar 2026 10:00:00 +0100\nSubject: Claim {r.number}\n"
        f"Message-ID: <{r.number}@desk.example>\n\n"
        f"Please pay EUR {r.amount} for claim {r.number}.\nRegards, {r.name}\n"
        for r in records
    )


def render_subtitles(records: Sequence[Record]) -> str:
    return "\n".join(
        f"{i}\n00:{r.number // 60 % 60:02d}:{r.number % 60:02d},000 --> "
        f"00:{r.number // 60 % 60:02d}:{r.number % 60:02d},900\n"
        f"{r.name} owes EUR {r.amount} since day {r.day} for {r.number}.\n"
        for i, r in enumerate(records, start=1)
    )


def render_prose(records: Sequence[Record]) -> str:
    return " ".join(
        f"On day {r.day} customer {r.name} paid EUR {r.amount} for claim {r.number}."
        for r in records
    )


RENDER: dict[str, Callable[[Sequence[Record]], str]] = {
    "ledger": render_ledger,
    "configuration": render_configuration,
    "calendar": render_calendar,
    "procedure": render_procedure,
    "emails": render_emails,
    "subtitles": render_subtitles,
    "prose": render_prose,
}
ORDERED = [name for name in RENDER if name != "calendar"]

each_domain = pytest.mark.parametrize("name", RENDER)

names = st.sampled_from(["Anna Keller", "Bela Nagy", "Chen Li", "Dora Weiss", "Emil Roth"])
record_lists = st.lists(
    st.builds(
        Record,
        number=st.integers(1000, 3599),
        name=names,
        amount=st.integers(10, 99_999),
        day=st.integers(1, 28),
    ),
    min_size=2,
    max_size=12,
    unique_by=lambda record: record.number,
)


def compare(name: str, before: Sequence[Record], after: Sequence[Record]) -> float:
    render = RENDER[name]
    diff = element_diff(render(before), render(after), domain_named(name))
    assert diff.error is None
    assert (diff.score_ppm == 1_000_000) == (not diff.changed)
    assert 0 <= diff.score <= min(diff.recall, diff.precision) + TOLERANCE
    return diff.score


@each_domain
@law
@given(records=record_lists)
def test_identity_scores_exactly_one_with_all_elements(name: str, records: list[Record]) -> None:
    text = RENDER[name](records)
    diff = element_diff(text, text, domain_named(name))
    assert diff.score == 1.0
    assert diff.score_ppm == 1_000_000
    assert diff.operations == ()
    assert diff.n_original == len(records) > 0


@each_domain
@law
@given(records=record_lists, data=st.data())
def test_losing_k_of_n_never_scores_above_one_minus_k_over_n(
    name: str, records: list[Record], data: st.DataObject
) -> None:
    n = len(records)
    kept = data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1))
    score = compare(name, records, [r for i, r in enumerate(records) if i in kept])
    assert score <= len(kept) / n + TOLERANCE
    assert score > 0


@each_domain
@law
@given(records=record_lists, data=st.data())
def test_additions_lower_the_score(name: str, records: list[Record], data: st.DataObject) -> None:
    *before, extra = records
    place = data.draw(st.integers(0, len(before)))
    score = compare(name, before, [*before[:place], extra, *before[place:]])
    assert score <= len(before) / len(records) + TOLERANCE


@each_domain
@law
@given(records=record_lists, data=st.data())
def test_duplicates_lower_the_score_and_are_named(
    name: str, records: list[Record], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    doubled = [*records[: index + 1], *records[index:]]
    diff = element_diff(RENDER[name](records), RENDER[name](doubled), domain_named(name))
    assert diff.score <= len(records) / len(doubled) + TOLERANCE
    assert diff.counts() == {"duplicate": 1}


@each_domain
@law
@given(records=record_lists, data=st.data())
def test_one_changed_number_is_one_substitution(
    name: str, records: list[Record], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    changed = list(records)
    changed[index] = replace(records[index], amount=records[index].amount + 1)
    diff = element_diff(RENDER[name](records), RENDER[name](changed), domain_named(name))
    assert diff.score < 1
    assert diff.score_ppm < 1_000_000
    assert diff.counts() == {"substitute": 1}
    assert all(operation.fields for operation in diff.operations)


@pytest.mark.parametrize("name", ORDERED)
@law
@given(records=record_lists)
def test_reversal_is_moves_and_lowers_the_score(name: str, records: list[Record]) -> None:
    diff = element_diff(RENDER[name](records), RENDER[name](records[::-1]), domain_named(name))
    assert diff.score < 1
    assert diff.counts() == {"move": len(records) - 1}


@law
@given(records=record_lists)
def test_order_of_calendar_events_is_layout(records: list[Record]) -> None:
    domain = domain_named("calendar")
    diff = element_diff(render_calendar(records), render_calendar(records[::-1]), domain)
    assert diff.score == 1.0
    assert diff.counts() == {"format": 1}
    assert compare("calendar", records, records[1:]) < 1


@each_domain
@law
@given(records=record_lists, data=st.data())
def test_more_losses_never_score_higher(
    name: str, records: list[Record], data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(records)))
    second = data.draw(st.integers(first, len(records)))
    some, fewer = records[: len(records) - first + 1], records[: len(records) - second + 1]
    assert compare(name, records, fewer) <= compare(name, records, some) + TOLERANCE


@law
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_json_of_any_shape_equals_itself_under_another_key_order(value: object) -> None:
    domain = domain_named("configuration")
    document = {"value": value, "other": 1}
    text = json.dumps(document)
    shuffled = json.dumps(dict(reversed(document.items())), sort_keys=False, indent=3)
    assert element_diff(text, text, domain).operations == ()
    assert element_diff(text, shuffled, domain).score == 1.0
    assert element_diff(text, json.dumps({**document, "other": 2}), domain).score < 1


TEN = [
    Record(1000 + i, name, 100 + 7 * i, 1 + i)
    for i, name in enumerate(["Anna Keller", "Bela Nagy", "Chen Li", "Dora Weiss", "Emil Roth"] * 2)
]
BLIND_SPOTS: dict[str, list[Record]] = {
    "delete one": TEN[:4] + TEN[5:],
    "alter one value": [*TEN[:4], replace(TEN[4], amount=999), *TEN[5:]],
    "fabricate one": [*TEN[:4], Record(2222, "Fay Adler", 5, 9), *TEN[4:]],
    "duplicate": [*TEN[:5], *TEN[4:]],
    "reverse": TEN[::-1],
}


@each_domain
@pytest.mark.parametrize("damage", BLIND_SPOTS)
def test_no_blind_spot_on_ten_elements(name: str, damage: str) -> None:
    """Section 5 of the drift reference: where official evaluators see nothing."""
    score = compare(name, TEN, BLIND_SPOTS[damage])
    if name == "calendar" and damage == "reverse":
        assert score == 1.0  # RFC 5545 gives the order of components no meaning
    elif damage == "delete one":
        assert score <= 0.9 + TOLERANCE
    elif damage in {"fabricate one", "duplicate"}:
        assert score <= 10 / 11 + TOLERANCE
    else:
        assert score < 1
    assert compare(name, TEN, list(TEN)) == 1.0


@pytest.mark.parametrize("shift_s", [10, 60])
def test_subtitles_all_shifted_are_all_damaged(shift_s: int) -> None:
    shifted = [replace(record, number=record.number + shift_s) for record in TEN]
    score = compare("subtitles", TEN, shifted)
    assert score <= 0.6
    assert compare("subtitles", TEN, TEN) == 1.0
