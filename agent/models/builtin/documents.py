# ruff: noqa: E501, PLR2004 - shares of a random mixture are plain where they are used
"""Generated documents in several formats, and edits of them with their results."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from agent.models.builtin import patching
from agent.models.builtin.attributes import NOUNS
from agent.models.builtin.facts import FactMaker
from agent.models.builtin.patching import apply_patch, locate_patches

FORMATS: Final = (
    "csv", "csv", "json", "rows", "ics", "markdown", "email", "srt", "keys", "table",
)  # fmt: skip
EDITS: Final = ("change", "rename", "delete", "insert")


@dataclass(frozen=True)
class Cell:
    """A value in a document: the line's key as written, the column, the value."""

    line: int
    key: str
    column: str
    value: str


@dataclass(frozen=True)
class Document:
    """Lines and the cells that may be edited; ``fresh`` makes one more line."""

    format: str
    lines: tuple[str, ...]
    cells: tuple[Cell, ...]
    keys: tuple[tuple[int, str], ...]
    """(line, key) of the lines that can be deleted or inserted after."""
    fresh: str
    kinds: dict[str, str]


@dataclass(frozen=True)
class Edit:
    """An instruction, what the model should write for it, and the edited lines."""

    kind: str
    lines: tuple[str, ...]
    instruction: str
    target: str
    result: tuple[str, ...]
    solvable: bool = True


