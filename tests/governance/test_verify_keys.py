"""Key rotation as a third party sees it: headers and notes, nothing else."""

from __future__ import annotations

import pytest

from governance.verify import VerificationReport
from tests.governance.verify_logs import FullLog, event, public, rotation, signed_at


def log(*signed: tuple[int, ...], rotations: dict[int, int] | None = None) -> VerificationReport:
    """A log of 12 events that rotates to key 2 at event 5; notes as (size, signers …)."""
    moved = {5: 2} if rotations is None else rotations
    rows = [rotation(seq, moved[seq]) if seq in moved else event(seq) for seq in range(1, 13)]
    return FullLog(rows, [signed_at(rows, size, *who) for size, *who in signed]).check()


GOOD = ((0, 1), (4, 1), (6, 1, 2), (8, 2), (12, 2))


def test_a_rotation_is_followed_from_the_checkpoint_that_covers_it() -> None:
    report = log(*GOOD)
    assert report.ok, report.problems
    assert report.checkpoints == 5
    assert log((0, 1), (5, 2, 1), (12, 2)).ok  # the order of signature lines is free
    assert log(*GOOD[:3], (12, 1, 2)).ok  # a retired key's extra line does no harm


@pytest.mark.parametrize(
    ("signed", "number", "says"),
    [
        (((4, 1), (6, 1), (12, 1)), 2, "not signed by the key that event 5 puts in force"),
        (((4, 1), (6, 2), (12, 2)), 2, "not signed by the ledger's key"),
        (((4, 1), (6, 1, 2), (12, 1)), 3, "only by one that event 5 retired"),
        (((4, 2), (6, 1, 2), (12, 2)), 1, "not signed by the ledger's key"),
        (((4, 1), (12, 2)), 2, "not signed by the ledger's key"),
        (((4, 1), (6, 1, 3), (12, 3)), 2, "not signed by the key that event 5 puts in force"),
    ],
)
def test_a_missing_or_wrong_signature_is_named(
    signed: tuple[tuple[int, ...], ...], number: int, says: str
) -> None:
    report = log(*signed)
    assert report.problems[0].startswith(f"checkpoint {number}: ")
    assert says in report.problems[0]
    assert log(*GOOD).ok


def test_rotations_in_a_row_and_back_to_an_old_key() -> None:
    moves = {3: 2, 7: 1}
    assert log((2, 1), (4, 1, 2), (8, 2, 1), (12, 1), rotations=moves).ok
    # With a retired key in force again, the other one has retired.
    assert not log((2, 1), (4, 1, 2), (8, 2, 1), (12, 2), rotations=moves).ok
    assert not log((2, 1), (4, 1, 2), (8, 2, 1), (12, 3), rotations=moves).ok
    # Two under one checkpoint: the key before them and the last one sign.
    both = {3: 2, 4: 3}
    assert log((2, 1), (6, 1, 3), (12, 3), rotations=both).ok
    assert not log((2, 1), (6, 1, 2), (12, 2), rotations=both).ok


def test_a_rotation_no_checkpoint_covers_yet_changes_nothing() -> None:
    report = log((4, 1))
    assert report.ok
    assert report.unsigned == 8


def test_the_newest_key_must_be_the_one_the_events_lead_to() -> None:
    rows = [event(seq) for seq in range(1, 5)] + [rotation(5, 2)]
    whole = FullLog(rows, [signed_at(rows, 5, 1, 2)])
    assert whole.check(newest_key=public(2)).ok
    report = whole.check(newest_key=public(1))
    assert report.problems[0].startswith(f"the events lead to the signing key {public(2).hex()}")
    unrotated = FullLog(rows[:4], [signed_at(rows, 4, 1)])
    assert unrotated.check(newest_key=public(1)).ok
    assert not unrotated.check(newest_key=public(2)).ok


def test_a_rotation_that_names_no_key_is_bad() -> None:
    rows = [event(1), event(2, type="key.rotated", subject="key:xyz"), event(3)]
    whole = FullLog(rows, [signed_at(rows, 3, 1)])
    assert whole.check().problems == ["event 2: its subject names no signing key"]
    assert whole.check().first_bad == 2
    rows[1] = rotation(2, 2)
    assert FullLog(rows, [signed_at(rows, 3, 1, 2)]).check().ok


def test_a_rotation_hidden_or_invented_in_a_column_convinces_nobody() -> None:
    from dataclasses import replace

    rows = [event(1), rotation(2, 2), event(3)]
    hidden = [rows[0], replace(rows[1], type="entry.proposed"), rows[2]]
    signed = [signed_at(rows, 3, 1, 2)]
    assert FullLog(rows, signed).check().ok
    report = FullLog(hidden, signed).check()
    assert len(report.problems) == 1  # the note is still checked against both keys
    assert report.problems[0].startswith("event 2: column type")
    invented = [rows[0], rows[1], replace(rows[2], type="key.rotated")]
    report = FullLog(invented, signed).check()
    assert len(report.problems) == 1
    assert report.problems[0].startswith("event 3: column type")
