"""Bytes are found wherever they stand, and nothing that cannot be read is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance import rawsearch
from governance.errors import StoreError
from governance.rawsearch import SHORTEST, pieces, search, spellings

NEEDLE = b"IE43 FICT 0000 0012"


@pytest.mark.parametrize("at", range(20))
def test_a_needle_is_found_at_any_place_and_across_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(rawsearch, "_CHUNK_BYTES", 7)
    (tmp_path / "with").write_bytes(b"." * at + NEEDLE + b"...")
    (tmp_path / "without").write_bytes(b"." * at + NEEDLE[:-1] + b"...")
    found = search(tmp_path, [NEEDLE])
    assert found.hits == {tmp_path / "with": frozenset({NEEDLE})}
    assert found.files == 2


def test_names_are_looked_at_and_links_are_not_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.write_bytes(NEEDLE)
    (home / "link").symlink_to(elsewhere)
    assert search(home, [NEEDLE]) == rawsearch.Found(0, {})
    named = home / NEEDLE.decode()
    named.touch()
    assert search(home, [NEEDLE]) == rawsearch.Found(1, {named: frozenset({NEEDLE})})


def test_needles_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    other = NEEDLE[:SHORTEST] + b" and another"
    (tmp_path / "file").write_bytes(b"x" + other)
    assert search(tmp_path, [NEEDLE, other]).hits == {tmp_path / "file": frozenset({other})}


def test_nothing_to_look_for_is_found_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NEEDLE)
    assert search(tmp_path, []) == rawsearch.Found(1, {})
    assert search(tmp_path, [NEEDLE]).hits


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(NEEDLE)
    real = Path.open

    def refused(path: Path, mode: str) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path, mode)

    monkeypatch.setattr(Path, "open", refused)
    assert search(tmp_path, [NEEDLE]).hits
    (tmp_path / "locked").touch()
    with pytest.raises(StoreError, match="locked cannot be searched: Permission denied") as caught:
        search(tmp_path, [NEEDLE])
    assert "permissions" in caught.value.hint


def test_texts_are_looked_for_line_by_line_in_parts_worth_it() -> None:
    line = "A line that is longer than a piece of a text may be, by far."
    found = list(pieces(f"short\n  {line}\n\n"))
    assert found == [line[:40].strip(), line[40:].strip()]
    assert [one for piece in found for one in spellings(piece)]
