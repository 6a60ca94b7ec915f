"""CSV tables and ledgers: one element a row, fields named by the header.

Delimiter is the one of ``, ; TAB |`` that the header line uses most. The order of rows
counts, the order of columns does not (fields are named). Blank lines are layout. A row
with too many or too few cells is kept as it is and compared as such.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from governance.drift.domains.elements import (
    Element,
    FieldValue,
    checked,
    exact_field,
    refuse_binary,
    value_field,
)
from governance.errors import DocumentParseError

_DELIMITERS: Final = (",", ";", "\t", "|")
_KEY_COLUMN = re.compile(
    r"(?:^|[_\s-])(?:id|no|nr|number|ref|reference|key|code|uid)\.?$|^(?:#|entry|claim|booking|voucher)$",
    re.IGNORECASE,
)


class LedgerDomain:
    """Comma- (or semicolon-, tab-, bar-) separated values with a header."""

    name = "ledger"
    suffixes = (".csv", ".tsv")

    def parse(self, text: str) -> tuple[Element, ...]:
        """One element a data row, and the header as frame.

        Raises:
            DocumentParseError: unbalanced quotes, binary content or no data row.
        """
        refuse_binary(text, domain=self.name)
        lines = _read(text, self.name)
        if not lines:
            return checked((), domain=self.name)
        (_, header, header_raw), *rows = lines
        names = _column_names(header)
        key = next((i for i, name in enumerate(header) if _KEY_COLUMN.search(name.strip())), None)
        elements = [_header(names, header_raw)]
        elements += [_row(number, cells, names, key, raw) for number, cells, raw in rows]
        return checked(elements, domain=self.name)


def _read(text: str, domain: str) -> list[tuple[int, list[str], str]]:
    """(first line number, cells, raw text) of every non-blank record."""
    text = text.removeprefix("\ufeff")
    opening = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=opening.count)
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str], str]] = []
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((before + 1, cells, "".join(lines[before : reader.line_num])))
            before = reader.line_num
    except csv.Error as error:
        raise DocumentParseError(
            str(error),
            domain=domain,
            where=f"line {before + 1}",
            hint="check the quotes of this row",
        ) from error
    return records


def _column_names(header: Sequence[str]) -> list[str]:
    """Header cells, made unique so that no cell hides another."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for cell in header:
        name = cell.strip()
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _header(names: Sequence[str], raw: str) -> Element:
    fields = tuple(exact_field(name, name) for name in names)
    return Element("header", "header", fields, "line 1", raw, None, frame=True)


def _row(
    number: int, cells: Sequence[str], names: Sequence[str], key: int | None, raw: str
) -> Element:
    fields: list[FieldValue] = [
        value_field(names[i] if i < len(names) else f"column {i + 1}", cell)
        for i, cell in enumerate(cells)
    ]
    identity = cells[key].strip() if key is not None and key < len(cells) else ""
    return Element("row", identity, tuple(fields), f"line {number}", raw, "rows")
