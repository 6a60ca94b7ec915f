"""Reading a workspace folder safely: nothing outside it, nothing oversized, no surprises."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError

from agent.errors import WorkspaceError
from agent.workspace_schema import DEFAULT_MAX_DOCUMENT_BYTES, Settings

SETTINGS_FILE: Final = "workspace.toml"
_BOM: Final = "\ufeff"
_TOML_KEY: Final = re.compile(r'\s*(?:"([^"]+)"|([A-Za-z0-9_-]+))\s*=')
_ModelT = TypeVar("_ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """Something that was left out: where it stands, what is wrong, what to do."""

    where: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class JsonLine:
    """One object of a JSON Lines file; ``where`` is ``file:line``."""

    file: str
    number: int
    record: dict[str, Any]

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.file}:{self.number}"


class Folder:
    """A workspace folder, and what was found wrong in it so far."""

    def __init__(self, path: Path, *, strict: bool) -> None:
        try:
            self.root = path.resolve(strict=True)
            children = sorted(self.root.iterdir()) if self.root.is_dir() else None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise WorkspaceError(
                f"workspace {path} cannot be opened: {_reason(error)}",
                hint="Name an existing folder, such as examples/claims-desk.",
            ) from error
        if children is None:
            raise WorkspaceError(
                f"workspace {path} is not a folder",
                hint="Name the folder that holds transcripts/ and documents/.",
            )
        if not children:
            raise WorkspaceError(
                f"workspace {path} is empty",
                hint="Put at least one file into transcripts/ (.jsonl) or documents/.",
            )
        self.strict = strict
        self.problems: list[Problem] = []
        self.max_bytes = DEFAULT_MAX_DOCUMENT_BYTES

    def problem(self, where: str, message: str, hint: str) -> None:
        """Note what is left out, or refuse it.

        Raises:
            WorkspaceError: the folder is read strictly.
        """
        found = Problem(where, message, hint)
        if self.strict:
            raise WorkspaceError(str(found), hint=hint)
        self.problems.append(found)

    def inside(self, name: str, where: str) -> Path:
        """The path of ``name``, links followed.

        Raises:
            WorkspaceError: ``name`` is absolute, uses ``..`` or links out of the folder.
        """
        pure = PurePosixPath(name)
        escapes = pure.is_absolute() or ".." in pure.parts or "\x00" in name
        try:
            target = self.root if escapes else (self.root / pure).resolve()
        except (OSError, RuntimeError) as error:
            raise WorkspaceError(
                f"{where}: {name!r} cannot be followed: {_reason(error)}",
                hint="Replace the link by the file it should point to.",
            ) from error
        if escapes or not target.is_relative_to(self.root):
            raise WorkspaceError(
                f"{where}: {name!r} leaves the workspace",
                hint="Copy the file into the workspace; links and .. out of it are not followed.",
            )
        return target

    def files(self, folder: str) -> list[str]:
        """Names of the files in a subfolder, sorted; hidden ones are passed over."""
        path = self.inside(folder, folder)
        if not path.exists():
            return []
        try:
            names = sorted(child.name for child in path.iterdir())
        except OSError as error:
            raise WorkspaceError(
                f"{folder} cannot be listed: {_reason(error)}",
                hint=f"{folder} must be a readable folder.",
            ) from error
        found: list[str] = []
        for name in (f"{folder}/{name}" for name in names if not name.startswith(".")):
            if self.inside(name, name).is_file():
                found.append(name)
            else:
                self.problem(name, "is not a file", f"Only files in {folder}/ itself are read.")
        return found

    def text(self, name: str, max_bytes: int) -> str | None:
        """The file as text, its line ends untouched, or None where that is a problem.

        Raises:
            WorkspaceError: the file is over ``max_bytes`` (it is not read then), outside
                the folder, or unreadable.
        """
        text = _as_text(name, self.read(name, max_bytes))
        if isinstance(text, str):
            return text
        self.problem(text.where, text.message, text.hint)
        return None

    def optional_json_lines(self, name: str) -> Iterator[JsonLine]:
        """The objects of a JSON Lines file that may be missing or empty."""
        path = self.inside(name, name)
        if not path.exists() or not self.read(name, self.max_bytes).strip():
            return
        text = self.text(name, self.max_bytes)
        if text is not None:
            yield from self.json_lines(name, text)

    def json_lines(self, name: str, text: str) -> Iterator[JsonLine]:
        """The objects in ``text``; blank lines are skipped, malformed ones are problems.

        Split at LF only: U+2028 and its like are ordinary characters in JSON strings.
        """
        for number, line in enumerate(text.removeprefix(_BOM).split("\n"), start=1):
            if not line.strip():
                continue
            where = f"{name}:{number}"
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                self.problem(where, f"malformed JSON: {error.msg}", "Write one JSON object a line.")
                continue
            if not isinstance(record, dict):
                self.problem(where, "not a JSON object", "Write one JSON object a line.")
                continue
            yield JsonLine(name, number, record)

    def read(self, name: str, max_bytes: int) -> bytes:
        """The bytes of a file.

        Raises:
            WorkspaceError: it is over ``max_bytes``, outside the folder, or unreadable.
        """
        path = self.inside(name, name)
        try:
            size = path.stat().st_size
            if size <= max_bytes:
                with path.open("rb") as file:
                    # One byte more than allowed shows a file that grew after the check.
                    data = file.read(max_bytes + 1)
                size = max(size, len(data))
        except OSError as error:
            raise WorkspaceError(
                f"{name} cannot be read: {_reason(error)}", hint="Check the file's permissions."
            ) from error
        if size > max_bytes:
            raise WorkspaceError(
                f"{name} has {size:,} bytes, over the limit of {max_bytes:,}",
                hint="Split the file, or raise limits.max_document_bytes in workspace.toml.",
            )
        return data


def read_settings(folder: Folder) -> Settings:
    """``workspace.toml``, or the defaults where there is none.

    Raises:
        WorkspaceError: the file is not TOML, or a key or value is not known; names the line.
    """
    if not folder.inside(SETTINGS_FILE, SETTINGS_FILE).exists():
        return Settings()
    data = folder.read(SETTINGS_FILE, DEFAULT_MAX_DOCUMENT_BYTES)
    text = _as_text(SETTINGS_FILE, data) if data.strip() else ""
    if isinstance(text, Problem):
        raise WorkspaceError(str(text), hint=text.hint)
    text = text.removeprefix(_BOM)
    try:
        settings = Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(
            f"{SETTINGS_FILE}: {error}", hint="See examples/claims-desk/workspace.toml."
        ) from error
    except ValidationError as error:
        place, message, hint = _explain(error, Settings)
        line = _line_of(text, place)
        where = SETTINGS_FILE if line is None else f"{SETTINGS_FILE}:{line}"
        raise WorkspaceError(f"{where}: {message}", hint=hint) from error
    folder.max_bytes = settings.limits.max_document_bytes
    return settings


def validated(folder: Folder, line: JsonLine, model: type[_ModelT]) -> _ModelT | None:
    """The line as ``model``, or None where it does not fit (a problem)."""
    try:
        return model.model_validate(line.record)
    except ValidationError as error:
        _, message, hint = _explain(error, model)
        folder.problem(line.where, message, hint)
        return None


def _as_text(name: str, data: bytes) -> str | Problem:
    if not data.strip():
        return Problem(name, "is empty", "Remove the file or put something into it.")
    if b"\x00" in data:
        return Problem(name, "is binary, not text", "Export it as UTF-8 text first.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(
            name,
            f"is not UTF-8 text (byte {error.start})",
            "Save it as UTF-8; other encodings are not guessed.",
        )


def _reason(error: Exception) -> str:
    # Not every OSError carries one, whatever its type says.
    reason: str | None = getattr(error, "strerror", None)
    return reason or str(error)


def _explain(error: ValidationError, model: type[BaseModel]) -> tuple[tuple[str, ...], str, str]:
    """Where in the data, what, and what to do, of the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    place = tuple(str(part) for part in first["loc"] if part != "[key]")
    key = ".".join(place)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return place, f"unknown key {key!r}", _known_keys(model, place)
    if first["type"] == "missing":
        return place, f"the key {key!r} is missing", _known_keys(model, place)
    hint = "The example workspace's README.md describes every key."
    return place, f"{key}: {message}" if key else message, hint


def _known_keys(model: type[BaseModel], place: Sequence[str]) -> str:
    found: object = model
    for part in place[:-1]:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(part)
            found = field.annotation if field is not None else None
        else:  # a table of tables: any name, then the model
            found = (get_args(found) or (None,))[-1]
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return "The example workspace's README.md describes every key."
    known = list(found.model_fields)
    near = difflib.get_close_matches(place[-1], known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."


def _line_of(text: str, place: tuple[str, ...]) -> int | None:
    """The line of TOML ``text`` that sets ``place``, or the nearest table above it."""
    table: tuple[str, ...] = ()
    best, line_number = 0, None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            table = path = _table_path(line)
        elif match := _TOML_KEY.match(line):
            path = (*table, match[1] or match[2])
        else:
            continue
        if best < len(path) and place[: len(path)] == path:
            best, line_number = len(path), number
    return line_number


def _table_path(line: str) -> tuple[str, ...]:
    """``[a."b c"]`` as ("a", "b c"); empty for a line that opens no table."""
    try:
        nested: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(nested, dict) and nested:
        name, nested = next(iter(nested.items()))
        path.append(name)
    return tuple(path)
