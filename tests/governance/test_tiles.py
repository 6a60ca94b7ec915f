"""Stored tiles and rows are believed only when they lead to the signed root."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance import tiles
from governance.errors import ChainError
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.tiles import SignedTiles


def row(seq: int) -> LogRow:
    header = b"header %d" % seq
    return LogRow(seq, f"id-{seq}", "t", seq, "s", header, leaf_hash(header), None)


class Log:
    """A tree and its stored tiles, which may be changed."""

    def __init__(self, size: int) -> None:
        self.rows = [row(seq) for seq in range(1, size + 1)]
        self.tree = Tree()
        complete: list[Tile] = self.tree.extend(one.leaf for one in self.rows)
        self.stored = {(tile.level, tile.index): tile.hashes for tile in complete}
        self.loads: list[tuple[int, int]] = []
        self.signed = SignedTiles(self.load)

    def load(self, level: int, index: int) -> bytes | None:
        self.loads.append((level, index))
        return self.stored.get((level, index))


def test_every_tile_is_the_trees() -> None:
    log = Log(70_000)
    for (level, index), hashes in log.stored.items():
        assert log.signed.tile(log.tree, level, index) == hashes
    assert log.signed.tile(log.tree, 0, 273) == b"".join(one.leaf for one in log.rows[69_888:])
    assert len(log.signed.tile(log.tree, 1, 1)) == 32 * (273 - 256)
    assert log.signed.tile(log.tree, 0, 274) == b""
    assert log.signed.tile(log.tree, 7, 0) == b""


def test_a_tile_is_checked_once_and_then_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "_CACHED", 2)
    log = Log(1_100)
    for index in (0, 1, 0, 1):
        log.signed.tile(log.tree, 0, index)
    assert log.loads == [(0, 0), (0, 1)]
    log.signed.tile(log.tree, 0, 2)  # pushes out the one that was used longest ago
    log.signed.tile(log.tree, 0, 1)
    log.signed.tile(log.tree, 0, 0)
    assert log.loads == [(0, 0), (0, 1), (0, 2), (0, 0)]


@pytest.mark.parametrize("fault", ["changed", "missing", "cut", "swapped", "above"])
def test_a_tile_that_was_not_signed_is_refused(fault: str) -> None:
    log = Log(70_000)
    good = dict(log.stored)
    place = (1, 0) if fault == "above" else (0, 3)
    if fault == "missing":
        del log.stored[place]
    elif fault == "cut":
        log.stored[place] = log.stored[place][:-32]
    elif fault == "swapped":
        log.stored[place] = log.stored[0, 4]
    else:
        log.stored[place] = b"x" + log.stored[place][1:]
    with pytest.raises(ChainError, match=f"tile {place[1]} of level {place[0]}"):
        log.signed.tile(log.tree, 0, 3)
    log.stored = good
    assert log.signed.tile(log.tree, 0, 3) == good[0, 3]  # what was refused is not remembered


def test_rows_are_those_that_were_signed() -> None:
    log = Log(600)
    assert list(log.signed.checked(log.tree, log.rows)) == log.rows
    assert list(log.signed.checked(log.tree, log.rows[500:3:-7])) == log.rows[500:3:-7]
    forged = b"another header"
    for bad in (
        replace(row(7), leaf=row(8).leaf),
        replace(row(7), header=forged),
        replace(row(7), header=forged, leaf=leaf_hash(forged)),
        replace(row(7), seq=8),
        replace(row(7), seq=0),
        replace(row(7), seq=-300),
        replace(row(7), seq=601),
        replace(row(590), seq=591),
    ):
        with pytest.raises(ChainError, match=f"event {bad.seq} was altered or moved"):
            list(log.signed.checked(log.tree, [bad]))
