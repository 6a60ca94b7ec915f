"""Looking for bytes in every file of a folder, however many things are looked for.

What is looked for is kept in memory and never written anywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from governance.errors import StoreError

SHORTEST: Final = 8
"""Bytes: what is shorter stands in files by chance."""
PIECE: Final = 40
"""Characters; longer texts are looked for piece by piece, so that a part of one is found."""
_CHUNK_BYTES: Final = 8 * 1024 * 1024
_WORD: Final = 8


@dataclass(frozen=True)
class Found:
    """What a search found: how many files it read, and which needles stood where."""

    files: int
    hits: dict[Path, frozenset[bytes]]


def pieces(text: str) -> Iterator[str]:
    """Parts of a text worth looking for: line by line, long ones cut."""
    for line in map(str.strip, text.splitlines()):
        for at in range(0, len(line), PIECE):
            piece = line[at : at + PIECE].strip()
            if len(piece) >= SHORTEST:
                yield piece


def spellings(piece: str) -> Iterator[bytes]:
    """The bytes a text may stand as: UTF-8, UTF-16 and escaped as in JSON."""
    yield piece.encode("utf-8", errors="surrogatepass")
    yield piece.encode("utf-16-le", errors="surrogatepass")
    yield piece.encode("utf-16-be", errors="surrogatepass")
    yield json.dumps(piece)[1:-1].encode()
    yield json.dumps(piece, ensure_ascii=False)[1:-1].encode("utf-8", errors="surrogatepass")


def search(home: Path, needles: Collection[bytes]) -> Found:
    """Look for needles in the bytes and in the names of all files below ``home``.

    Args:
        home: The folder; links are not followed.
        needles: Each at least :data:`SHORTEST` bytes.

    Raises:
        StoreError: a file cannot be read; names it.
    """
    wanted = _Needles(needles)
    hits: dict[Path, frozenset[bytes]] = {}
    files = 0
    for path in _files(home):
        files += 1
        found = wanted.within(os.fsencode(path.relative_to(home)))
        try:
            with path.open("rb") as file:
                carried = b""
                while chunk := file.read(_CHUNK_BYTES):
                    data = carried + chunk
                    found |= wanted.within(data)
                    carried = data[-wanted.longest :]
        except OSError as error:
            raise StoreError(
                f"{path} cannot be searched: {error.strerror}", hint="check its permissions"
            ) from error
        if found:
            hits[path] = frozenset(found)
    return Found(files, hits)


def _files(home: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(home):
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


class _Needles:
    """Needles by their first eight bytes, so that all are looked for in one pass."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._by_word: dict[int, list[bytes]] = {}
        for needle in set(needles):
            word = int.from_bytes(needle[:_WORD], "little")
            self._by_word.setdefault(word, []).append(needle)
        self._words = np.array(sorted(self._by_word), dtype="<u8")
        self.longest = max((len(one) for some in self._by_word.values() for one in some), default=1)

    def within(self, data: bytes) -> set[bytes]:
        """Those that stand in ``data``."""
        found: set[bytes] = set()
        if not len(self._words):
            return found
        for shift in range(_WORD):
            whole = (len(data) - shift) // _WORD
            if whole <= 0:
                break
            words = np.frombuffer(data, dtype="<u8", count=whole, offset=shift)
            for at in self._matches(words):
                start = shift + _WORD * at
                for needle in self._by_word[int(words[at])]:
                    if data.startswith(needle, start):
                        found.add(needle)
        return found

    def _matches(self, words: npt.NDArray[np.uint64]) -> list[int]:
        places = np.searchsorted(self._words, words).clip(max=len(self._words) - 1)
        matches: list[int] = np.flatnonzero(self._words[places] == words).tolist()
        return matches
