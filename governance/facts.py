"""Conserved facts: what a text states that may neither vanish nor be invented; pure.

Numbers, dates, times, money, quantities, identifiers and names are the part of a text
that a model must copy and cannot paraphrase. Two readers share this module: the grounding
verifier (an entry may state no fact that its cited span lacks) and the drift monitor (a
document must keep the facts of its seed at every step). Names are found without a
model, by capitals: a capitalised word that is not an ordinary way to open a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from governance.literals import Mention, find_mentions

FactKind: TypeAlias = Literal[
    "number", "date", "time", "money", "quantity", "identifier", "weekday", "name"
]


@dataclass(frozen=True, order=True)
class Fact:
    """One normalised fact: ``Fact("money", "EUR 1200")``."""

    kind: FactKind
    value: str

    def __str__(self) -> str:
        """``money EUR 1200``."""
        return f"{self.kind} {self.value}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate(
        _words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen "
            "fourteen fifteen sixteen seventeen eighteen nineteen"
        )
    )
}
_TENS: Final = {
    word: 10 * number
    for number, word in enumerate(
        _words("twenty thirty forty fifty sixty seventy eighty ninety"), start=2
    )
}
_NUMBER_WORD = re.compile(
    r"(?<![\w-])(?:(?P<tens>" + "|".join(_TENS) + r")(?:[- ](?P<unit>"
    r"one|two|three|four|five|six|seven|eight|nine))?|(?P<word>" + "|".join(_NUMBER_WORDS) + r"))"
    r"(?![\w-])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_OPENING = re.compile(r"(?:^|[.!?:;\n>*#|-])[\s\"'“‘(\[>*#|-]*$")
_PLURAL_MIN: Final = 4

_OPENERS: Final = frozenset(
    _words(
        """
        a about according account address after again agent all also although always amount an
        and another any anyone are as ask at attach authorised because before being below best
        between both but by call can cancel case change check claim claims close confirm contact
        could customer customers data date dear deadline deductible delete did do document
        documents does done during each either email employee enter every excess expected few
        file files fine first follow for from give go good great had has have he hello her here
        hers hi him his how however i if immediately in inform insurance insured invoice is it
        its just keep kind last later less let look made make manager many may maybe member
        message might more most move mr mrs ms much must my name next no nobody none not note
        nothing now number of office often ok okay old on once one only open or order other our
        out over page pay payment payments people per perhaps person phone place please policy
        premium price procedure process question read receipt record records refund regarding
        reject remove repair reply report request reservation right same say see send set she
        should show since sir so some someone something soon sorry staff start status step still
        such sure take team thank thanks that the their them then there these they this those
        though through time to today together tomorrow tonight total transfer two under unless
        until update upon urgent use value very wait was we welcome well were what when where
        whether which while who whom whose why will with within without would write yes
        yesterday yet you your yours
        """
    )
)
"""Ordinary words that open sentences; any other capitalised opener is taken for a name."""
_NEVER_NAMES: Final = frozenset(
    _words(
        "i i'm i'll i've i'd ok am pm iban bic pin vat id ids pdf csv json faq url sms gps ref no "
        "true false"
    )
)
"""Capitals without a name in them: the pronoun, and labels of fields and formats."""


def conserved_facts(text: str) -> Counter[Fact]:
    """How often each fact is stated in ``text``.

    Number words from two upwards count as numbers ("two people"); "one" is left out,
    because it is mostly a pronoun.
    """
    plain = _with_digits(_nfkc(text), pronouns=False)
    mentions = find_mentions(plain)
    facts = Counter(_fact(mention) for mention in mentions)
    facts.update(Fact("name", name) for name in _names(plain, mentions))
    return facts


def missing_facts(claim: str, evidence: str) -> tuple[Fact, ...]:
    """Facts that ``claim`` states and ``evidence`` does not, in order of appearance.

    An empty answer does not prove the claim; a non-empty one shows that something in it
    was not in the evidence. Ambiguous evidence supports each of its exact readings
    (``2:30`` supports 14:30, ``04/03/2026`` both dates), a full date supports itself
    without the year, an amount of money supports its bare number, and names are compared
    word by word without case, so evidence in lower case still counts.
    """
    plain = _with_digits(_nfkc(claim), pronouns=False)
    mentions = find_mentions(plain)
    support = _Support(_nfkc(evidence))
    stated = [(mention.start, _fact(mention), _alternatives(mention)) for mention in mentions]
    missing = [
        (start, fact) for start, fact, options in stated if not support.covers(fact, options)
    ]
    missing += [
        (start, Fact("name", word.casefold()))
        for start, word in _name_words(plain, mentions)
        if not support.has_word(word)
    ]
    return tuple(dict.fromkeys(fact for _, fact in sorted(missing)))


class _Support:
    """Everything an evidence text can be cited for."""

    def __init__(self, evidence: str) -> None:
        # Both readings of number words: "one" as the number and as the pronoun.
        self._facts: set[Fact] = set()
        for text in dict.fromkeys((evidence, _with_digits(evidence, pronouns=True))):
            for mention in find_mentions(text):
                self._facts.add(_fact(mention))
                self._facts.update(_alternatives(mention))
                self._facts.update(_weaker(mention))
        self._words = {form for match in _WORD.finditer(evidence) for form in _forms(match[0])}

    def covers(self, fact: Fact, alternatives: tuple[Fact, ...]) -> bool:
        if fact in self._facts or any(option in self._facts for option in alternatives):
            return True
        if fact.kind == "money":
            # "250" here and "all amounts in EUR" there is support; a currency out of
            # nowhere is not.
            currency, _, amount = fact.value.partition(" ")
            return Fact("number", amount) in self._facts and currency.casefold() in self._words
        return False

    def has_word(self, word: str) -> bool:
        folded = word.casefold()
        if folded in self._words or folded.removesuffix("s") in self._words:
            return True
        parts = re.split(r"[-'’]", folded)
        return len(parts) > 1 and all(part in self._words for part in parts)


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _fact(mention: Mention) -> Fact:
    value = mention.value
    if mention.kind == "identifier":
        value = value.casefold()
    elif mention.kind == "time":
        value = re.sub(r"(?:Z|[+-]\d\d:?\d\d)$", "", value)
    return Fact(mention.kind, value)


def _alternatives(mention: Mention) -> tuple[Fact, ...]:
    """Exact facts that an ambiguous mention may stand for."""
    return tuple(Fact(mention.kind, reading) for reading in mention.readings)


def _weaker(mention: Mention) -> Iterator[Fact]:
    """Facts with less in them that follow from the mention."""
    if mention.amount:
        yield Fact("number", mention.amount)
    if mention.kind == "date":
        for value in (mention.value, *mention.readings):
            if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                yield Fact("date", f"--{value[5:]}")
                yield Fact("date", value[:7])
    if mention.kind == "identifier" and re.fullmatch(r"[1-9]\d*", mention.value):
        yield Fact("number", mention.value)


def _with_digits(text: str, *, pronouns: bool) -> str:
    """``text`` with number words as digits; "one" only when ``pronouns`` is set."""

    def digits(match: re.Match[str]) -> str:
        if match["tens"]:
            unit = _NUMBER_WORDS[match["unit"].casefold()] if match["unit"] else 0
            return str(_TENS[match["tens"].casefold()] + unit)
        word = match["word"].casefold()
        return match[0] if word == "one" and not pronouns else str(_NUMBER_WORDS[word])

    return _NUMBER_WORD.sub(digits, text)


def _names(text: str, mentions: tuple[Mention, ...]) -> Iterator[str]:
    for _, word in _name_words(text, mentions):
        yield word.casefold()


def _name_words(text: str, mentions: tuple[Mention, ...]) -> Iterator[tuple[int, str]]:
    """Capitalised words outside the mentions, without possessive endings."""
    spans = iter(mentions)
    span = next(spans, None)
    for match in _WORD.finditer(text):
        while span is not None and span.end <= match.start():
            span = next(spans, None)
        if span is not None and match.end() > span.start:
            continue
        word = re.sub(r"['’]s?$", "", match[0])
        if not word[:1].isupper() or word.casefold() in _NEVER_NAMES:
            continue
        if _opens_sentence(text, match.start()) and word.casefold() in _OPENERS:
            continue
        yield match.start(), word


def _opens_sentence(text: str, start: int) -> bool:
    return _SENTENCE_OPENING.search(text[max(0, start - 12) : start]) is not None


def _forms(word: str) -> set[str]:
    """Case-folded word, its stem without possessive or plural s, and its hyphen parts."""
    folded = re.sub(r"['’]s?$", "", word.casefold())
    forms = {folded, *re.split(r"[-'’]", folded)}
    forms |= {form[:-1] for form in forms if form.endswith("s") and len(form) >= _PLURAL_MIN}
    return forms - {""}
