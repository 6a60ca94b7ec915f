"""Exact match and token F1 of short answers (SQuAD 1.1, arXiv 1606.05250, section 6.1)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Final

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """Lower case, no punctuation, no English articles, single blanks; as SQuAD does."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether ``prediction`` equals one of ``answers`` after normalisation."""
    return normalise_answer(prediction) in {normalise_answer(answer) for answer in answers}


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """Best F1 over ``answers`` of shared tokens, in [0, 1]; 0 without answers.

    Where either side has no tokens, 1 if both have none, else 0 (SQuAD 2.0's rule).
    """
    return max((_f1(prediction, answer) for answer in answers), default=0.0)


def _f1(prediction: str, answer: str) -> float:
    ours, theirs = normalise_answer(prediction).split(), normalise_answer(answer).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))
