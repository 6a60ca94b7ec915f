"""The scan's tree against the ledger's, and stored tiles in any order."""

from __future__ import annotations

import hashlib
import random

import pytest

from governance.errors import SealError
from governance.merkle import TILE_WIDTH, LogRow, Tile, Tree
from governance.verify import VerificationReport, verify_log
from governance.verify.report import MAX_PROBLEMS
from governance.verify.tree import StoredTiles, WholeTiles
from tests.governance.verify_logs import ORIGIN, FullLog, event, public

TILES = 2 * TILE_WIDTH + 3


@pytest.fixture(scope="module")
def roots() -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(TILES)]


def test_tiles_of_every_level_and_roots_are_those_of_the_tree(roots: list[bytes]) -> None:
    """A tree of tile roots is the same tree, one level up."""
    tree, whole = Tree(), WholeTiles()
    for count, root in enumerate(roots, start=1):
        expected = [Tile(one.level + 1, one.index, one.hashes) for one in tree.append(root)]
        assert whole.add(root) == expected
        if count % 50 == 3:
            assert whole.root([]) == tree.root()
    assert whole.count == TILES


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_stored_tiles_may_come_in_any_order(roots: list[bytes], seed: int | None) -> None:
    tiles = [Tile(number % 2, number // 2, root * 3) for number, root in enumerate(roots[:40])]
    order = sorted(tiles, key=lambda one: (one.level, one.index))
    if seed is not None:
        random.Random(seed).shuffle(order)

    def check(stored: list[Tile]) -> list[str]:
        compared, report = StoredTiles(stored), VerificationReport()
        for tile in tiles:
            compared.expect(tile)
        compared.finish(report)
        return report.problems

    assert check(order) == []
    gone = order.pop(20)
    assert check(order) == [f"tile {gone.index} of level {gone.level} is missing"]
    order.insert(3, Tile(gone.level, gone.index, gone.hashes[:32] + bytes(64)))
    assert check(order) == [
        f"tile {gone.index} of level {gone.level} does not hold the tree's hashes"
    ]


def test_a_long_log_is_judged_like_a_short_one() -> None:
    rows = [event(seq) for seq in range(1, 1_400)]
    log = FullLog.of(rows, (700,))
    assert len(log.tiles) == 5
    assert log.check().ok
    log.tiles.reverse()
    assert log.check().ok
    first = log.tiles.pop(-2)
    log.tiles.append(Tile(0, 1, first.hashes[:320] + bytes(32) + first.hashes[352:]))
    assert log.check().problems == ["tile 1 of level 0 does not hold the tree's hashes"]
    assert log.check().first_bad is None


def test_progress_is_told_and_unreadable_headers_have_no_payload_to_open() -> None:
    rows = [event(seq) for seq in range(1, 4)]
    log = FullLog.of(rows)
    told: list[int] = []
    opened: list[int] = []

    def opens(row: LogRow, header: object) -> None:
        opened.append(row.seq)
        if row.seq == 3:
            raise SealError("altered")

    rows[1] = LogRow(2, "x", "x", 0, "x", b"{", b"", None)
    report = verify_log(
        rows, signed=log.signed, public_key=public(1), origin=ORIGIN, check_payload=opens,
        progress=told.append,
    )  # fmt: skip
    assert told == [3]
    assert opened == [1, 3]
    assert report.first_bad == 2
    assert "event 3: altered" in report.problems


def test_notices_are_bounded() -> None:
    rows = [event(seq, recorded_at_us=1_000 - seq) for seq in range(1, 40)]
    report = FullLog.of(rows).check()
    assert report.ok
    assert len(report.notices) == MAX_PROBLEMS
    assert report.notices[0] == "event 2: the clock went back by 0.000001 s"
