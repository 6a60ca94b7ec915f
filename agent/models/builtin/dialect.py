"""Prompts and parsers of the builtin model; pure text, no torch.

The builtin decoder is tiny, so the program does whatever code can do (LLM Programs,
arXiv 2305.05364): the model only points at a value and names its attribute, and
code renders questions and statements; for an edit the model only says which line is
meant and what changes in it, and code applies that.

Extraction is asked one sentence at a time: the *last* turn of a window is the sentence
that is read, those before it are context (a question that it answers, a value that it
corrects, a person that it speaks of).
``extraction_windows`` cuts a transcript accordingly; where a later value of the same
subject and attribute turns up, the program lets it replace the earlier one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from agent.models.builtin.patching import locate_patches
from agent.models.protocol import UNKNOWN, Draft, Limits, Patch, Turn

END: Final = "<|end|>"
OUT: Final = "<|out|>"
CARDS: Final = "<|cards|>"
TURN: Final = "<|turn|>"
EDIT: Final = "<|edit|>"
REWRITE: Final = "<|rewrite|>"
NOTES: Final = "<|notes|>"
QUESTION: Final = "<|q|>"
PAD: Final = "<|pad|>"
SPECIAL_TOKENS: Final = (PAD, END, OUT, CARDS, TURN, EDIT, REWRITE, NOTES, QUESTION)
"""Structure markers: single tokens, never found in prompted text (see ``clean``)."""

EXTRACTION_TURNS: Final = 3
"""Turns of one extraction window: two of context, then the sentence that is read."""
CONTEXT_SENTENCES: Final = 2
"""Sentences kept of each context turn, from its end."""
MAX_NOTES: Final = 16
"""Notes that one answer prompt chooses from."""
SHOWN_NOTES: Final = 6
"""Notes that the model is shown of them: those nearest to the question."""
MAX_PATCH_LINES: Final = 400
"""Lines of one patch prompt; longer documents are edited in windows by the program."""
SHOWN_LINES: Final = 5
"""Lines of a document that the model is shown for a patch: those nearest to the instruction."""
MAX_REWRITE_LINES: Final = 16
"""Lines the whole-document rewriting was trained on; more is beyond the model."""
EXTRACTION_FLOOR: Final = 0.5
"""Below one half something else was more probable. On SGD training dialogues this drops
nearly all wrong values for a tenth of the right ones (``agent/extraction.py``)."""
MAX_ANSWER_TOKENS: Final = 32
MAX_EXTRACTION_TOKENS: Final = 128
MAX_PATCH_TOKENS: Final = 128
MAX_REWRITE_TOKENS: Final = 640

NOTHING: Final = "none"
"""What the model writes where a turn holds no fact, or no edit is possible."""

_TRAINING_WORDINGS: Final = (
    "Tell me the {attribute} of {subject}.",
    "{subject}: what is the {attribute}?",
    "Which {attribute} does {subject} have?",
)
_HELD_OUT_WORDINGS: Final = (
    "Do you know the {attribute} of {subject}?",
    "For {subject}, what is the {attribute}?",
    "What {attribute} is recorded for {subject}?",
)
_ABBREVIATIONS: Final = "".join(
    rf"(?<!\b{title}\.)" for title in ("Dr", "Mr", "Ms", "Mrs", "St", "No", "Co", "Ltd", "[A-Z]")
)
_SENTENCE_END = re.compile(rf"(?<=[.!?]){_ABBREVIATIONS}\s+|\s*\n\s*")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]+")
_COMMON: Final = frozenset(
    {"a", "an", "and", "at", "by", "do", "does", "for", "from", "has", "have", "how", "i", "in"}
    | {"is", "it", "me", "of", "on", "s", "the", "to", "was", "what", "when", "where", "which"}
    | {"who", "with", "know", "tell", "we", "you", "can", "change", "set", "row", "line", "insert"}
)
"""Words that say nothing about which note or line is meant."""
_FIELDS: Final = (2, 3)
"""Fields of an extraction line: value, attribute and, if not the prompt's own, subject."""


def clean(text: str) -> str:
    """``text`` on one line, with nothing that a tokenizer reads as a structure marker."""
    return _SPACE.sub(" ", text.replace("<|", "< |")).strip()


def question_for(subject: str, attribute: str) -> str:
    """The canonical question of a card."""
    return f"What is the {attribute} of {subject}?"


def statement_for(subject: str, attribute: str, answer: str) -> str:
    """The canonical sentence of a card, as the external channel stores it."""
    return f"The {attribute} of {subject} is {answer}."


def sentences(text: str) -> list[str]:
    """Verbatim sentences of ``text``, without the white space between them."""
    return [piece for piece in _SENTENCE_END.split(text.strip()) if piece]


