from __future__ import annotations

import pytest

from governance.literals import (
    Canonical,
    canonical_text,
    canonical_value,
    find_mentions,
    iban_is_valid,
)

EQUAL = [
    ("0.2 kg", "200 g"),
    ("0,2 kg", "200g"),
    ("1,200.00", "1200"),
    ("1.200,00", "1200"),
    ("1’200", "1200"),
    ("€1,200.00", "1200 EUR"),
    ("EUR 1200", "1200.00 euros"),
    ("$25", "USD 25.00"),
    ("4 March 2026", "2026-03-04"),
    ("March 4th, 2026", "04.03.2026"),
    ("13/03/2026", "2026-03-13"),
    ("2026-03-04T10:00:00Z", "2026-03-04T10:00Z"),
    ("2026-03-04T10:00:00+00:00", "2026-03-04 10:00Z"),
    ("2:30 pm", "14:30"),
    ("noon", "12:00"),
    ("5 %", "5 percent"),
    ("60 min", "1 h"),
    ("quarter past 5 in the afternoon", "17:15"),
    ("-0.0", "0"),
    ("1.5 km", "1500 m"),
    ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ("(408) 247-8880", "408-247-8880"),
    ("Anna   Keller", "Anna Keller"),
]
DIFFERENT = [
    ("1,200.00", "1,200.01"),
    ("0.2 kg", "0.2 g"),
    ("EUR 5", "USD 5"),
    ("04/03/2026", "03/04/2026"),
    ("04/03/2026", "2026-03-04"),
    ("2026-03-04", "2026-03-05"),
    ("14:30", "2:30"),
    ("0042", "42"),
    ("1 day", "24 h"),
    ("-5", "5"),
    ("10:00Z", "10:00"),
    ("C-1042", "C-1043"),
    ("anna", "Anna"),
    ("1.10.2", "1.1.2"),
    ("2026-03-04 until 10:00", "2026-03-04 10:00"),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_equivalent_spellings_have_one_normal_form(first: str, second: str) -> None:
    assert canonical_value(first) == canonical_value(second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_values_stay_apart(first: str, second: str) -> None:
    assert canonical_value(first) == canonical_value(f" {first} ")
    assert canonical_value(first) != canonical_value(second)


def test_strings_keep_their_digits_where_numbers_have_their_own_type() -> None:
    assert canonical_value("1.10", bare_numbers=False) == Canonical("text", "1.10")
    assert canonical_value("1.10") == canonical_value("1.1")
    assert canonical_value("0.2 kg", bare_numbers=False) == canonical_value("200 g")


def test_running_text_is_normalised_in_place() -> None:
    assert canonical_text("Pay  €1,200.00 by 4 March 2026.") == "Pay EUR 1200 by 2026-03-04."
    assert canonical_text("Version 1.10 has 1,000 users") == "Version 1.10 has 1000 users"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("claim C-1042", ["identifier"]),
        ("mail anna@desk.example or https://desk.example/x?a=1.", ["identifier", "identifier"]),
        ("10-15 items", ["number", "number"]),
        ("10:30-11:30", ["time", "time"]),
        ("2026-03-04/2026-03-05", ["date", "date"]),
        ("half past 11 in the morning", ["time"]),
        ("quarter to 9, then 11 o'clock", ["time", "time"]),
        ("I may 5 times", ["number"]),
        ("31 Feb", ["number"]),
        ("25:10", ["number", "number"]),
        ("99/99/2026", ["number", "number", "number"]),
        ("60 km/h", ["number"]),
        ("Monday the 2nd", ["weekday", "number"]),
        ("booking 1_00042", ["identifier"]),
        ("call +49 30 1234567", ["identifier"]),
        ("no literal here", []),
        ("March 2026", ["date"]),
        ("a DE00 1234 5678 9012 3456 78 b", ["identifier"] + ["number"] * 5),
    ],
)
def test_kinds_of_mentions(text: str, kinds: list[str]) -> None:
    assert [mention.kind for mention in find_mentions(text)] == kinds


def test_ambiguity_is_kept_as_readings() -> None:
    (day,) = find_mentions("04/03/2026")
    assert day.readings == ("2026-03-04", "2026-04-03")
    (clock,) = find_mentions("2:30")
    assert clock.readings == ("02:30", "14:30")
    (exact,) = find_mentions("02:30")
    assert exact.readings == ()


def test_iban_checksum() -> None:
    assert iban_is_valid("DE89 3704 0044 0532 0130 00")
    assert not iban_is_valid("DE88 3704 0044 0532 0130 00")
    assert not iban_is_valid("DE89")