class DocumentMaker:
    """Builds documents of a given number of lines and edits of them."""

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        self.rng = rng
        self.maker = FactMaker(rng, held_out=held_out)
        self.values = self.maker.values

    def document(self, lines: int, form: str | None = None) -> Document:
        """A document of about ``lines`` lines (at least three)."""
        form = form or self.rng.choice(FORMATS)
        if form in ("csv", "table", "srt", "rows"):
            return self._rows(lines, form)
        return self._keyed(lines, form)

    def edit(self, document: Document, kind: str | None = None) -> Edit:
        """A random edit of ``document``; one that resolves to exactly its result."""
        kinds = {"change": self._change, "rename": self._rename, "delete": self._delete,
                 "insert": self._insert}  # fmt: skip
        for _ in range(30):
            name = kind or self.rng.choice(EDITS)
            edit = kinds[name](document)
            if edit is not None and edit.result != document.lines:
                patches = locate_patches(edit.target, document.lines)
                if apply_patch(document.lines, patches) == edit.result:
                    return edit
        return self._impossible(document)

    def _columns(self, count: int) -> list[tuple[str, str]]:
        _, domain = self.maker.domain()
        return self.maker.attributes(domain, count)

    def _rows(self, lines: int, form: str) -> Document:
        """One record a line, its key first."""
        rng, columns = self.rng, self._columns(self.rng.randint(2, 4))
        make_key = rng.choice(
            [self.maker.names.code, self.maker.names.person, self.maker.names.code]
        )
        if form == "rows":
            make_key = rng.choice([self.maker.names.code, lambda: rng.choice(NOUNS)])
        glue = {"csv": rng.choice([",", ",", ";"]), "table": " | ", "srt": " ", "rows": "; "}[form]
        keys: dict[str, None] = {}
        while len(keys) < lines + 1:
            keys.setdefault(make_key())
        rows: list[str] = []
        cells: list[Cell] = []
        named: list[tuple[int, str]] = []
        head = form in ("csv", "table") and rng.random() < 0.6
        if head:
            rows.append(
                glue.join(
                    [rng.choice(["id", "name", "key"]), *(c.replace(" ", "_") for c, _ in columns)]
                )
            )
        shared = {c: [self._value(k) for _ in range(2)] for c, k in columns}
        fields = [
            rng.choice(["queue", "id", "name", "key"]),
            *(c.replace(" ", "_") for c, _ in columns),
        ]
        for key in list(keys)[: lines - len(rows)]:
            row = [self._cell(c, k, shared) for c, k in columns]
            if form == "srt":
                text = rng.choice(["{a}: {v}", "The {a} is {v}.", "my {a} is {v}"])
                row = [text.format(a=columns[0][0], v=row[0])]
            elif any(glue in value for value in row):
                row = [value.replace(glue, " ") for value in row]
            for (column, _), value in zip(columns, row, strict=False):
                if form != "srt":
                    cells.append(Cell(len(rows), key, column, value))
            named.append((len(rows), key))
            rows.append(self._frame(form, glue, [key, *row], fields))
        fresh_row = [self._value(k).replace(glue, " ") for _, k in columns]
        fresh_row = [list(keys)[-1], *fresh_row[: 1 if form == "srt" else None]]
        fresh = self._frame(form, glue, fresh_row, fields)
        return Document(form, tuple(rows), tuple(cells), tuple(named), fresh, dict(columns))

    def _cell(self, column: str, kind: str, shared: dict[str, list[str]]) -> str:
        return self.rng.choice(shared[column]) if self.rng.random() < 0.3 else self._value(kind)

    def _value(self, kind: str) -> str:
        """A value as records hold it: plain numbers and ISO dates more often than in talk."""
        rng = self.rng
        if kind == "money" and rng.random() < 0.5:
            plain = str(rng.randint(1, 400) * rng.choice([5, 10, 100]))
            return rng.choice([plain, f"{rng.randint(5, 4000)}.{rng.randint(0, 99):02d}"])
        if kind == "date" and rng.random() < 0.5:
            return f"{rng.randint(2023, 2027)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        return self.values.make(kind)

    def _frame(self, form: str, glue: str, row: list[str], fields: list[str]) -> str:
        if form == "rows":
            pairs = ", ".join(f'"{f}": {_json(v)}' for f, v in zip(fields, row, strict=False))
            return f"    {{{pairs}}},"
        return f"| {glue.join(row)} |" if form == "table" else glue.join(row)

    def _keyed(self, lines: int, form: str) -> Document:
        """One attribute a line: JSON, iCalendar, Markdown bullets, mail headers, key lines."""
        rng = self.rng
        columns = self._columns(lines + 1)
        rows: list[str] = []
        cells: list[Cell] = []
        named: list[tuple[int, str]] = []
        if form in ("ics", "markdown", "email") and rng.random() < 0.5:
            rows.append({"ics": "BEGIN:VEVENT", "markdown": f"# {self.values.make('title')}",
                         "email": f"From: {self.values.email()}"}[form])  # fmt: skip
        if form == "json":
            rows.append("{")
        written = [self._written(form, c) for c, _ in columns]
        style = rng.choice(["- {k}: {v}", "* {k}: {v}", "- **{k}**: {v}", "- {k}: {v}"])
        shared = self.values.make("person")
        for (column, kind), key in list(zip(columns, written, strict=True))[:-1]:
            if len(rows) >= lines - (form == "json"):
                break
            if form == "markdown" and rng.random() < 0.12:
                rows.append(rng.choice(["", f"## {self.values.make('title')}"]))
            value = shared if kind == "person" and rng.random() < 0.5 else self._value(kind)
            cells.append(Cell(len(rows), key, column, value))
            named.append((len(rows), key))
            text = value
            if form == "markdown" and rng.random() < 0.25:
                text = rng.choice(_WRAPS).format(v=value)
            rows.append(self._key_line(form, style, key, text))
        if form == "json":
            rows.append("}")
        value = self._value(columns[-1][1])
        fresh = self._key_line(form, style, written[-1], value)
        return Document(form, tuple(rows), tuple(cells), tuple(named), fresh, dict(columns))

    def _written(self, form: str, column: str) -> str:
        if form == "json":
            return column.replace(" ", "_").replace("-", "_")
        if form == "ics":
            return column.upper().replace(" ", "-")
        if form in ("email", "markdown"):
            return column[0].upper() + column[1:]
        return column

    @staticmethod
    def _key_line(form: str, style: str, key: str, value: str) -> str:
        if form == "json":
            return f'  "{key}": {_json(value)},'
        if form == "markdown":
            return style.format(k=key, v=value)
        return f"{key}:{value}" if form == "ics" else f"{key}: {value}"

    def _variant(self, old: str, kind: str) -> str:
        """A new value; at times one that differs from ``old`` in a part only."""
        rng = self.rng
        if rng.random() < 0.65:
            return self._value(kind).replace(",", "").replace(";", "")
        runs = list(re.finditer(r"\d+", old))
        if runs:
            run = rng.choice(runs)
            number = str(rng.randint(1, 10 ** max(2, len(run.group())) - 1))
            return old[: run.start()] + number + old[run.end() :]
        return self.maker.sibling(old) if " " in old else self.maker.names.invented()

    def _change(self, document: Document) -> Edit | None:
        if not document.cells:
            return self._change_text(document)
        rng = self.rng
        cell = rng.choice(document.cells)
        new = self._variant(cell.value, document.kinds.get(cell.column, "word"))
        column = rng.choice([cell.column, cell.column, cell.column.replace(" ", "_")])
        keyed = document.format not in ("csv", "table", "rows")
        names = {"k": cell.key, "c": column, "o": cell.value, "n": new}
        wordings: tuple[str, ...]
        if keyed:
            wordings = _CHANGE_KEYED if rng.random() < 0.6 else _CHANGE_KEYED_BLIND
            names["k"] = rng.choice([cell.key, cell.key, cell.column])
        else:
            wordings = _CHANGE_ROW if rng.random() < 0.6 else _CHANGE_ROW_BLIND
        instruction = rng.choice(wordings).format(**names)
        return self._result(
            "change", document, instruction, patching.change(cell.key, cell.value, new)
        )

    def _change_text(self, document: Document) -> Edit | None:
        line, key = self.rng.choice(document.keys)
        old = (
            document.lines[line]
            .removeprefix(key)
            .strip()
            .rstrip(".")
            .rpartition(" is ")[2]
            .rpartition(": ")[2]
        )
        new = self.values.make(self.rng.choice(list(document.kinds.values())))
        instruction = self.rng.choice(_CHANGE_LINE).format(k=key, o=old, n=new)
        return self._result("change", document, instruction, patching.change(key, old, new))

    def _rename(self, document: Document) -> Edit | None:
        rng = self.rng
        if not document.cells and not document.keys:
            return None
        pool = [(c.value, document.kinds.get(c.column, "word")) for c in document.cells]
        pool += [(key, "code" if any(ch.isdigit() for ch in key) else "person") for _, key in document.keys
                 if document.format in ("csv", "table", "srt", "rows")]  # fmt: skip
        values = [value for value, _ in pool]
        repeated = [each for each in pool if values.count(each[0]) > 1]
        old, kind = rng.choice(repeated if repeated and rng.random() < 0.7 else pool)
        new = self._variant(old, kind)
        instruction = rng.choice(_RENAME).format(o=old, n=new)
        return self._result("rename", document, instruction, patching.rename(old, new))

    def _key(self, document: Document) -> str:
        """The key of a line, or the whole line where it is short."""
        line, key = self.rng.choice(document.keys)
        text = document.lines[line].strip()
        return text if len(text) < 40 and self.rng.random() < 0.15 else key

    def _delete(self, document: Document) -> Edit | None:
        key = self._key(document)
        noun = self.rng.choice(["row", "line", "entry", "record", "item"])
        instruction = self.rng.choice(_DELETE).format(k=key, n=noun)
        return self._result("delete", document, instruction, patching.delete(key))

    def _insert(self, document: Document) -> Edit | None:
        key = self._key(document)
        noun = self.rng.choice(["row", "line", "record"])
        text = document.fresh.strip()
        instruction = self.rng.choice(_INSERT).format(k=key, n=noun, t=text)
        return self._result("insert", document, instruction, patching.insert(key, text))

    def _result(self, kind: str, document: Document, instruction: str, target: str) -> Edit:
        patches = locate_patches(target, document.lines)
        result = apply_patch(document.lines, patches)
        return Edit(kind, document.lines, instruction, target, result)

    def _impossible(self, document: Document) -> Edit:
        """An instruction about something that is not in the document."""
        key = self.maker.names.code()
        instruction = self.rng.choice(_DELETE).format(k=key, n="row")
        return Edit("none", document.lines, instruction, " none", document.lines, solvable=False)

    def elsewhere(self, lines: int) -> Edit:
        """An edit of a longer document, shown a part of it in which nothing is to be done."""
        document = self.document(2 * lines)
        edit = self.edit(document)
        half = document.lines[:lines] if self.rng.random() < 0.5 else document.lines[lines:]
        if not half or locate_patches(edit.target, half):
            return self._impossible(self.document(lines))
        return Edit("none", half, edit.instruction, " none", half, solvable=False)


