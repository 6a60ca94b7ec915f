"""Reading JSON Lines record by record, plain or gzipped: nothing is held whole.

What is wrong with one line is a ``Problem`` (or, read strictly, a ``WorkspaceError``);
what is wrong with the file itself is always an error.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from agent.errors import WorkspaceError
from agent.workspace import Problem

MAX_LINE_BYTES: Final = 5_000_000
"""A longer line is refused unread: one record must not fill the memory."""
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True)
class RawRecord:
    """One line of a data file: its number, its text and the JSON object it holds."""

    file: str
    number: int
    text: str
    value: dict[str, Any]

    @property
    def where(self) -> str:
        """``file:line``, for messages."""
        return f"{self.file}:{self.number}"


@dataclass
class Problems:
    """What was left out so far."""

    strict: bool
    found: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str, hint: str) -> None:
        """Note a problem.

        Raises:
            WorkspaceError: the file is read strictly.
        """
        problem = Problem(where, message, hint)
        if self.strict:
            raise WorkspaceError(str(problem), hint=hint)
        self.found.append(problem)


def read_records(path: Path, problems: Problems) -> Iterator[RawRecord]:
    """The JSON objects of a ``.jsonl`` or ``.jsonl.gz`` file, in order.

    Raises:
        WorkspaceError: the file cannot be read, or its compression is damaged.
    """
    for number, data in enumerate(_lines(path), start=1):
        where = f"{path.name}:{number}"
        if len(data) > MAX_LINE_BYTES:
            problems.add(where, f"longer than {MAX_LINE_BYTES:,} bytes", "Split the record.")
            continue
        try:
            text = data.decode()
            value = orjson.loads(text) if text.strip() else None
        except UnicodeDecodeError as error:
            problems.add(where, f"not UTF-8 (byte {error.start})", "Save the file as UTF-8.")
            continue
        except orjson.JSONDecodeError as error:
            problems.add(where, f"malformed JSON: {error.msg}", "Write one JSON object a line.")
            continue
        if isinstance(value, dict):
            yield RawRecord(path.name, number, text.strip(), value)
        elif text.strip():
            problems.add(where, "not a JSON object", "Write one JSON object a line.")


def _lines(path: Path) -> Iterator[bytes]:
    """Lines without their ends; of a line that is too long, its beginning only."""
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == _GZIP_MAGIC
            plain.seek(0)
            file = gzip.GzipFile(fileobj=plain) if zipped else plain
            while data := file.readline(MAX_LINE_BYTES + 1):
                line = data
                while not data.endswith(b"\n"):
                    data = file.readline(MAX_LINE_BYTES + 1)
                    if not data:
                        break
                yield line.rstrip(b"\r\n") if line.endswith(b"\n") else line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise WorkspaceError(
            f"{path.name} is damaged: {error}",
            hint="The gzip file is incomplete or altered; fetch it again.",
        ) from error
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="Name an existing, readable file.",
        ) from error
