"""One bit flipped in any file of a home: named, or provably harmless; never silently wrong.

Test 1 of the trust reference. Harmless is a bit that lies where nothing is: every event reads
back as it was, verification finds nothing, and the next append works.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from governance.errors import PalimpsestError
from governance.home import DATABASE, KEYS
from governance.ledger import Event, Head, Ledger, Receipt, verify_home
from tests.faults import clients
from tests.governance.drafts import StepClock, append, learned_card, life, source

WAL = f"{DATABASE}.wal"
NOTES = "checkpoints/checkpoints.log"
FILES = (DATABASE, WAL, KEYS, NOTES)
BLOCK = 4_096


@dataclass(frozen=True)
class Original:
    """A home as it lies on disk while its owner is running, and all that can be read in it."""

    home: Path
    head: Head
    events: list[Event]
    receipts: list[Receipt | None]


def receipts(ledger: Ledger) -> list[Receipt | None]:
    return [ledger.receipt(clients.key_of(command)) for command in range(11)]


@pytest.fixture(scope="module")
def original(fast_root: Path) -> Original:
    folder = fast_root / "flips"
    with Ledger.open(folder / "home", create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        ledger.append(life(), key="life")
        ledger.append(learned_card())
        for command in range(6):
            clients.run(ledger, command)
    with Ledger.open(folder / "home") as ledger:
        for command in range(6, 10):
            clients.run(ledger, command)
        shutil.copytree(folder / "home", folder / "copy")
        return Original(folder / "copy", ledger.head, list(ledger.events()), receipts(ledger))


@pytest.fixture
def victim(original: Original, fast_path: Path) -> Path:
    shutil.copytree(original.home, fast_path / "home")
    return fast_path / "home"


def verdict(home: Path, original: Original) -> str:
    """Who named the damage: ``verify``, ``opening`` or ``reading``; ``recovered``: the last
    checkpoint looks like one that was never finished, so its events are signed again and
    ``ledger.recovered`` says so; or ``harmless``."""
    try:
        report = verify_home(home)
        named = "" if report.ok else "verify"
        named = named or ("recovered" if report.unsigned else "")
    except PalimpsestError:
        named = "verify"
    try:
        ledger = Ledger.open(home, read_only=True, patience_s=0)
    except PalimpsestError:
        return "opening"
    with ledger:
        try:
            found = list(ledger.events())
        except PalimpsestError:
            return "reading"
        same = (ledger.head, found) == (original.head, original.events)
        assert same, "silently wrong"
        if named == "verify":
            return named
        assert receipts(ledger) == original.receipts, "forgets what was done"
    _check_goes_on(home, original, recovered=named == "recovered")
    return named or "harmless"


def _check_goes_on(home: Path, original: Original, *, recovered: bool) -> None:
    copy = home.with_name("copy")
    shutil.copytree(home, copy)
    with Ledger.open(copy) as ledger:
        receipt = clients.run(ledger, 99)
        assert receipt.first_seq == original.head.seq + 1 + recovered
        if recovered:
            assert ledger.event(original.head.seq + 1).header.type == "ledger.recovered"
        assert list(ledger.events(1, original.head.seq)) == original.events
        assert ledger.verify().ok
    assert verify_home(copy).ok
    shutil.rmtree(copy)


def flipped(
    home: Path, name: str, places: Iterable[tuple[int, int]], original: Original
) -> Counter[str]:
    """Verdicts on one flip at a time, each at (byte, bit)."""
    file = home / name
    data = file.read_bytes()
    found: Counter[str] = Counter()
    for byte, bit in places:
        changed = bytearray(data)
        changed[byte] ^= 1 << bit
        file.write_bytes(changed)
        found[verdict(home, original)] += 1
    file.write_bytes(data)
    assert verdict(home, original) == "harmless"  # control: it was the flip, and only that
    return found


def spread(size: int, count: int) -> list[tuple[int, int]]:
    """Places all over a file, at other offsets of its blocks and with other bits."""
    return [(int((number + 0.37) * size / count), number * 5 % 8) for number in range(count)]


def noticed(found: Counter[str]) -> int:
    return found.total() - found["harmless"]


@pytest.mark.parametrize(("name", "count"), [(DATABASE, 24), (WAL, 24), (KEYS, 12), (NOTES, 24)])
def test_a_flipped_bit_is_named_or_harmless(
    victim: Path, original: Original, name: str, count: int
) -> None:
    size = (victim / name).stat().st_size
    found = flipped(victim, name, spread(size, count), original)
    assert found.total() == count
    assert noticed(found) > 0
    if name in {WAL, NOTES}:  # no byte of these is unused
        assert found["harmless"] == 0


def test_the_head_of_every_file_is_guarded(victim: Path, original: Original) -> None:
    """Where each format says what it is."""
    for name in FILES:
        found = flipped(victim, name, [(0, 0), (9, 3)], original)
        assert found["harmless"] == 0, name


def test_no_bit_of_the_last_checkpoint_may_change(victim: Path, original: Original) -> None:
    """Base64 has spare bits at its end, and white space is easily trimmed: neither passes."""
    data = (victim / NOTES).read_bytes()
    size = len(data)
    last = data.rindex(b"palimpsest/", 0, data.rindex(b"\n\n", 0, size - 2))
    tail = [(byte, bit) for byte in range(size - 4, size) for bit in (0, 3, 5)]
    found = flipped(victim, NOTES, [*spread(size - last, 12), *tail], original)
    assert found["harmless"] == 0


def secrets_of(home: Path, step: int) -> dict[str, list[tuple[int, int]]]:
    """Where the keystore's secrets lie in its file, by name: every ``step``-th of their bytes."""
    with closing(sqlite3.connect(home / KEYS)) as database:
        rows: list[tuple[str, bytes]] = database.execute(
            "SELECT name, CAST(value AS BLOB) FROM secret"
        ).fetchall()
    data = (home / KEYS).read_bytes()
    starts = {name: data.index(name.encode() + value) + len(name) for name, value in rows}
    return {
        name: [(at, at % 8) for at in range(starts[name], starts[name] + len(value), step)]
        for name, value in rows
    }


