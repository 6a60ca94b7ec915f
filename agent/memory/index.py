"""The recall index of one scope: FAISS and BM25 over what is active, nothing else.

A projection of the ledger's state: it follows approvals and revocations one entry at a
time, and dropping it loses nothing, since a rebuild from the state ranks and hashes the
same. Ranks never depend on the order in which entries arrived: candidates are scored
again in double precision, row by row, and ties go to the smaller entry id.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import bm25s
import faiss
import numpy as np
from numpy.typing import NDArray

from agent.errors import MemoryIndexError
from agent.memory.coverage import Coverage, Profile, coverage
from agent.memory.embed import Embedder, Vectors
from agent.memory.notes import search_text
from agent.memory.terms import Term, terms
from governance.events import Scope
from governance.state import EntryState, State

RRF_CONSTANT: Final = 60
"""Reciprocal rank fusion, Cormack et al., SIGIR 2009."""
DEPTH: Final = 32
"""Candidates that each ranking contributes, at least."""
BM25_K1: Final = 1.2
BM25_B: Final = 0.5
"""Below the usual .75: entries are single statements, their length means little."""


@dataclass(frozen=True)
class Candidate:
    """An entry that may be recalled, and why.

    ``fused`` is the sum of reciprocal ranks; ``cosine`` is of the vectors, −1 to 1;
    ``coverage`` says how much of the question the entry speaks about.
    """

    entry_id: str
    fused: float
    cosine: float
    coverage: Coverage


@dataclass(frozen=True)
class _Row:
    number: int
    entry: EntryState
    profile: Profile


class ExternalIndex:
    """External entries that ``scope`` may read and the state recalls, searchable."""

    def __init__(self, scope: Scope, embedder: Embedder) -> None:
        self.scope = scope
        self._embedder = embedder
        self._faiss = faiss.IndexIDMap2(faiss.IndexFlatIP(embedder.dimension))
        self._rows: dict[str, _Row] = {}
        self._numbers: dict[int, str] = {}
        self._documents: Counter[str] = Counter()
        self._next = 0
        self._seen: dict[str, EntryState] = {}
        self._state: State | None = None
        self._state_seq = -1
        self._frozen = False
        self._lexical: _Lexical | None = None
        self._digest: str | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, entry_id: object) -> bool:
        return entry_id in self._rows

    # --- following the state -----------------------------------------------------------

    def sync(self, state: State) -> int:
        """Take up what changed in ``state``; the number of entries added or removed.

        ``state`` may also be an earlier version: entries that it lacks are removed.
        """
        if state is self._state and state.seq == self._state_seq:
            return 0
        turned = state.frozen != self._frozen  # then what belongs here has to be looked at anew
        if turned:
            self._seen.clear()
        gone, fresh = [], []
        for entry_id, row in self._rows.items():
            entry = state.entries.get(entry_id)
            if (turned or entry is not row.entry) and not self._still(state, entry, row):
                gone.append(entry_id)
                self._seen.pop(entry_id, None)
        dropped = set(gone)
        for entry_id, entry in state.entries.items():
            # Entry states are immutable: the same object has been looked at already.
            if self._seen.get(entry_id) is entry:
                continue
            self._seen[entry_id] = entry
            if self._belongs(state, entry) and (entry_id not in self._rows or entry_id in dropped):
                fresh.append(entry)
        self._remove(gone)
        self._add(fresh)
        if len(self._seen) > len(state.entries):
            self._seen = {entry_id: self._seen[entry_id] for entry_id in state.entries}
        self._state, self._state_seq, self._frozen = state, state.seq, state.frozen
        return len(gone) + len(fresh)

    def _still(self, state: State, entry: EntryState | None, row: _Row) -> bool:
        """True when ``entry``, which changed, still says what its row holds."""
        return (
            entry is not None
            and self._belongs(state, entry)
            and entry.content_digest == row.entry.content_digest
        )

    def _belongs(self, state: State, entry: EntryState) -> bool:
        return (
            state.may_recall(entry) and entry.channel == "external" and self.scope.sees(entry.scope)
        )

    def _add(self, entries: Sequence[EntryState]) -> None:
        if not entries:
            return
        texts = [search_text(entry.body) for entry in entries]
        vectors = self._embedder.embed(texts)
        if vectors.shape != (len(entries), self._embedder.dimension):
            raise MemoryIndexError(
                f"embedder gave vectors of shape {vectors.shape}, "
                f"expected {(len(entries), self._embedder.dimension)}",
                hint="the embedder changed: drop the index and rebuild it",
            )
        numbers = np.arange(self._next, self._next + len(entries), dtype=np.int64)
        self._faiss.add_with_ids(vectors, numbers)
        self._next += len(entries)
        for number, entry, text in zip(numbers.tolist(), entries, texts, strict=True):
            row = _Row(number, entry, Profile.of(terms(text)))
            self._rows[entry.entry_id] = row
            self._numbers[number] = entry.entry_id
            self._documents.update(row.profile.held)
        self._changed()

    def _remove(self, entry_ids: Iterable[str]) -> None:
        rows = [self._rows.pop(entry_id) for entry_id in entry_ids]
        if not rows:
            return
        numbers = np.array([row.number for row in rows], dtype=np.int64)
        if self._faiss.remove_ids(faiss.IDSelectorBatch(numbers)) != len(rows):
            raise MemoryIndexError("the vector index lost rows", hint="drop it and rebuild it")
        for row in rows:
            del self._numbers[row.number]
            self._documents.subtract(row.profile.held)
        self._documents = +self._documents
        self._changed()

    def _changed(self) -> None:
        self._lexical = None
        self._digest = None

    def digest(self) -> str:
        """SHA-256 (hex) over (entry id, content digest, vector bytes), by entry id.

        The vectors are read back from FAISS, so this is what is searched.
        """
        if self._digest is None:
            total = hashlib.sha256(b"palimpsest external index 1\n")
            for entry_id in sorted(self._rows):
                row = self._rows[entry_id]
                vector = np.ascontiguousarray(self._faiss.reconstruct(row.number), dtype="<f4")
                total.update(f"{entry_id}\n{row.entry.content_digest}\n".encode())
                total.update(vector.tobytes())
            self._digest = total.hexdigest()
        return self._digest

    # --- searching ---------------------------------------------------------------------

    def search(
        self, query: str, *, limit: int, allowed: Collection[str] | None = None
    ) -> list[Candidate]:
        """Fused candidates, best first, at most ``limit``.

        Args:
            query: What is asked.
            limit: Upper bound on the candidates.
            allowed: Ids to choose from; ``None`` is everything in the index.
        """
        numbers = self._allowed_numbers(allowed)
        if limit <= 0 or numbers.size == 0:
            return []
        depth = min(int(numbers.size), max(DEPTH, 4 * limit))
        asked = terms(query)
        cosines = self._dense(query, numbers, depth, everything=allowed is None)
        lexical = self._bm25(asked, numbers, depth)
        cosines |= self._cosines(query, [key for key in lexical if key not in cosines])
        coverages = {key: self._coverage(asked, key) for key in cosines}
        dense = _ranked({key: value for key, value in cosines.items() if value > 0.0})
        covered = _ranked({key: found.share for key, found in coverages.items()})
        fused: dict[str, float] = {}
        for ranking in (dense, lexical, covered):
            for entry_id, rank in ranking.items():
                fused[entry_id] = fused.get(entry_id, 0.0) + 1.0 / (RRF_CONSTANT + rank)
        found = [
            Candidate(key, score, cosines[key], coverages[key]) for key, score in fused.items()
        ]
        found.sort(key=lambda one: (-one.fused, -one.coverage.share, -one.cosine, one.entry_id))
        return found[:limit]

    def _allowed_numbers(self, allowed: Collection[str] | None) -> NDArray[np.int64]:
        if allowed is None:
            return np.fromiter(self._numbers, dtype=np.int64, count=len(self._numbers))
        kept = sorted(self._rows[key].number for key in set(allowed) if key in self._rows)
        return np.array(kept, dtype=np.int64)

    def _dense(
        self, query: str, numbers: NDArray[np.int64], depth: int, *, everything: bool
    ) -> dict[str, float]:
        vector = self._embedder.embed([query])
        if not vector.any():
            return {}
        only = faiss.SearchParameters()
        if not everything:
            only.sel = faiss.IDSelectorBatch(numbers)
        _, found = self._faiss.search(vector, depth, params=only)
        hits = [self._numbers[number] for number in found[0].tolist() if number >= 0]
        return {key: value for key, value in self._score(vector, hits).items() if value > 0.0}

    def _cosines(self, query: str, entry_ids: Sequence[str]) -> dict[str, float]:
        return self._score(self._embedder.embed([query]), entry_ids) if entry_ids else {}

    def _score(self, vector: Vectors, entry_ids: Sequence[str]) -> dict[str, float]:
        """Cosines in double precision, each row by itself: BLAS sums by position."""
        if not entry_ids:
            return {}
        rows = [self._faiss.reconstruct(self._rows[key].number) for key in entry_ids]
        products = np.stack(rows).astype(np.float64) * vector[0].astype(np.float64)
        scores = products.sum(axis=1)
        return {key: float(score) for key, score in zip(entry_ids, scores, strict=True)}

    def _bm25(
        self, asked: Sequence[Term], numbers: NDArray[np.int64], depth: int
    ) -> dict[str, int]:
        known = sorted({term.text for term in asked if self._documents.get(term.text)})
        if not known:
            return {}
        if self._lexical is None:
            self._lexical = _Lexical(self._rows)
        ids = None if numbers.size == len(self._rows) else [self._numbers[n] for n in numbers]
        return self._lexical.best(known, depth, ids)

    def _coverage(self, asked: Sequence[Term], entry_id: str) -> Coverage:
        return coverage(asked, self._rows[entry_id].profile, self._rarity)

    def _rarity(self, term: str) -> float:
        """Lucene's idf: always positive, greatest for a term that no entry holds."""
        holding = self._documents.get(term, 0)
        return math.log1p((len(self._rows) - holding + 0.5) / (holding + 0.5))


