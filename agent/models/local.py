"""A causal language model in a local folder, run by Transformers on the CPU.

One thread, float32, greedy; a text or a score is a function of prompt, weights and
adapter alone (see ``decoding``). At most one adapter is served at a time, as forward
hooks on the adapted layers; without hooks the base model runs untouched. Adapters are
never added to one another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import AdapterError, ModelError
from agent.models.chat import ChatDialect
from agent.models.fingerprint import model_digest
from agent.models.protocol import Dialect, TokenScores

if TYPE_CHECKING:
    from torch import Tensor

_DEFAULT_CONTEXT_TOKENS: Final = 2048
_PLAIN_TEMPLATE: Final = "{prompt}\n\nAnswer:"
"""For base models, which have no chat template."""


@dataclass(frozen=True)
class ServableAdapter:
    """Low-rank changes to serve: module path → (A ``[r, in]``, B ``[out, r]``), scale 1."""

    digest: str
    base_digest: str
    modules: Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _Loaded:
    """What is in memory once the weights were needed."""

    hf: Any  # transformers.PreTrainedModel; the library is untyped
    tokenizer: Any
    stops: frozenset[int]
    pad: int
    context_tokens: int
    markers: tuple[str, ...]
    modules: Mapping[str, Any]


class LocalModel:
    """Any Transformers causal LM by path. Implements LanguageModel, and scores and adapts.

    The weights are read on first use. Thread-safe: batches, builds and swaps take turns,
    so an answer is never computed with two adapters.

    Raises:
        ModelError: the path is missing, is no model folder or holds no safetensors.
    """

    def __init__(
        self, path: Path, *, model_id: str | None = None, dialect: Dialect | None = None
    ) -> None:
        _check_folder(path)
        self._path = path
        self._model_id = model_id or f"local:{path.resolve().name}"
        self._dialect = dialect
        self._lock = threading.RLock()
        self._state: _Loaded | None = None
        self._digest: str | None = None
        self._served: ServableAdapter | None = None
        self._hooks: list[Any] = []

    # --- LanguageModel -----------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """``builtin`` or ``local:FOLDER``; never the whole path."""
        return self._model_id

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of tensors, configuration and tokenizer files.

        Raises:
            ModelError: a file cannot be read or is malformed.
        """
        if self._digest is None:
            try:
                self._digest = model_digest(self._path)
            except (OSError, ValueError) as error:
                raise self._unreadable(error) from error
        return self._digest

    @property
    def dialect(self) -> Dialect:
        """The dialect given, else a ``ChatDialect`` with the tokenizer's end token."""
        if self._dialect is None:
            self._dialect = ChatDialect(end=self._loaded().tokenizer.eos_token or "")
        return self._dialect

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return self._loaded().context_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text``, without any chat template around it."""
        return len(self._tokens(text))

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Greedy continuations without the end token.

        Raises:
            ModelError: a prompt and its answer do not fit the context.
        """
        with self._lock, _inference():
            from agent.models.decoding import batches, greedy  # noqa: PLC0415 - torch is slow

            loaded = self._loaded()
            encoded = [self.encode_prompt(prompt) for prompt in prompts]
            for ids in encoded:
                self._check_fit(len(ids) + max_new_tokens)
            texts = [""] * len(prompts)
            for batch in batches([len(ids) for ids in encoded]):
                outputs = greedy(
                    loaded.hf,
                    [encoded[i] for i in batch],
                    max_new_tokens=max_new_tokens,
                    stops=loaded.stops,
                    pad=loaded.pad,
                )
                for i, tokens in zip(batch, outputs, strict=True):
                    texts[i] = self._text(tokens)
            return texts

    # --- scoring and training ----------------------------------------------------------

    def scores(self, prompts: Sequence[str], targets: Sequence[str]) -> list[TokenScores]:
        """Log-probability of every target token after its prompt, teacher-forced.

        Raises:
            ModelError: a prompt with its target does not fit the context.
        """
        with self._lock, _inference():
            from agent.models.decoding import batches, score  # noqa: PLC0415 - torch is slow

            loaded = self._loaded()
            pairs = [self.encode_pair(p, t) for p, t in zip(prompts, targets, strict=True)]
            results = [TokenScores((), ())] * len(pairs)
            for batch in batches([len(ids) for ids, _ in pairs]):
                scored = score(loaded.hf, [pairs[i] for i in batch], loaded.pad)
                for i, result in zip(batch, scored, strict=True):
                    results[i] = result
            return results

    def encode_prompt(self, prompt: str) -> list[int]:
        """Token ids of ``prompt`` as the model is asked it, chat template included."""
        if not isinstance(self.dialect, ChatDialect):
            return self._tokens(prompt)
        loaded = self._loaded()
        # Text that spells one of the model's own markers must not act as one.
        for marker in loaded.markers:
            prompt = prompt.replace(marker, f"{marker[0]} {marker[1:]}")
        if not loaded.tokenizer.chat_template:
            return self._tokens(_PLAIN_TEMPLATE.format(prompt=prompt))
        whole = loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return self._tokens(whole)

    def encode_pair(self, prompt: str, target: str) -> tuple[list[int], int]:
        """Token ids of prompt and target, and where the target starts.

        Raises:
            ModelError: they do not fit the context.
        """
        start = self.encode_prompt(prompt)
        ids = [*start, *self._tokens(target)]
        self._check_fit(len(ids))
        return ids, len(start)

    @property
    def pad_token(self) -> int:
        """Id that fills rows up; what it stands for does not matter, it is never seen."""
        return self._loaded().pad

    @contextmanager
    def exclusive(self) -> Iterator[Any]:
        """The bare Transformers model, with no adapter served, for one build at a time."""
        with self._lock:
            before = self._served
            self.serve(None)
            try:
                yield self._loaded().hf
            finally:
                self.serve(before)

    # --- adapters ----------------------------------------------------------------------

    @property
    def served(self) -> str | None:
        """Digest of the adapter in service."""
        return self._served.digest if self._served else None

    def serve(self, adapter: ServableAdapter | None) -> None:
        """Put ``adapter`` in service instead of whatever was; ``None`` is the base alone.

        Raises:
            AdapterError: it was trained on another base, or does not fit a layer.
        """
        with self._lock:
            if adapter is self._served:
                return
            layers = self._fitting_layers(adapter) if adapter else []
            for hook in self._hooks:
                hook.remove()
            self._hooks, self._served = [], adapter
            if not layers:
                return
            from agent.models.decoding import low_rank_hook  # noqa: PLC0415 - torch is slow

            self._hooks = [
                layer.register_forward_hook(low_rank_hook(a, b)) for layer, a, b in layers
            ]

    @contextmanager
    def with_adapter(self, adapter: ServableAdapter | None) -> Iterator[LocalModel]:
        """Serve ``adapter`` inside the block and what was served before after it."""
        with self._lock:
            before = self._served
            self.serve(adapter)
            try:
                yield self
            finally:
                self.serve(before)

    def _fitting_layers(self, adapter: ServableAdapter) -> list[tuple[Any, Tensor, Tensor]]:
        if adapter.base_digest != self.digest:
            raise AdapterError(
                f"adapter {adapter.digest[:12]} was trained on base {adapter.base_digest[:12]}, "
                f"not on {self.model_id} ({self.digest[:12]})",
                hint="run with the model that the adapter was built for, or rebuild it",
            )
        modules = self._loaded().modules
        found = []
        for name, (a, b) in adapter.modules.items():
            weight = getattr(modules.get(name), "weight", None)
            if weight is None or tuple(weight.shape) != (b.shape[0], a.shape[1]):
                raise AdapterError(f"adapter {adapter.digest[:12]} does not fit layer {name}")
            found.append((modules[name], a, b))
        return found

    # --- loading -----------------------------------------------------------------------

    def _loaded(self) -> _Loaded:
        with self._lock:
            if self._state is None:
                try:
                    self._state = _load(self._path)
                except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
                    raise self._unreadable(error) from error
            return self._state

    def _unreadable(self, error: Exception) -> ModelError:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return ModelError(
            f"model {self._model_id} cannot be loaded: {reason}",
            hint="the folder must hold config.json, a tokenizer and .safetensors weights",
        )

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._loaded().tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._loaded().tokenizer.decode(
            list(tokens),
            skip_special_tokens=isinstance(self.dialect, ChatDialect),
            clean_up_tokenization_spaces=False,
        )
        return text

    def _check_fit(self, tokens: int) -> None:
        if tokens > self.context_tokens:
            raise ModelError(
                f"{self.model_id}: prompt and answer need {tokens} tokens, "
                f"the context holds {self.context_tokens}",
                hint="give it fewer notes or a shorter document",
            )


