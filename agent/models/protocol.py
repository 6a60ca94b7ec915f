"""What the program may ask of a language model, and how it is put into words.

A *model* turns text into text and scores text; a *dialect* owns every prompt and
every parser for one family of models. The program (LLM Programs, arXiv 2305.05364)
only ever sees typed drafts and patches: model output never reaches the ledger unparsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

UNKNOWN = "unknown"
"""The one answer that means: neither the notes nor the weights hold it."""


@dataclass(frozen=True)
class Turn:
    """One utterance of a transcript, or one paragraph of a document."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Draft:
    """A thing the model proposes to remember; nothing is believed about it yet.

    ``statement`` is stored in the external channel, ``question``/``answer`` in the
    parametric one. ``quote`` must occur verbatim in a turn: the program resolves it
    to a character span, and a draft whose quote cannot be found is dropped.
    """

    subject: str
    attribute: str
    answer: str
    question: str
    statement: str
    quote: str


@dataclass(frozen=True)
class Patch:
    """One line-level edit. ``old is None`` inserts after ``anchor``; ``new is None`` deletes."""

    old: str | None
    new: str | None
    anchor: str | None = None


@dataclass(frozen=True)
class TokenScores:
    """Natural-log probabilities of each continuation token, teacher-forced.

    ``top`` tells for every position whether the token is the argmax.
    """

    log_p: tuple[float, ...]
    top: tuple[bool, ...]


@dataclass(frozen=True)
class Limits:
    """How much one call may carry: new tokens per task, and lines of one patch prompt.

    ``extraction_floor`` is the least probability (0 to 1) of any token in a line of an
    extraction that is taken seriously; 0 takes everything. ``known_cards`` is how many of
    the cards already written an extraction prompt shows.
    """

    answer_tokens: int
    extraction_tokens: int
    patch_tokens: int
    rewrite_tokens: int
    patch_lines: int
    extraction_floor: float = 0.0
    known_cards: int = 0


class Dialect(Protocol):
    """Prompts and parsers of one model family. Pure: no model, no clock, no I/O."""

    @property
    def limits(self) -> Limits:
        """Bounds of one call in this dialect."""
        ...

    def extraction_windows(self, turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], ...]:
        """Cut a stretch of turns into the windows that are asked one by one."""
        ...

    def answer_prompt(self, question: str, notes: Sequence[str]) -> str:
        """Prompt for a short answer; with no notes the model answers from its weights."""
        ...

    def parse_answer(self, text: str) -> str:
        """The answer in ``text``, stripped; ``UNKNOWN`` when the model declines."""
        ...

    def answer_target(self, answer: str) -> str:
        """Exactly the continuation a correct model would generate (training, scoring)."""
        ...

    def extraction_prompt(
        self, turns: Sequence[Turn], subject: str, known: Sequence[str] = ()
    ) -> str:
        """Prompt for what is worth remembering in ``turns``.

        ``subject`` names what the transcript is about when a turn does not (a claim
        number, a booking id); ``known`` are the cards already written, ``question answer``.
        """
        ...

    def ask_again(self, prompt: str, text: str) -> str | None:
        """The prompt to try extraction with once more; ``None`` when ``text`` is an answer.

        An empty answer is one. A dialect whose model cannot take a correction gives ``None``.
        """
        ...

    def parse_extraction(self, text: str, turns: Sequence[Turn], subject: str) -> tuple[Draft, ...]:
        """Strictly parsed drafts; lines that do not parse are dropped, never repaired."""
        ...

    def rewordings(self, subject: str, attribute: str, *, held_out: bool) -> tuple[str, ...]:
        """Other wordings of the card's question: for training, or (held out) for probing."""
        ...

    def patch_prompt(self, lines: Sequence[str], instruction: str) -> str:
        """Prompt for the edits that carry out ``instruction`` on ``lines``."""
        ...

    def parse_patch(self, text: str, lines: Sequence[str]) -> tuple[Patch, ...]:
        """Edits of ``lines`` found in ``text``; empty when the model proposes none.

        ``lines`` are those of the prompt: a dialect may let the model name a line by a
        piece of it, and resolves that to whole lines here.
        """
        ...

    def rewrite_prompt(self, document: str, instruction: str) -> str:
        """Prompt for the whole edited document (the deliberately lossy relay)."""
        ...

    def parse_rewrite(self, text: str) -> str:
        """The document in ``text``."""
        ...


class LanguageModel(Protocol):
    """A model of any origin. Greedy decoding: the same prompt gives the same text."""

    @property
    def model_id(self) -> str:
        """``builtin``, ``local:NAME`` or ``endpoint:HOST/MODEL``; safe to record."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of weights and tokenizer; for endpoints of the endpoint id."""
        ...

    @property
    def dialect(self) -> Dialect:
        """How this model is spoken to."""
        ...

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, in tokens."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` in this model's vocabulary."""
        ...

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Greedy continuations, one a prompt, up to the end token.

        Raises:
            ModelError: the model cannot be reached or refuses the request.
        """
        ...
