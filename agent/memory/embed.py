"""Text to vectors: one protocol, and an embedder that needs nothing but numpy.

``HashedEmbedder`` hashes words, identifiers, word pairs and character n-grams into a
fixed number of signed dimensions (Weinberger et al., 2009, arXiv 0902.2206; sub-words
as in fastText, arXiv 1607.04606). It is *stateless* on purpose. An SVD or an idf fitted
on the corpus would make every vector depend on everything ever stored: revoking one
entry would move all others, and an index could not be rebuilt to the same bytes after a
rollback. What rarity brings is therefore left to BM25, which is refitted with the index.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.memory.terms import Term, terms
from governance import canonical

Vectors = NDArray[np.float32]

VERSION: Final = 1
"""Part of the digest: raise it whenever the same text would give other bytes."""
DIMENSION: Final = 512
WEIGHTS: Final = {"word": 8, "name": 10, "identifier": 16, "part": 4}
"""Eighths: weight of a term by kind. Identifiers decide, their pieces only help."""
PAIR_WEIGHT: Final = 4
"""Eighths: weight of two neighbouring terms."""
SUBWORD_WEIGHT: Final = 10
"""Eighths: weight of all character n-grams of a word together."""
SUBWORDS: Final = (3, 4)
"""Lengths of the character n-grams; words are padded with ``<`` and ``>``."""
HASHES: Final = 2
"""Dimensions a feature is spread over: two collide together far more rarely than one."""


class Embedder(Protocol):
    """Turns texts into comparable vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything the vectors depend on besides the text."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, float32 [n, dimension], L2-normalised.

        A text without any feature gives a row of zeros: it is similar to nothing.
        """
        ...


class HashedEmbedder:
    """Hashed words, identifiers and sub-words. Implements :class:`Embedder`.

    Only additions, square roots and one division touch the numbers, all of them exactly
    rounded by IEEE 754, so that the bytes are the same on every machine.
    """

    def __init__(self, dimension: int = DIMENSION) -> None:
        self._dimension = dimension
        self._digest = canonical.digest(
            {
                "embedder": "hashed",
                "version": VERSION,
                "dimension": dimension,
                "weights": dict(WEIGHTS),
                "pair": PAIR_WEIGHT,
                "subword": SUBWORD_WEIGHT,
                "subwords": list(SUBWORDS),
                "hashes": HASHES,
            }
        )

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the method and its settings."""
        return self._digest

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, float32 [n, dimension], L2-normalised or all zero."""
        rows = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            self._fill(row, text)
        return rows

    def _fill(self, row: NDArray[np.float32], text: str) -> None:
        sums: dict[int, float] = {}
        for (feature, weight), count in Counter(_features(terms(text))).items():
            # Sublinear: the tenth mention of a word says less than the first.
            value = weight * math.sqrt(count)
            for cell, sign in _cells(feature, self._dimension):
                sums[cell] = sums.get(cell, 0.0) + sign * value
        norm = math.sqrt(math.fsum(value * value for value in sums.values()))
        if norm > 0.0:
            for cell, value in sums.items():
                row[cell] = value / norm


def _features(found: Sequence[Term]) -> Iterator[tuple[str, float]]:
    """Features and their weights, in the order of the text."""
    previous = ""
    for term in found:
        yield f"w {term.text}", WEIGHTS[term.kind] / 8
        if term.kind == "part":
            continue
        if previous:
            yield f"p {previous} {term.text}", PAIR_WEIGHT / 8
        previous = term.text
        if term.kind != "identifier":
            yield from _subwords(term.text)


@lru_cache(maxsize=65_536)
def _subwords(word: str) -> tuple[tuple[str, float], ...]:
    padded = f"<{word}>"
    grams = [padded[at : at + size] for size in SUBWORDS for at in range(len(padded) - size + 1)]
    if not grams:
        return ()
    # Energies add up, amplitudes do not: √n keeps a long word as heavy as a short one.
    weight = SUBWORD_WEIGHT / 8 / math.sqrt(len(grams))
    return tuple((f"s {gram}", weight) for gram in grams)


@lru_cache(maxsize=262_144)
def _cells(feature: str, dimension: int) -> tuple[tuple[int, float], ...]:
    digest = hashlib.blake2b(feature.encode(), digest_size=8 * HASHES).digest()
    cells = []
    for at in range(0, len(digest), 8):
        number = int.from_bytes(digest[at : at + 8], "little")
        cells.append(((number >> 1) % dimension, 1.0 if number & 1 else -1.0))
    return tuple(cells)