def check_secrets(home: Path, step: int, original: Original) -> None:
    for name, places in secrets_of(home, step).items():
        found = flipped(home, name=KEYS, places=places, original=original)
        if name in {"format", "home_id", "lookup", "signing"}:
            assert found["harmless"] == 0, name


@pytest.fixture
def unrecorded(fast_path: Path) -> Original:
    """A home whose first owner was killed: no fingerprint of its columns is recorded yet."""
    with Ledger.open(fast_path / "first", create=True, clock=StepClock()) as ledger:
        for command in range(3):
            clients.run(ledger, command)
        shutil.copytree(fast_path / "first", fast_path / "killed")
        return Original(fast_path / "killed", ledger.head, list(ledger.events()), receipts(ledger))


def test_no_secret_of_the_keystore_may_change(unrecorded: Original, fast_path: Path) -> None:
    """The keystore has no checksum over all: each secret is found out by what it is for."""
    home = shutil.copytree(unrecorded.home, fast_path / "home")
    check_secrets(home, 7, unrecorded)


@pytest.mark.long
def test_no_bit_of_any_secret_may_change(victim: Path, original: Original) -> None:
    check_secrets(victim, 1, original)


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_a_bit_flipped_in_every_block(victim: Path, original: Original, name: str) -> None:
    """Every 4 KB of each file, at three places and with three bits."""
    size = (victim / name).stat().st_size
    places = [
        (start + offset, bit)
        for start in range(0, size, BLOCK)
        for offset, bit in ((0, 0), (1_357, 3), (BLOCK - 1, 7))
        if start + offset < size
    ]
    found = flipped(victim, name, places, original)
    assert noticed(found) > 0
    if name in {WAL, NOTES}:
        assert found["harmless"] == 0


@pytest.mark.long
def test_every_bit_of_the_checkpoints_and_of_a_wal_record(victim: Path, original: Original) -> None:
    for name, size in ((NOTES, 700), (WAL, 400)):
        end = (victim / name).stat().st_size
        places = [(byte, byte * 3 % 8) for byte in range(end - size, end)]
        assert flipped(victim, name, places, original)["harmless"] == 0
