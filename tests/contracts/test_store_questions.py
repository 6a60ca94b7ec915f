"""What every storage engine answers beside rows: histories, mentions, commands, fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from governance.errors import StoreError
from governance.merkle import LogRow, leaf_hash
from governance.store import LastStep, LedgerStore, Mention, joined
from tests.contracts.test_store_contract import ENGINES, HIGHEST, LOWEST

SECRET = "of nobody's business"


@pytest.fixture(params=sorted(ENGINES))
def store(request: pytest.FixtureRequest, fast_path: Path) -> Iterator[LedgerStore]:
    opened = ENGINES[request.param](fast_path)
    yield opened
    opened.close()


def digest(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()[:24]


def row(seq: int, kind: str = "entry.proposed", subject: str = "entry:a", **more: str) -> LogRow:
    header = b'{"seq":%d}' % seq
    return LogRow(
        seq, f"id-{seq}", kind, 1_000 + seq, subject, header, leaf_hash(header), b"box",
        more.get("command"),
    )  # fmt: skip


ROWS = [
    row(1, "source.ingested", "source:s"),
    row(2, "entry.proposed", "entry:b"),
    row(3, "entry.proposed", "entry:a"),
    row(4, "entry.verified", "entry:b"),
    row(5, "review.commented", "entry:a"),
    row(6, "entry.proposed", "entry:c:with:colons"),
    row(7, "memory.recalled", "recall:r"),
]
MENTIONS = [
    Mention(6, "entry.proposed", "entry:a"),
    Mention(7, "memory.recalled", "entry:b"),
    Mention(7, "memory.recalled", "entry:a"),
]


def seqs(rows: Iterator[LogRow]) -> list[int]:
    return [one.seq for one in rows]


def test_rows_by_type_and_subject(store: LedgerStore) -> None:
    store.append(ROWS, [])
    both = {"entry.proposed", "review.commented"}
    assert seqs(store.read(1, 9, types=both)) == [2, 3, 5, 6]
    assert seqs(store.read(1, 9, subjects=["entry:a"])) == [3, 5]
    assert seqs(store.read(1, 9, types=both, subjects=["entry:a", "entry:b"])) == [2, 3, 5]
    assert seqs(store.read(3, 5, types=both)) == [3, 5]
    assert seqs(store.read(1, 9, types=[])) == seqs(store.read(1, 9, subjects=[])) == []
    assert list(store.read(4, 4, types=["entry.verified"])) == [ROWS[3]]
    assert store.types() == {one.type for one in ROWS}


def test_many_selected_rows_come_in_order(store: LedgerStore) -> None:
    rows = [row(seq, "odd" if seq % 2 else "even") for seq in range(1, 5_001)]
    store.append(rows, [])
    assert list(store.read(1, 5_000, types=["odd"])) == rows[0::2]


def test_the_last_step_of_everything(store: LedgerStore) -> None:
    store.append(ROWS, [])
    types = {"entry.proposed", "entry.verified"}
    found = store.last_steps("entry", 1, 9, types=types)
    assert list(found.items()) == [
        ("b", LastStep(4, "entry.verified")), ("a", LastStep(3, "entry.proposed")),
        ("c:with:colons", LastStep(6, "entry.proposed")),
    ]  # fmt: skip
    assert (len(found), "a" in found, "z" in found) == (3, True, False)
    assert (list(found.ids), list(found.seqs)) == (["b", "a", "c:with:colons"], [4, 3, 6])
    early = {"b": LastStep(2, "entry.proposed"), "a": LastStep(3, "entry.proposed")}
    assert dict(store.last_steps("entry", 1, 3, types=types)) == early
    assert list(store.last_steps("entry", 4, 9, types=types)) == ["b", "c:with:colons"]
    assert dict(store.last_steps("entr", 1, 9, types=types)) == {}
    assert dict(store.last_steps("entry", 1, 9, types=[])) == {}


def test_mentions_are_found_by_type_and_subject(store: LedgerStore) -> None:
    store.append(ROWS[:6], [], MENTIONS[:1])
    store.append(ROWS[6:], [], MENTIONS[1:])
    types = {"entry.proposed", "memory.recalled"}
    assert store.mentions(1, 9, types=types) == MENTIONS
    assert store.mentions(LOWEST, HIGHEST, types=types) == MENTIONS
    assert store.mentions(7, 9, types=types) == MENTIONS[1:]
    assert store.mentions(1, 6, types=types) == MENTIONS[:1]
    assert store.mentions(1, 9, types=["memory.recalled"]) == MENTIONS[1:]
    assert store.mentions(1, 9, types=types, subject="entry:a") == [MENTIONS[0], MENTIONS[2]]
    assert store.mentions(1, 9, types=[]) == []


def test_mentions_are_replaced_whole(store: LedgerStore) -> None:
    store.append(ROWS, [], MENTIONS)
    assert store.mentions_complete()
    others = [Mention(2, "entry.proposed", "entry:z"), *MENTIONS]
    for mentions in (others, [], MENTIONS):
        store.replace_mentions(iter(mentions))
        assert store.mentions_complete()
        assert store.mentions(1, 9, types={"entry.proposed", "memory.recalled"}) == mentions
        store.append([row(store.size() + 1)], [])
    more = [Mention(11, "entry.proposed", "entry:q")]
    store.append([row(11)], [], more)
    assert store.mentions(8, 11, types=["entry.proposed"]) == more


def test_commands_are_found(store: LedgerStore) -> None:
    first = [replace(one, command=digest(1)) for one in ROWS[:3]]
    store.append([*first, ROWS[3]], [])
    assert store.command(digest(1)) == [(seq, f"id-{seq}") for seq in (1, 2, 3)]
    assert store.command(digest(2)) == []
    store.append([replace(ROWS[4], command=digest(2))], [])
    assert store.command(digest(2)) == [(5, "id-5")]
    assert store.command(digest(1)[:-1] + "x") == []
    with pytest.raises(StoreError):
        store.append([replace(ROWS[4], command=digest(3))], [])
    assert store.command(digest(3)) == []  # it was refused


CHANGES = {
    "event_id": "other", "type": "other", "recorded_at_us": 1, "subject": "other",
    "leaf": leaf_hash(b"other"), "command": "other",
}  # fmt: skip


@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("column", CHANGES)
def test_a_fingerprint_is_of_every_column(engine: str, column: str, fast_path: Path) -> None:
    found = []
    changed = replace(ROWS[3], **{column: CHANGES[column]})  # type: ignore[arg-type]  # by name
    for name, rows in (("a", ROWS), ("b", [*ROWS[:3], changed, *ROWS[4:]]), ("c", ROWS)):
        (fast_path / name).mkdir()
        store = ENGINES[engine](fast_path / name)
        store.append(rows, [], MENTIONS)
        found.append((store.engine, store.fingerprint(SECRET, 1, 7)))
        store.close()
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_fingerprint_is_of_every_mention(engine: str, fast_path: Path) -> None:
    versions = [
        MENTIONS, MENTIONS[:2], [*MENTIONS, MENTIONS[2]],
        [*MENTIONS[:2], replace(MENTIONS[2], subject="entry:b")],
        [*MENTIONS[:2], replace(MENTIONS[2], type="entry.proposed")],
        [*MENTIONS[:2], replace(MENTIONS[2], seq=6)],
        [*MENTIONS[:2], Mention(7, "memory.recallede", "ntry:a")],
        MENTIONS[::-1],
    ]  # fmt: skip
    found = []
    for number, mentions in enumerate(versions):
        (fast_path / str(number)).mkdir()
        store = ENGINES[engine](fast_path / str(number))
        store.append(ROWS, [], mentions)
        found.append(store.fingerprint(SECRET, 1, 7))
        store.close()
    assert len(set(found[:-1])) == len(found) - 1
    assert found[-1] == found[0]  # order is no secret


def test_fingerprints_of_adjacent_ranges_add_up_and_need_the_secret(store: LedgerStore) -> None:
    store.append(ROWS, [], MENTIONS)
    whole = store.fingerprint(SECRET, LOWEST, HIGHEST)
    for at in range(1, 8):
        parts = store.fingerprint(SECRET, LOWEST, at), store.fingerprint(SECRET, at + 1, HIGHEST)
        assert joined(*parts) == whole
    assert store.fingerprint(SECRET, 8, 9) == "0"
    assert store.fingerprint("another", LOWEST, HIGHEST) != whole
    assert store.engine


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8])
def test_blocks_are_the_rows_in_columns(store: LedgerStore, width: int) -> None:
    store.append(ROWS, [])
    blocks = list(store.blocks(width, sealed=True))
    assert [seq for block in blocks for seq in block.seqs] == [1, 2, 3, 4, 5, 6, 7]
    assert all(0 <= len(block.seqs) <= width for block in blocks)


def test_tidying_and_abandoning_lose_nothing(store: LedgerStore) -> None:
    store.append(ROWS, [], MENTIONS)
    store.checkpoint()
    assert list(store.read(1, 9)) == ROWS
    store.abandon()
    store.close()