def sentence_windows(turns: Sequence[Turn]) -> list[tuple[int, tuple[Turn, ...]]]:
    """One window a sentence: (index of its turn, context turns and the sentence)."""
    pieces = [sentences(turn.text) for turn in turns]
    windows: list[tuple[int, tuple[Turn, ...]]] = []
    for index, turn in enumerate(turns):
        for number, sentence in enumerate(pieces[index]):
            before = [
                (turns[i].speaker, pieces[i]) for i in range(max(0, index - 2), index) if pieces[i]
            ]
            if number:
                before.append((turn.speaker, pieces[index][:number]))
            context = [
                Turn(speaker, " ".join(said[-CONTEXT_SENTENCES:])) for speaker, said in before[-2:]
            ]
            windows.append((index, (*context, Turn(turn.speaker, sentence))))
    return windows


class BuiltinDialect:
    """How the builtin model is spoken to. Implements ``protocol.Dialect``."""

    @property
    def limits(self) -> Limits:
        """What the model was trained on, with some room in the outputs."""
        return Limits(
            answer_tokens=MAX_ANSWER_TOKENS,
            extraction_tokens=MAX_EXTRACTION_TOKENS,
            patch_tokens=MAX_PATCH_TOKENS,
            rewrite_tokens=MAX_REWRITE_TOKENS,
            patch_lines=MAX_PATCH_LINES,
            extraction_floor=EXTRACTION_FLOOR,
        )

    def extraction_windows(self, turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], ...]:
        """One window a sentence: it stands last, up to two turns of context before it."""
        return tuple(window for _, window in sentence_windows(turns))

    def answer_prompt(self, question: str, notes: Sequence[str]) -> str:
        """Prompt for a short answer; without notes the weights must know.

        Of the first ``MAX_NOTES`` notes the ``SHOWN_NOTES`` nearest to the question's words
        are shown, the nearest last, next to the question.
        """
        shown = _nearest_last(question, notes[:MAX_NOTES])[-SHOWN_NOTES:]
        context = _marked(NOTES, "- ", [clean(note) for note in shown])
        return f"{context}{QUESTION} {clean(question)}{OUT}"

    def parse_answer(self, text: str) -> str:
        """The answer, one line; ``UNKNOWN`` when empty or declined."""
        answer = _until_end(text).partition("\n")[0].strip()
        if not answer or answer.casefold().rstrip(".") == UNKNOWN:
            return UNKNOWN
        return answer

    def answer_target(self, answer: str) -> str:
        """The continuation to train and score: a blank, the answer, the end token."""
        return f" {clean(answer)}{END}"

    def extraction_prompt(
        self,
        turns: Sequence[Turn],
        subject: str,
        known: Sequence[str] = (),  # noqa: ARG002 - the protocol's; see below
    ) -> str:
        """Prompt for the facts of the last of ``turns``.

        ``known`` is not shown to the model: it could not use it.
        """
        window = turns[-EXTRACTION_TURNS:]
        lines = [f"{clean(turn.speaker)}: {clean(turn.text)}" for turn in window]
        if not lines:
            return f"{CARDS} {clean(subject)}\n{TURN}{OUT}"
        context = "".join(f"{line}\n" for line in lines[:-1])
        return f"{CARDS} {clean(subject)}\n{context}{TURN} {lines[-1]}{OUT}"

    def ask_again(self, prompt: str, text: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Never: it was not trained to correct itself, and the same prompt gives the same."""
        return None

    def extraction_target(self, facts: Sequence[tuple[str, str, str | None]]) -> str:
        """What a correct model writes for ``(value, attribute, subject or None)``.

        ``None`` stands for the prompt's own subject.
        """
        if not facts:
            return f" {NOTHING}{END}"
        lines = [
            f" {clean(value)} | {attribute}" + (f" | {clean(subject)}" if subject else "")
            for value, attribute, subject in facts
        ]
        return "\n".join(lines) + END

    def parse_extraction(self, text: str, turns: Sequence[Turn], subject: str) -> tuple[Draft, ...]:
        """Drafts whose value stands verbatim in the last turn; all other lines drop.

        One value says one thing: of several lines for it only the first counts.
        """
        if not turns:
            return ()
        drafts: dict[tuple[str, str], Draft] = {}
        for line in _until_end(text).split("\n"):
            draft = _draft(line, turns, subject)
            if draft is not None:
                drafts.setdefault((draft.subject, draft.answer), draft)
        return tuple(drafts.values())

    def rewordings(self, subject: str, attribute: str, *, held_out: bool) -> tuple[str, ...]:
        """Three further wordings of the question; the held-out ones are disjoint."""
        templates = _HELD_OUT_WORDINGS if held_out else _TRAINING_WORDINGS
        return tuple(t.format(subject=subject, attribute=attribute) for t in templates)

    def patch_prompt(self, lines: Sequence[str], instruction: str) -> str:
        """Prompt for the edit of up to ``MAX_PATCH_LINES`` lines.

        The model is shown ``SHOWN_LINES`` of them, the one nearest to the instruction's
        words last. What it answers is resolved against all lines by ``parse_patch``.
        """
        shown = _nearest_last(instruction, [line for line in lines if line.strip()])
        body = _marked(EDIT, "", [_line(line) for line in shown[-SHOWN_LINES:]])
        return f"{body}{QUESTION} {clean(instruction)}{OUT}"

    def parse_patch(self, text: str, lines: Sequence[str]) -> tuple[Patch, ...]:
        """Whole-line patches for the located edits in ``text``.

        The model locates a line by a piece of it (``key: old => new``), so the lines it
        was shown are needed to name the whole line; an edit whose key fits no line, or
        more than one, is dropped.
        """
        return locate_patches(_until_end(text), lines)

    def rewrite_prompt(self, document: str, instruction: str) -> str:
        """Prompt for the whole edited document (the lossy relay)."""
        body = "".join(f"{_line(line)}\n" for line in document.split("\n"))
        return f"{REWRITE}\n{body}{QUESTION} {clean(instruction)}{OUT}"

    def rewrite_target(self, document: str) -> str:
        """What a correct model writes for the edited ``document``."""
        body = "\n".join(_line(line) for line in document.split("\n"))
        return f"\n{body}{END}"

    def parse_rewrite(self, text: str) -> str:
        """The document in ``text``, without the line break that opens it."""
        return _until_end(text).removeprefix("\n")


def _marked(head: str, bullet: str, lines: Sequence[str]) -> str:
    """``lines`` under ``head``, the last one, nearest to what is asked, behind ``TURN``."""
    if not lines:
        return f"{head}\n" if head == EDIT else ""
    others = "".join(f"{bullet}{line}\n" for line in lines[:-1])
    return f"{head}\n{others}{TURN} {lines[-1]}\n"


def _nearest_last(question: str, notes: Sequence[str]) -> list[str]:
    """``notes`` by the words shared with ``question``, rare ones counting more."""
    asked = set(_WORD.findall(question.casefold())) - _COMMON
    words = [set(_WORD.findall(note.casefold())) for note in notes]
    rarity = {w: math.log((len(notes) + 1) / (1 + sum(w in each for each in words))) for w in asked}
    shared = [sum(rarity[word] for word in asked & each) for each in words]
    order = sorted(range(len(notes)), key=lambda i: (round(shared[i], 9), -i))
    return [notes[i] for i in order]


def _until_end(text: str) -> str:
    return text.partition(END)[0]


def _line(line: str) -> str:
    return line.replace("<|", "< |").rstrip("\r\n")


def _draft(line: str, turns: Sequence[Turn], subject: str) -> Draft | None:
    parts = [part.strip() for part in line.split("|")]
    if len(parts) not in _FIELDS or not all(parts):
        return None
    value, attribute = parts[0], parts[1]
    named = parts[2] if len(parts) > _FIELDS[0] else subject.strip()
    sentence = _sentence_with(value, turns[-1].text)
    if sentence is None or not named or not _is_known_subject(named, turns, subject):
        return None
    if value.casefold() in (attribute.casefold(), named.casefold()):
        return None
    return Draft(
        subject=named,
        attribute=attribute,
        answer=value,
        question=question_for(named, attribute),
        statement=statement_for(named, attribute, value),
        quote=sentence,
    )


def _is_known_subject(named: str, turns: Sequence[Turn], subject: str) -> bool:
    if named == subject.strip():
        return True
    return any(named in clean(f"{turn.speaker}: {turn.text}") for turn in turns)


def _find(value: str, text: str) -> re.Match[str] | None:
    """``value`` in ``text``, not as a part of a word, number (18,650), id or time (14:30)."""
    words = r"\s+".join(re.escape(word) for word in value.split())
    return re.search(rf"(?<!\w)(?<!\w[.,:/-]){words}(?![.,:/-]?\w)", text)


def stands_in(value: str, text: str) -> bool:
    """Whether ``value`` occurs in ``text`` on its own."""
    return _find(value, text) is not None


def _sentence_with(value: str, text: str) -> str | None:
    """The verbatim sentence of ``text`` that holds ``value``."""
    found = _find(value, text)
    if found is None:
        return None
    begin, end = 0, len(text)
    for gap in _SENTENCE_END.finditer(text):
        if gap.end() <= found.start():
            begin = gap.end()
        elif gap.start() >= found.end():
            end = gap.start()
            break
    return text[begin:end].strip()
