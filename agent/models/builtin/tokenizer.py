"""The builtin model's tokenizer: byte-level BPE, digits in pairs, structure markers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from agent.models.builtin.dialect import END, PAD, SPECIAL_TOKENS

VOCABULARY: Final = 1280
CONTEXT_TOKENS: Final = 2048


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of ``VOCABULARY`` tokens trained on ``texts``.

    Digit runs are cut into pairs from the left, so that one number is always the same
    tokens; with single digits the chance matches of a copying head become too many.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d{1,2}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs = [f"{number:02d}" for number in range(100)] * 2000
    markers = re.compile("|".join(re.escape(marker) for marker in SPECIAL_TOKENS))
    pieces = [piece for text in texts for piece in markers.split(text)]
    tokenizer.train_from_iterator([*pieces, *pairs], trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