class _Lexical:
    """BM25 over the rows in order of their ids; rebuilt when the index changed.

    ``bm25s`` scores eagerly at indexing time and cannot be updated in place.
    """

    def __init__(self, rows: dict[str, _Row]) -> None:
        self._ids = sorted(rows)
        self._at = {entry_id: at for at, entry_id in enumerate(self._ids)}
        self._bm25 = bm25s.BM25(method="lucene", k1=BM25_K1, b=BM25_B)
        self._bm25.index(
            [list(rows[key].profile.counted) for key in self._ids], show_progress=False
        )

    def best(
        self, wanted: Sequence[str], depth: int, allowed: Sequence[str] | None
    ) -> dict[str, int]:
        """Ranks of the ids with a positive score, best first, at most ``depth``."""
        scores = np.asarray(self._bm25.get_scores(list(wanted)), dtype=np.float64)
        if allowed is not None:
            mask = np.zeros(len(scores), dtype=bool)
            mask[[self._at[entry_id] for entry_id in allowed]] = True
            scores = np.where(mask, scores, 0.0)
        # Stable, and rows are in order of their ids: ties go to the smaller one.
        order = np.argsort(-scores, kind="stable")[:depth].tolist()
        return _ranked({self._ids[at]: float(scores[at]) for at in order if scores[at] > 0.0})


def _ranked(scores: dict[str, float]) -> dict[str, int]:
    """Rank of each id, 1 is best; equal scores share a rank."""
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    ranks: dict[str, int] = {}
    for at, entry_id in enumerate(ordered, start=1):
        tied = at > 1 and scores[entry_id] == scores[ordered[at - 2]]
        ranks[entry_id] = ranks[ordered[at - 2]] if tied else at
    return ranks