def _json(value: str) -> str:
    """``value`` as JSON writes it, numbers bare."""
    return value if re.fullmatch(r"\d+(\.\d\d)?", value) else f'"{value}"'


_WRAPS: Final = (
    "at most {v}.", "{v}, unless the queue has its own.", "about {v}", "keep it for {v} at least.",
    "those above {v} need a second look.", "always {v}", "not before {v}", "{v} or more", "see {v}.",
)  # fmt: skip
_CHANGE_ROW: Final = (
    "Change the {c} of {k} from {o} to {n}.",
    "Set the {c} of {k} to {n} instead of {o}.",
    "In the row of {k}, replace {o} by {n}.",
    "For {k}, change {o} to {n}.",
    "{k}: {c} is no longer {o} but {n}.",
    "Correct the {c} of {k}: {n}, not {o}.",
    "In the line for {k} change {o} to {n}.",
    "Replace {o} with {n} in the entry {k}.",
    "Update {k}: {c} from {o} to {n}.",
)
_CHANGE_ROW_BLIND: Final = (
    "Change the {c} of {k} to {n}.",
    "Set the {c} of {k} to {n}.",
    "The {c} of {k} is now {n}.",
    "Update the {c} of {k} to {n}.",
    "{k} has a new {c}: {n}.",
)
_CHANGE_KEYED: Final = (
    "Change the {k} from {o} to {n}.",
    "Change {k} from {o} to {n}.",
    "Set {k} to {n} instead of {o}.",
    "Replace the {k} {o} by {n}.",
    "The {k} is no longer {o} but {n}.",
    "In the line {k}, change {o} to {n}.",
    "Update {k} from {o} to {n}.",
    "Correct the {k}: {n}, not {o}.",
)
_CHANGE_KEYED_BLIND: Final = (
    "Change the {k} to {n}.",
    "Set {k} to {n}.",
    "Set the {k} to {n}.",
    "The {k} is now {n}.",
    "Update {k} to {n}.",
    "The new {k} is {n}.",
)
_CHANGE_LINE: Final = (
    "In the line of {k}, change {o} to {n}.",
    "Replace {o} by {n} in the line {k}.",
    "Where {k} speaks, write {n} instead of {o}.",
    "In {k} change {o} to {n}.",
)
_RENAME: Final = (
    "Rename {o} to {n} everywhere.",
    "Rename {o} to {n}.",
    "Replace {o} by {n} everywhere.",
    "Replace every {o} with {n}.",
    "Write {n} instead of {o} in all lines.",
    "{o} is now called {n}; change it everywhere.",
    "Change {o} to {n} throughout.",
    "Replace all occurrences of {o} with {n}.",
)
_DELETE: Final = (
    "Delete the {n} {k}.",
    "Delete the {n} for {k}.",
    "Remove the {n} of {k}.",
    "Remove {k}.",
    "Delete {k}.",
    "Drop the {n} with {k}.",
    "Take out the {n} {k}.",
    "The {n} {k} is no longer needed, delete it.",
    "Strike the {n} for {k}.",
)
_INSERT: Final = (
    "Insert a {n} after {k}: {t}",
    "Insert the {n} {t} after {k}.",
    "After {k}, add the {n}: {t}",
    "Add a {n} after the {n} for {k}: {t}",
    "Below {k} insert: {t}",
    "Insert after {k} the {n}: {t}",
    "Add this {n} after {k}: {t}",
    "Put the {n} {t} after {k}.",
)
