"""What clients of a home were told, and whether the home keeps to it.

A command is one append with its own idempotency key. Whoever gets a receipt notes it in a file
outside the home, before anything else happens.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from governance.events import RoleGranted
from governance.ledger import EventDraft, Ledger, Receipt, verify_home
from tests.governance.drafts import draft

PER_COMMAND = 2
"""Events of one append: enough to show that a batch is not torn."""

Seqs = tuple[int, int]


def drafts_of(command: int) -> list[EventDraft]:
    """A data subject for each command, so that every append writes the keystore as well."""
    return [
        draft(
            RoleGranted(principal=f"p{command}-{part}", role="reviewer"),
            data_subject=f"subject {command}",
        )
        for part in range(PER_COMMAND)
    ]


def key_of(command: int) -> str:
    return f"command-{command}"


def run(ledger: Ledger, command: int) -> Receipt:
    return ledger.append(drafts_of(command), key=key_of(command))


def note(descriptor: int, command: int, receipt: Receipt) -> None:
    """Through a descriptor that is open already: there may be no other one to be had."""
    os.write(descriptor, f"{command} {receipt.first_seq} {receipt.last_seq}\n".encode())


def notes_of(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def noted(file: Path) -> dict[int, Seqs]:
    """Commands that were acknowledged; one that was twice, was with the same numbers."""
    found: dict[int, Seqs] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        command, first, last = map(int, line.split())
        assert found.setdefault(command, (first, last)) == (first, last), "two receipts differ"
    return found


def check_kept(home: Path, acknowledged: Mapping[int, Seqs], tried: Collection[int]) -> None:
    """No acknowledged command is lost, none is torn or done twice, nothing signed is absent.

    Side effects: runs all ``tried`` commands again.
    """
    report = verify_home(home)  # as it was left: an absent event that was signed shows here
    assert report.ok, report.problems
    with Ledger.open(home) as ledger:
        _check_acknowledged(ledger, acknowledged)
        before = effects(ledger)
        for command in sorted(set(tried)):
            receipt = ledger.receipt(key_of(command))
            assert before[command] == (0 if receipt is None else PER_COMMAND), "torn, or twice"
            again = run(ledger, command)
            assert again.repeated == (receipt is not None)
        after = effects(ledger)
        assert all(after[command] == PER_COMMAND for command in tried)
        assert sum(after.values()) == PER_COMMAND * len(after)
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.unsigned == 0
        assert report.events == ledger.head.seq
    report = verify_home(home)
    assert report.ok, report.problems


def _check_acknowledged(ledger: Ledger, acknowledged: Mapping[int, Seqs]) -> None:
    for command, seqs in acknowledged.items():
        receipt = ledger.receipt(key_of(command))
        assert receipt is not None, f"acknowledged command {command} is lost"
        assert (receipt.first_seq, receipt.last_seq) == seqs
        found = [event.payload for event in ledger.events(*seqs)]
        assert found == [one.payload for one in drafts_of(command)]


def effects(ledger: Ledger) -> Counter[int]:
    """How many events each command left, whatever receipts say."""
    events = list(ledger.events())
    assert [event.header.seq for event in events] == list(range(1, ledger.head.seq + 1))
    names = [e.payload.principal for e in events if isinstance(e.payload, RoleGranted)]
    return Counter(int(name[1:].split("-")[0]) for name in names if "-" in name)
