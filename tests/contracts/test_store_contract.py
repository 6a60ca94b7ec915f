"""What every storage engine must do. A new engine joins by one line in ``ENGINES``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from governance.errors import StoreError
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.store import DuckStore, LedgerStore, MemoryStore

ENGINES: dict[str, Callable[[Path], LedgerStore]] = {
    "memory": lambda _: MemoryStore(),
    "duck": lambda folder: DuckStore(folder / "ledger.duckdb", create=True),
}
LOWEST, HIGHEST = -(2**63) + 1, 2**63 - 1


@pytest.fixture(params=sorted(ENGINES))
def store(request: pytest.FixtureRequest, fast_path: Path) -> Iterator[LedgerStore]:
    opened = ENGINES[request.param](fast_path)
    yield opened
    opened.close()


def row(seq: int, *, sealed: bytes | None = b"\x00box\xff") -> LogRow:
    header = b'{"seq":%d,"text":"\xc3\xa9"}' % seq
    return LogRow(
        seq=seq,
        event_id=f"id-{seq}",
        type="role.granted",
        recorded_at_us=1_767_225_600_000_000 + seq,
        subject=f"principal:p{seq % 3}",
        header=header,
        leaf=leaf_hash(header),
        sealed=sealed,
    )


@cache
def rows_to(stop: int) -> list[LogRow]:
    return [row(seq) for seq in range(1, stop + 1)]


def fill(store: LedgerStore, start: int, stop: int, tree: Tree, batch: int = 1_000) -> list[Tile]:
    """Append rows ``start`` to ``stop`` and the tiles they complete; returns the tiles."""
    written = []
    for low in range(start, stop + 1, batch):
        rows = rows_to(stop)[low - 1 : min(low - 1 + batch, stop)]
        tiles = tree.extend(one.leaf for one in rows)
        store.append(rows, tiles)
        written += tiles
    return written


def test_an_empty_store(store: LedgerStore) -> None:
    assert store.size() == 0
    assert list(store.read(1, 10)) == list(store.read(LOWEST, HIGHEST)) == []
    assert list(store.tiles()) == []
    assert store.tree(0).root() == Tree().root()


def test_what_goes_in_comes_out(store: LedgerStore) -> None:
    rows = [row(1), row(2, sealed=None), row(3, sealed=b""), row(4, sealed=bytes(range(256)) * 40)]
    store.append(rows[:1], [])
    store.append(rows[1:], [])
    assert store.size() == 4
    found = list(store.read(1, 4))
    assert found == rows
    assert {type(data) for one in found for data in (one.header, one.leaf)} == {bytes}
    assert list(store.read(2, 3)) == rows[1:3]
    assert list(store.read(3, 3)) == rows[2:3]
    assert list(store.read(-5, 1)) == rows[:1]
    assert list(store.read(4, 99)) == rows[3:]
    assert list(store.read(LOWEST, HIGHEST)) == rows
    assert list(store.read(5, 9)) == list(store.read(3, 2)) == list(store.read(0, 0)) == []


def test_pages_and_order(store: LedgerStore) -> None:
    fill(store, 1, 10_003, Tree(), batch=4_001)
    assert list(store.read(1, 10_003)) == rows_to(10_003)
    assert [one.seq for one in store.read(4_999, 5_002)] == [4_999, 5_000, 5_001, 5_002]


@pytest.mark.parametrize("sizes", [(1, 255, 256, 257, 511, 512, 700), (65_535, 65_536, 65_537)])
def test_stored_tiles_give_back_the_tree(store: LedgerStore, sizes: tuple[int, ...]) -> None:
    """Past every tile boundary, on every engine, equal to the tree that never left."""
    tree, done = Tree(), 0
    tiles: list[Tile] = []
    for size in sizes:
        tiles += fill(store, done + 1, size, tree, batch=16_384)
        done = size
        assert store.size() == size
        assert store.tree(size) == tree
        assert store.tree(size).root() == tree.root()
        assert list(store.tiles()) == sorted(tiles, key=lambda tile: (tile.level, tile.index))
    more = [hashlib.sha256(b"%d" % number).digest() for number in range(300)]
    assert store.tree(done).extend(more) == tree.copy().extend(more) != []
    for size in sizes:  # also as it was
        earlier = Tree()
        earlier.extend(one.leaf for one in rows_to(done)[:size])
        assert store.tree(size).root() == earlier.root()
    for tile in tiles:
        assert store.tile(tile.level, tile.index) == tile.hashes
    assert store.tile(0, done) is None


@pytest.mark.parametrize(
    "fault",
    ["a number twice", "a number already there", "an id twice", "an id already there", "a tile"],
)
def test_a_bad_row_leaves_nothing_of_its_batch(store: LedgerStore, fault: str) -> None:
    tile = Tile(0, 0, b"x" * 32)
    store.append([row(1), row(2)], [tile])
    rows, tiles = [row(3), row(4), row(5)], [Tile(0, 1, b"y" * 32)]
    bad = {
        "a number twice": ([*rows, replace(row(4), event_id="other")], tiles),
        "a number already there": ([replace(row(2), event_id="other"), *rows], tiles),
        "an id twice": ([*rows, replace(row(6), event_id="id-4")], tiles),
        "an id already there": ([*rows, replace(row(6), event_id="id-1")], tiles),
        "a tile": (rows, [*tiles, tile]),
    }
    with pytest.raises(StoreError):
        store.append(*bad[fault])
    assert store.size() == 2
    assert list(store.read(LOWEST, HIGHEST)) == [row(1), row(2)]
    assert list(store.tiles()) == [tile]
    store.append(rows, tiles)  # control: the same rows without the fault
    assert store.size() == 5
    assert list(store.tiles()) == [tile, *tiles]


def test_reading_while_appending_sees_whole_batches(store: LedgerStore) -> None:
    tree = Tree()
    fill(store, 1, 10, tree)
    reader = store.read(1, 10)
    assert next(reader) == row(1)
    fill(store, 11, 20, tree)
    assert [one.seq for one in reader] == list(range(2, 11))


def test_closing_twice_is_fine(store: LedgerStore) -> None:
    store.append([row(1)], [])
    store.close()
    store.close()
