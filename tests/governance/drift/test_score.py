"""Matching, operations and numbers of the element diff."""

from __future__ import annotations

import pytest

from governance import canonical
from governance.drift import (
    difflib_ratio,
    domain_named,
    element_diff,
    rapidfuzz_ratio,
    reconstruction_score,
)
from governance.drift.matching import MAX_ASSIGNED
from governance.drift.score import to_ppm

LEDGER = domain_named("ledger")
ROWS = [f"C-{1000 + i},Customer {i},2026-03-{i + 1:02d},{100 + 7 * i},open" for i in range(10)]


def ledger(rows: list[str]) -> str:
    return "\n".join(["claim,customer,date,amount,status", *rows]) + "\n"


def test_every_operation_is_named_with_place_and_texts() -> None:
    rows = list(ROWS)
    rows[2] = rows[2].replace("114", "115")
    rows.append(rows[4])
    rows.append("C-9999,Mallory,2026-12-31,5,closed")
    rows.insert(0, rows.pop(7))
    rows[1] = rows[1].replace("100,", "100.00,")
    del rows[9]
    diff = element_diff(ledger(ROWS), ledger(rows), LEDGER)
    assert diff.counts() == {
        "substitute": 1,
        "delete": 1,
        "insert": 1,
        "duplicate": 1,
        "move": 1,
        "format": 1,
    }
    by_kind = {operation.kind: operation for operation in diff.operations}
    change = by_kind["substitute"]
    assert (change.key, change.location) == ("C-1002", "line 4 (amount)")
    assert [(f.name, f.before, f.after) for f in change.fields] == [("amount", "114", "115")]
    assert by_kind["delete"].before == ROWS[9]
    assert by_kind["delete"].after is None
    assert by_kind["insert"].after is not None
    assert "Mallory" in by_kind["insert"].after
    assert by_kind["duplicate"].location_after
    assert (by_kind["move"].location_before, by_kind["move"].location_after) == ("line 9", "line 2")


def test_scores_follow_the_documented_formula() -> None:
    n = 10
    assert reconstruction_score(ledger(ROWS), ledger(ROWS[:-3]), LEDGER) == pytest.approx(0.7)
    extra = ["C-1,Mallory,2026-12-31,5,closed"]
    assert reconstruction_score(ledger(ROWS), ledger(ROWS + extra), LEDGER) == pytest.approx(
        10 / 11
    )
    swapped = [ROWS[1], ROWS[0], *ROWS[2:]]
    assert reconstruction_score(ledger(ROWS), ledger(swapped), LEDGER) == pytest.approx(
        (n - 1 + 0.75) / n
    )
    replaced = [*ROWS[:-1], *extra]
    assert reconstruction_score(ledger(ROWS), ledger(replaced), LEDGER) == pytest.approx(9 / 11)


def test_precision_and_recall_stand_apart() -> None:
    diff = element_diff(ledger(ROWS), ledger(ROWS + ROWS), LEDGER)
    assert (diff.recall, diff.precision, diff.score) == (1.0, 0.5, 0.5)
    assert diff.counts() == {"duplicate": 10}


def test_a_shared_key_keeps_a_much_changed_element_one_element() -> None:
    rows = [*ROWS[:-1], "C-1009,Someone Else,2027-01-01,1,closed"]
    diff = element_diff(ledger(ROWS), ledger(rows), LEDGER)
    assert diff.counts() == {"substitute": 1}
    other = [*ROWS[:-1], "D-1,Someone Else,2027-01-01,1,closed"]
    assert element_diff(ledger(ROWS), ledger(other), LEDGER).counts() == {"delete": 1, "insert": 1}


def test_equal_elements_keep_their_order_when_one_goes() -> None:
    rows = ["1,a", "2,b", "1,a", "3,c"]
    text = "id,name\n" + "\n".join(rows) + "\n"
    less = "id,name\n" + "\n".join(rows[1:]) + "\n"
    assert element_diff(text, less, LEDGER).counts() == {"delete": 1}


def test_layout_alone_is_one_operation_and_no_change() -> None:
    diff = element_diff(ledger(ROWS), ledger(ROWS).replace("\n", "\r\n"), LEDGER)
    assert diff.counts() == {"format": 1}
    assert not diff.changed
    assert element_diff(ledger(ROWS), ledger(ROWS[1:]), LEDGER).changed


def test_records_hold_no_floats() -> None:
    diff = element_diff(ledger(ROWS), ledger(ROWS[1:] + ROWS[:1]), LEDGER)
    assert canonical.encode(diff.to_dict())
    failed = element_diff(ledger(ROWS), "", LEDGER)
    assert canonical.encode(failed.to_dict())
    assert failed.to_dict()["score_ppm"] == 0


def test_ppm_rounds_down_but_not_by_noise() -> None:
    assert to_ppm(1.0) == 1_000_000
    assert to_ppm(0.1 + 0.2) == 300_000
    assert to_ppm(0.9999999) == 999_999
    assert to_ppm(0.0) == 0


def test_large_documents_are_assigned_in_slices() -> None:
    count = MAX_ASSIGNED + 500
    before = "id,name\n" + "".join(f"{i},n{i} x\n" for i in range(count))
    after = "id,name\n" + "".join(f"{i},n{i} y\n" for i in range(count))
    diff = element_diff(before, after, LEDGER)
    assert diff.counts() == {"substitute": count}
    assert diff.score == pytest.approx(0.75)


def test_generic_ratios_stand_beside() -> None:
    # 4 % of the words changed in a long text: autojunk would report far less.
    words = [f"word{i % 40}" for i in range(1000)]
    changed = ["other" if i % 25 == 0 else word for i, word in enumerate(words)]
    a, b = " ".join(words), " ".join(changed)
    assert difflib_ratio(a, a) == rapidfuzz_ratio(a, a) == 1.0
    assert 0.95 < difflib_ratio(a, b) < 1
    assert 0.9 < rapidfuzz_ratio(a, b) < 1
    long = "\n".join(str(i) for i in range(30_000))
    assert difflib_ratio(long, long + "\nmore") > 0.999
