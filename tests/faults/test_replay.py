"""The same thing twice: once is an effect, twice is a repeat or an error (test 13)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from governance import review
from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
    PalimpsestError,
)
from governance.events import EntryApproved, EntryRevoked, Payload, content_digest
from governance.home import DATABASE
from governance.ledger import Ledger, verify_home
from tests.faults import clients
from tests.governance.desk import Desk
from tests.governance.drafts import (
    ANN,
    BOT,
    append,
    decided,
    draft,
    fact_body,
    life,
    proposed,
    source,
    verified,
)  # fmt: skip

NOTES = Path("checkpoints") / "checkpoints.log"


# --- commands ----------------------------------------------------------------------------


def test_a_batch_replayed_with_its_key_is_one_effect(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        first = clients.run(ledger, 0)
        for _ in range(3):
            again = clients.run(ledger, 0)
            assert again.repeated
            assert (again.first_seq, again.event_ids) == (first.first_seq, first.event_ids)
        other = ledger.append(clients.drafts_of(5), key=clients.key_of(0))
        assert other.event_ids == first.event_ids, "a key names one command, whatever it brings"
        assert ledger.head.seq == clients.PER_COMMAND
        assert not clients.run(ledger, 1).repeated  # control
    with Ledger.open(home) as ledger:
        assert clients.run(ledger, 0).event_ids == first.event_ids
        assert ledger.head.seq == 2 * clients.PER_COMMAND
        assert ledger.verify().ok


def test_a_batch_replayed_without_a_key_meets_the_rules(home: Path) -> None:
    """What only may happen once is refused the second time."""
    with Ledger.open(home, create=True) as ledger:
        append(ledger, source())
        ledger.append(life())
        head = ledger.head
        with pytest.raises(LedgerError, match="already registered"):
            append(ledger, source())
        with pytest.raises(AppendConflictError):
            ledger.append(life())
        assert ledger.head == head
        ledger.append(life("e2"))
        assert ledger.head.seq == head.seq + 4


# --- the same bytes, by SQL --------------------------------------------------------------


@pytest.fixture
def stored(home: Path) -> Path:
    with Ledger.open(home, create=True) as ledger:
        append(ledger, source())
        ledger.append(life("e1"))
        ledger.append([draft(proposed("e2"), BOT), draft(verified("e2"))])
        assert ledger.head.seq == 7
    assert verify_home(home).ok
    return home


FREED = "CREATE TABLE free AS SELECT * FROM event"
PUT = ("DROP TABLE event", "ALTER TABLE free RENAME TO event")
REPLAYS = {
    "the last event again, as it is": (
        FREED, "INSERT INTO free SELECT * FROM event WHERE seq = 7", *PUT,
    ),
    "an event again, as the next one": (
        FREED, "INSERT INTO free SELECT * REPLACE (8 AS seq) FROM event WHERE seq = 4", *PUT,
    ),
    "an event again, under another id": (
        """INSERT INTO event SELECT * REPLACE (8 AS seq, 'f' || event_id[2:] AS event_id)
        FROM event WHERE seq = 4""",
    ),
    "an approval instead of what another entry got": (
        FREED,
        """UPDATE free SET header = o.header, leaf = o.leaf, sealed = o.sealed, type = o.type
        FROM event o WHERE free.seq = 7 AND o.seq = 4""",
        *PUT,
    ),
    "the payload of an approval in another event": (
        "UPDATE event SET sealed = (SELECT sealed FROM event WHERE seq = 4) WHERE seq = 7",
    ),
    "an approval that names another entry": (
        "UPDATE event SET subject = 'entry:e2' WHERE seq = 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLAYS)
def test_event_bytes_replayed_by_sql_are_named(stored: Path, name: str) -> None:
    notes = (stored / NOTES).read_bytes()
    with duckdb.connect(str(stored / DATABASE)) as connection:
        for statement in REPLAYS[name]:
            connection.execute(statement)
    report = verify_home(stored)
    assert any(problem.startswith(("event 4", "event 7", "event 8")) for problem in report.problems)
    with pytest.raises(PalimpsestError), Ledger.open(stored) as ledger:
        list(ledger.events())
    assert (stored / NOTES).read_bytes() == notes, "the replay was signed"


def test_rows_of_another_home_are_not_ours(stored: Path, fast_path: Path) -> None:
    """The whole database of another ledger, whose events are valid there."""
    other = fast_path / "other"
    with Ledger.open(other, create=True) as ledger:
        append(ledger, source())
        ledger.append(life("e1"))
        ledger.append([draft(proposed("e2"), BOT), draft(verified("e2"))])
    kept = (stored / DATABASE).read_bytes()
    shutil.copy(other / DATABASE, stored / DATABASE)
    assert not verify_home(stored).ok
    with pytest.raises(PalimpsestError):
        Ledger.open(stored)
    (stored / DATABASE).write_bytes(kept)
    Ledger.open(stored).close()


# --- approvals ---------------------------------------------------------------------------


def refused(ledger: Ledger, payload: Payload, kind: type[PalimpsestError]) -> None:
    head = ledger.head
    with pytest.raises(kind):
        append(ledger, payload, ANN)
    assert ledger.head == head


def test_an_approval_cannot_be_moved_to_another_entry_or_version(ledger: Ledger) -> None:
    other = fact_body("999 EUR")
    append(ledger, source())
    for entry_id, body in (("e1", fact_body()), ("e2", other)):
        ledger.append([draft(proposed(entry_id, body), BOT), draft(verified(entry_id))])
    approval = decided(EntryApproved, "e1")
    moves: list[Callable[[], EntryApproved]] = [
        lambda: approval.model_copy(update={"entry_id": "e2"}),
        lambda: approval.model_copy(update={"version": 2}),
        lambda: approval.model_copy(update={"content_digest": content_digest(other)}),
    ]
    for move in moves:
        refused(ledger, move(), AppendConflictError)
    # A new version takes the ground away under an approval of the old one.
    append(ledger, proposed("e1", fact_body("301 EUR"), version=2), BOT)
    append(ledger, verified("e1", version=2))
    refused(ledger, approval, AppendConflictError)
    refused(ledger, approval.model_copy(update={"version": 2}), AppendConflictError)
    fitting = decided(EntryApproved, "e1", fact_body("301 EUR"), version=2)
    append(ledger, fitting, ANN)  # control
    assert ledger.state.entries["e1"].status == "approved"
    assert ledger.state.entries["e2"].status == "verified"


def test_an_approval_replayed_is_refused_also_after_a_revocation(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life("e1"))
    refused(ledger, decided(EntryApproved), IllegalTransitionError)
    append(ledger, decided(EntryRevoked), ANN)
    refused(ledger, decided(EntryApproved), IllegalTransitionError)
    assert ledger.state.entries["e1"].status == "revoked"


def test_a_reviewers_click_counts_once_and_for_what_was_seen() -> None:
    desk = Desk()
    one = desk.entry(desk.fact("plumber", "Wexler Plumbing").entry_id)
    two = desk.entry(desk.fact("garage", "Pedal House").entry_id)

    def click(entry_id: str, version: int, digest: str) -> None:
        review.approve(
            desk.ledger, entry_id, actor=ANN, reason_code="cleared",
            expected_version=version, expected_digest=digest,
        )  # fmt: skip

    for version, digest in ((one.version, one.content_digest), (2, two.content_digest)):
        with pytest.raises(AppendConflictError):
            click(two.entry_id, version, digest)
    assert desk.status(two.entry_id) == "quarantined"
    click(two.entry_id, two.version, two.content_digest)
    assert desk.status(two.entry_id) == "active"
    with pytest.raises(IllegalTransitionError):
        click(two.entry_id, two.version, two.content_digest)
