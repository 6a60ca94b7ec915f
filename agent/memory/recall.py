"""What is put before a model for one question.

Order of the steps, and it matters:

1. scope and status: only ``active`` external entries that the reader may see are in the
   index that is searched, under a freeze only those that a person decided on, and it is
   brought in line with the state before every search;
2. kind and validity filters;
3. candidates by fused dense and BM25 ranks;
4. the relevance floor: what does not speak about the question is left out, so that
   nothing is recalled rather than something else, and the model can say "unknown";
5. K and the token budget, both upper bounds on what reaches the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from agent.memory.embed import Embedder, HashedEmbedder
from agent.memory.index import Candidate, ExternalIndex
from agent.memory.notes import bullets, note_text
from governance.events import EntryKind, Scope
from governance.state import EntryState, State

DEFAULT_K: Final = 4
"""Memento's best K (arXiv 2508.16153, ablation over 0 to 32)."""
RELATIVE_COVERAGE: Final = 0.5
"""A note must cover at least this part of what the best covering note does."""
SPARE: Final = 4
"""Candidates looked at for each note wanted: some are too long or below the floor."""


@dataclass(frozen=True)
class RecalledNote:
    """One entry as it goes into the prompt."""

    entry_id: str
    version: int
    text: str
    score: float
    cosine: float
    coverage: float


@dataclass(frozen=True)
class Recall:
    """The notes for one question, best first, and how many tokens they take rendered."""

    query: str
    notes: tuple[RecalledNote, ...]
    tokens: int
    below_floor: int = 0
    over_budget: int = 0

    @property
    def entry_ids(self) -> list[str]:
        """For the ``memory.recalled`` event."""
        return [note.entry_id for note in self.notes]

    @property
    def texts(self) -> list[str]:
        """The notes, to be rendered by ``bullets``, ``fence`` or a dialect."""
        return [note.text for note in self.notes]


class ExternalMemory:
    """Recall over a ledger's state. Indexes are kept per reader scope and may be dropped."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder: Embedder = embedder or HashedEmbedder()
        self._indexes: dict[Scope, ExternalIndex] = {}

    def index(self, state: State, scope: Scope) -> ExternalIndex:
        """The index of ``scope``, brought in line with ``state``."""
        index = self._indexes.get(scope)
        if index is None:
            index = self._indexes[scope] = ExternalIndex(scope, self.embedder)
        index.sync(state)
        return index

    def index_digest(self, state: State, scope: Scope) -> str:
        """Digest (hex) of the index of ``scope`` at ``state``."""
        return self.index(state, scope).digest()

    def drop(self) -> None:
        """Forget all indexes; the next recall rebuilds what it needs from the state."""
        self._indexes.clear()

    def recall(
        self,
        state: State,
        scope: Scope,
        query: str,
        *,
        k: int = DEFAULT_K,
        token_budget: int,
        count_tokens: Callable[[str], int],
        kinds: Collection[EntryKind] | None = None,
        as_of_us: int | None = None,
        render: Callable[[Sequence[str]], str] = bullets,
    ) -> Recall:
        """The notes for ``query``.

        Args:
            state: Live, or of an earlier version: recall is as it was then.
            scope: The reader's, from the authenticated principal.
            query: The question, or the step that is about to be done.
            k: Most notes.
            token_budget: Most tokens of ``render(notes)``.
            count_tokens: In the vocabulary of the model that will read them.
            kinds: Kinds of entries to choose from; ``None`` is all but cards.
            as_of_us: Leave out entries not valid at this time (microseconds, UTC).
            render: How the notes will stand in the prompt.
        """
        index = self.index(state, scope)
        allowed = _allowed(state, index, kinds, as_of_us)
        ranked = index.search(query, limit=SPARE * max(k, 0), allowed=allowed)
        best = max((candidate.coverage.share for candidate in ranked), default=0.0)
        notes: list[RecalledNote] = []
        below, over = 0, 0
        for candidate in ranked:
            entry = state.entries[candidate.entry_id]
            if not _relevant(candidate, best):
                below += 1
            elif len(notes) < k:
                longer = [*notes, _note(entry, candidate)]
                if count_tokens(render([note.text for note in longer])) <= token_budget:
                    notes = longer
                else:
                    over += 1
        tokens = count_tokens(render([note.text for note in notes])) if notes else 0
        return Recall(query, tuple(notes), tokens, below, over)


def _allowed(
    state: State, index: ExternalIndex, kinds: Collection[EntryKind] | None, as_of_us: int | None
) -> list[str] | None:
    if kinds is None and as_of_us is None:
        return None
    return [
        entry.entry_id
        for entry in state.active(index.scope, "external")
        if (kinds is None or entry.body.kind in kinds) and _valid(entry, as_of_us)
    ]


def _valid(entry: EntryState, as_of_us: int | None) -> bool:
    if as_of_us is None:
        return True
    after_start = entry.valid_from_us is None or entry.valid_from_us <= as_of_us
    before_end = entry.valid_to_us is None or as_of_us < entry.valid_to_us
    return after_start and before_end


def _relevant(candidate: Candidate, best: float) -> bool:
    found = candidate.coverage
    return found.relevant() and found.share >= RELATIVE_COVERAGE * best


def _note(entry: EntryState, candidate: Candidate) -> RecalledNote:
    return RecalledNote(
        entry_id=entry.entry_id,
        version=entry.version,
        text=note_text(entry.body),
        score=candidate.fused,
        cosine=candidate.cosine,
        coverage=candidate.coverage.share,
    )
