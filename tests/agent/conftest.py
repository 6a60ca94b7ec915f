"""A tiny random decoder on disk: real files and real code paths, no trained weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.models.builtin.dialect import END, PAD, SPECIAL_TOKENS, BuiltinDialect
from agent.models.local import LocalModel


def write_tiny_model(folder: Path, *, seed: int = 7, chat: bool = False) -> Path:
    """A two-layer byte-level Llama with random weights, saved as users' models are."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    symbols = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(
        models.BPE(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD
    )
    if chat:
        fast.chat_template = (
            "{% for m in messages %}<|turn|>{{ m.role }}:{{ m.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|out|>{% endif %}"
        )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(symbols),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=symbols.index(END),
        pad_token_id=symbols.index(PAD),
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-chat", chat=True)


@pytest.fixture(scope="session")
def make_tiny_model(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[int], LocalModel]:
    """Another base model, from another seed."""

    def make(seed: int) -> LocalModel:
        folder = write_tiny_model(tmp_path_factory.mktemp("models") / f"tiny-{seed}", seed=seed)
        return LocalModel(folder, dialect=BuiltinDialect())

    return make


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> LocalModel:
    """Shared; a test that serves an adapter must do it in ``with_adapter``."""
    return LocalModel(tiny_folder, dialect=BuiltinDialect())
