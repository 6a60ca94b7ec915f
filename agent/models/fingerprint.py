"""Digests of tensor files and model folders, without torch.

A digest is of tensors, not of files: a safetensors header may list the same tensors in
another order or carry metadata, and the weights are the same. Only safetensors are read;
a pickle can run code and is never opened.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from governance import canonical

TOKENIZER_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "chat_template.jinja",
)
"""Beside the tensors, what decides how text becomes tokens and what the layers compute."""

_LENGTH_BYTES: Final = 8
_CHUNK_BYTES: Final = 1 << 22
_MAX_HEADER_BYTES: Final = 100_000_000


@dataclass(frozen=True)
class TensorRecord:
    """One tensor of a safetensors stream: its bytes are ``stream[start:stop]``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stream: BinaryIO
    start: int
    stop: int


def file_digest(path: Path) -> str:
    """SHA-256 (hex) over the sorted (name, dtype, shape, bytes) of one safetensors file.

    Raises:
        ValueError: not a well-formed safetensors file.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return _digest(_records(stream, path.name))


def bytes_digest(data: bytes) -> str:
    """:func:`file_digest` of a file with these contents.

    Raises:
        ValueError: not well-formed safetensors.
    """
    return _digest(_records(io.BytesIO(data), "data"))


def model_digest(folder: Path) -> str:
    """SHA-256 (hex) of a model folder: its tensors, configuration and tokenizer files.

    Raises:
        ValueError: no safetensors in it, or a malformed one.
        OSError: a file cannot be read.
    """
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise ValueError("no .safetensors weights")
    beside = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in TOKENIZER_FILES
        if (folder / name).is_file()
    }
    with ExitStack() as opened:
        records = [
            record
            for shard in shards
            for record in _records(opened.enter_context(shard.open("rb")), shard.name)
        ]
        return canonical.digest({"tensors": _digest(records), "files": beside})


def _records(stream: BinaryIO, name: str) -> list[TensorRecord]:
    """The tensors that a safetensors stream declares, checked against its length."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if size < _LENGTH_BYTES or length > min(size - _LENGTH_BYTES, _MAX_HEADER_BYTES):
        raise ValueError(f"{name} is not a safetensors file")
    body = _LENGTH_BYTES + length
    try:
        records = [
            TensorRecord(
                name=str(tensor),
                dtype=str(entry["dtype"]),
                shape=tuple(int(side) for side in entry["shape"]),
                stream=stream,
                start=body + int(entry["data_offsets"][0]),
                stop=body + int(entry["data_offsets"][1]),
            )
            for tensor, entry in json.loads(stream.read(length)).items()
            if tensor != "__metadata__"
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{name} has a malformed header") from error
    if any(not body <= record.start <= record.stop <= size for record in records):
        raise ValueError(f"{name} is shorter than its header says")
    return records


def _digest(records: Iterable[TensorRecord]) -> str:
    total = hashlib.sha256()
    for record in sorted(records, key=lambda item: item.name):
        shape = list(record.shape)
        total.update(canonical.encode({"name": record.name, "dtype": record.dtype, "shape": shape}))
        record.stream.seek(record.start)
        left = record.stop - record.start
        while left:
            chunk = record.stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise OSError("the file ended early")
            total.update(chunk)
            left -= len(chunk)
    return total.hexdigest()
