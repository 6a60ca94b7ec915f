"""A ledger file that cannot be written anew is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from governance.errors import StoreError
from governance.merkle import LogRow, leaf_hash
from governance.store import DuckStore, rewriting
from governance.store.rewriting import rewrite_without


def row(seq: int) -> LogRow:
    return LogRow(seq, f"id-{seq}", "t", seq, "s", b"h%d" % seq, leaf_hash(b"h%d" % seq), b"box")


def sealed(path: Path) -> list[bytes | None]:
    store = DuckStore(path, read_only=True)
    found = [one.sealed for one in store.read(1, 9)]
    store.close()
    return found


@pytest.fixture
def path(fast_path: Path) -> Path:
    path = fast_path / "it's a ledger.duckdb"
    store = DuckStore(path, create=True)
    store.append([row(1), row(2)], [])
    store.close()
    return path


def in_the_way(path: Path, patch: pytest.MonkeyPatch) -> None:
    (path.with_name(f"{path.name}.erasing") / "x").mkdir(parents=True)


def full(path: Path, patch: pytest.MonkeyPatch) -> None:
    def synced(_: Path) -> Path:
        raise OSError(28, "No space left on device")

    patch.setattr(rewriting, "synced", synced)


@pytest.mark.parametrize("trouble", [in_the_way, full], ids=["in the way", "full"])
def test_a_failed_rewriting_changes_nothing_and_can_be_repeated(
    path: Path, trouble: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        trouble(path, patch)
        with pytest.raises(StoreError, match="could not be written anew") as caught:
            rewrite_without(path, [2])
    assert "nothing was lost" in caught.value.hint
    assert path.read_bytes() == before
    assert sealed(path) == [b"box", b"box"]
    for left in path.parent.glob("*.erasing/*"):
        left.rmdir()
        left.parent.rmdir()
    rewrite_without(path, [2])
    assert sealed(path) == [b"box", None]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_is_no_database_is_refused(path: Path) -> None:
    good = path.read_bytes()
    path.write_bytes(b"no database at all " * 1_000)
    with pytest.raises(StoreError, match="could not be written anew"):
        rewrite_without(path, [2])
    path.write_bytes(good)
    rewrite_without(path, [1])
    assert sealed(path) == [None, b"box"]