def _check_folder(path: Path) -> None:
    hint = "give a folder with config.json, a tokenizer and .safetensors weights"
    if not path.exists():
        raise ModelError(f"model path {path} does not exist", hint=hint)
    if not path.is_dir():
        raise ModelError(f"model path {path} is not a folder", hint=hint)
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise ModelError(
            f"model path {path} cannot be read: {error.strerror}", hint=hint
        ) from error
    if "config.json" not in names:
        raise ModelError(f"model path {path} has no config.json", hint=hint)
    if not any(name.endswith(".safetensors") for name in names):
        raise ModelError(
            f"model path {path} has no .safetensors weights",
            hint="pickled weights can run code and are never opened; convert them first",
        )


def _load(path: Path) -> _Loaded:
    os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: it is read there
    import torch  # noqa: PLC0415 - torch and transformers take seconds to import
    from safetensors import SafetensorError  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    try:
        hf: Any = AutoModelForCausalLM.from_pretrained(
            path, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    hf.eval().requires_grad_(requires_grad=False)
    stops = _stop_tokens(hf, tokenizer)
    return _Loaded(
        hf=hf,
        tokenizer=tokenizer,
        stops=stops,
        pad=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(stops, default=0),
        context_tokens=getattr(hf.config, "max_position_embeddings", _DEFAULT_CONTEXT_TOKENS),
        markers=tuple(sorted(set(tokenizer.all_special_tokens), key=len, reverse=True)),
        modules=dict(hf.named_modules()),
    )


def _stop_tokens(hf: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401
    """End tokens that the tokenizer or the generation settings name."""
    listed = getattr(hf.generation_config, "eos_token_id", None)
    found = set(listed if isinstance(listed, list) else [listed]) | {tokenizer.eos_token_id}
    return frozenset(token for token in found if token is not None)


@contextmanager
def _inference() -> Iterator[None]:
    import torch  # noqa: PLC0415 - torch takes a second to import

    with torch.inference_mode():
        yield
