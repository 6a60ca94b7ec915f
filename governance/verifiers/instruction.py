"""Does the entry, or the passage it cites, talk to the model instead of about the world?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from governance.events import VerifierResult
from governance.textforms import changes_direction, hidden_characters, skeleton
from governance.verifiers.protocol import VerificationContext, failed, passed

_RULE_WORDS: Final = (
    r"(?:instructions?|rules?|prompts?|guidelines?|polic(?:y|ies)|directions?|orders"
    r"|restrictions?|safeguards?|(?:previous|prior|above|earlier) (?:messages?|text))"
)
_MODEL_WORDS: Final = r"(?:assistants?|ai|agents?|(?:language )?models?|bots?|llms?|chatbots?)"
_STANDING_WORDS: Final = (
    r"(?:you|always|never|treat|answer|respond|reply|ignore|every|all|any|consider|approve"
    r"|do not|don'?t|please|act)"
)
_PEOPLE_WORDS: Final = (
    r"(?:users?|customers?|anyone|anybody|reviewers?|auditors?|humans?|operators?|this|these)"
)
_NOT_TOLD: Final = "".join(rf"(?<!\b{who} )" for who in ("i", "we", "he", "she", "they"))
"""``I always pay`` is about the speaker; ``always pay`` is an order."""

_PATTERN_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "override": (
        r"\b(?:ignore|disregard|forget|override|bypass|drop|skip)\b(?:\W+\w+){0,4}?\W+"
        + _RULE_WORDS
        + r"\b",
    ),
    "standing order": (
        rf"\bfrom now on\b\W+(?:\w+\W+){{0,3}}?{_STANDING_WORDS}\b",
        (
            r"\b(?:in|for) (?:all|any|every) (?:future|later) (?:\w+ )?"
            r"(?:conversations?|answers?|requests?|claims?|cases?|messages?)\b"
        ),
    ),
    "prompt talk": (r"\b(?:system|developer|hidden) (?:prompt|message|instructions?)\b",),
    "new role": (
        r"\byou are (?:now|no longer)\b",
        r"\b(?:pretend|role-?play) (?:to be|that you|as)\b",
        r"\bact as (?:an?|the|if you)\b",
        r"\bnew instructions?\b",
    ),
    "addressed to the assistant": (
        (
            r"\b(?:note|message|instructions?|attention|memo|reminder|dear)\W+(?:to|for)?\W*"
            rf"(?:the |this |any |all |future )*{_MODEL_WORDS}\b"
        ),
        r"\bas an? (?:ai|assistant|language model)\b",
    ),
    "secrecy": (
        (
            r"\b(?:do not|don'?t|never) (?:tell|mention|reveal|inform|show|disclose|log|report)\b"
            rf"(?:\W+\w+){{0,3}}?\W+{_PEOPLE_WORDS}\b"
        ),
    ),
    "blanket rule": (
        _NOT_TOLD
        + r"\balways (?:approve|accept|answer|respond|reply|send|transfer|pay|grant|allow|trust)\b",
        _NOT_TOLD + r"\bnever (?:ask|check|verify|question|reject|refuse|escalate)\b",
        r"\b(?:is|are|be|as) (?:automatically |always )?pre-?approved\b",
    ),
    "remember this": (
        (
            r"\b(?:remember|memori[sz]e|store|save|note down) (?:this|that|the following)\b"
            r"(?:\W+\w+){0,6}?\W+(?:always|never|forever|permanently|rule|instruction)\b"
        ),
    ),
    "chat markup": (
        r"<\|?(?:im_start|im_end|system|assistant|user|endoftext)\|?>",
        r"\[/?inst\]|<</?sys>>",
        r"(?:^|\n)[^\S\n]{0,40}#{2,}\s{0,40}(?:system|instruction|assistant)",
        r"(?:^|\n)[^\S\n]{0,40}system\s{0,40}:",
    ),
    "hidden markup": (
        r"<!--|<script\b|<iframe\b|javascript:|data:text/html",
        r"!\[[^\]]{0,300}\]\(\s{0,40}https?:",
    ),
}
_PATTERNS: Final = {
    name: re.compile("|".join(f"(?:{text})" for text in texts))
    for name, texts in _PATTERN_TEXTS.items()
}


class InstructionLike:
    """Phrases of prompt injection, chat markup and hidden characters: a risk signal only.

    It finds careless attacks. Published scanners of this kind miss most careful ones
    (``reference/trust.md`` section 9), which is why provenance and review decide and this
    only sends to quarantine. Runs on the look-alike skeleton; the cited passage is searched
    as well, because a clean entry drawn from a poisoned line deserves a second look.
    """

    name: ClassVar[str] = "instruction"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails with the names of the patterns and where they were found."""
        body = dict.fromkeys(name for text in context.strings() for name in signals(text))
        cited = dict.fromkeys(name for name in signals(context.cited) if name not in body)
        found = [*body, *(f"{name} (in the cited text)" for name in cited)]
        if found:
            return failed(self, ", ".join(found), evidence_digest=context.evidence_digest)
        return passed(self, evidence_digest=context.evidence_digest)


def signals(text: str) -> Iterator[str]:
    """Names of all patterns in ``text``; may repeat."""
    shape = skeleton(text)
    for name, pattern in _PATTERNS.items():
        if pattern.search(shape):
            yield name
    if changes_direction(text):
        yield "direction change"
    if any(code.startswith("U+E00") for code in hidden_characters(text)):
        yield "tag characters"
    if any(char in text for char in "\u200b\u200c\u2060\u2063\ufeff\u00ad"):
        yield "zero-width characters"
