"""Columns of many events, and steps 2 to 4 of verification, block by block.

:func:`check_packed` checks thousands of events with a handful of C calls: one regular
expression over all headers says that each is the canonical form of a format-1 header and
yields the fields that are also columns. It only ever says *yes*; whatever it does not
accept is judged event by event, with words for what is wrong. Either way the result holds
the hashes that the tree is built from. Pure; runs in helper processes for long logs.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Final

import numpy as np

from governance import canonical
from governance.errors import PalimpsestError
from governance.merkle import TILE_WIDTH, LogRow, RowBlock, leaf_hash

BLOCK: Final = 16 * TILE_WIDTH
"""Events per block: whole tiles, so that blocks can be hashed apart from each other."""

HASH_BYTES: Final = 32
ID_BYTES: Final = 16
_TILE_LEVELS: Final = TILE_WIDTH.bit_length() - 1
_CONTROLS_END: Final = 0x20

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_DASHES = [8, 13, 18, 23]
_UUID_DIGITS = [at for at in range(36) if at not in _UUID_DASHES]
_UUID_LINE = len("00000000-0000-0000-0000-000000000000\n")
_ESCAPE = r'\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))'


def _headers(text: str, plain: str) -> re.Pattern[str]:
    """One canonical header of format 1 on a line of its own.

    Args:
        text: Matches a string with its quotes.
        plain: Matches what is between the quotes of a field that is also a column.
    """
    number = "0|[1-9][0-9]{0,15}"
    return re.compile(
        rf'^\x00{{"actor":{{"id":{text},"kind":{text}}},'
        rf'"causes":\[(?:\]|{text}(?:\]|(?:,{text})+\])),'
        rf'"command":(?:null|"({plain}+)"),"episode":(?:null|{text}),'
        rf'"event_id":"([-0-9a-f]{{36}})","format":1,"payload_commit":{text},'
        rf'"policy_digest":(?:null|{text}),"recorded_at_us":({number}),'
        rf'"scope":{{"agent":{text},"tenant":{text},"user":{text}}},"seq":({number}),'
        rf'"subject":"({plain}*)","subject_version":[1-9][0-9]{{0,9}},"type":"({plain}*)"}}$',
        re.MULTILINE,
    )


# Control characters are looked for apart from these, all at once: here that costs most.
_PLAIN_HEADERS = _headers('"[^"]*"', '[^"]')
_ESCAPED_HEADERS = _headers(rf'"[^"\\]*(?:{_ESCAPE}[^"\\]*)*"', r'[^"\\]')


def blocks(rows: Iterable[LogRow | RowBlock]) -> Iterator[RowBlock]:
    """All rows in blocks of exactly :data:`BLOCK`, the last one shorter.

    Blocks of that size are passed on as they are; others are taken apart and joined.
    """
    waiting: list[LogRow] = []
    for item in rows:
        if isinstance(item, LogRow):
            waiting.append(item)
        elif len(item.seqs) == BLOCK and not waiting:
            yield item
        else:
            waiting += item.rows()
        while len(waiting) >= BLOCK:
            yield RowBlock.of(waiting[:BLOCK])
            del waiting[:BLOCK]
    if waiting:
        yield RowBlock.of(waiting)


@dataclass(frozen=True)
class Packed:
    """The events of one tile as few long strings, cheap to compare and to hand to another process.

    One line per event in every field but ``leaves``, which has no separator; each line of
    ``headers`` starts with the 0x00 of the leaf hash.
    """

    first: int
    count: int
    commands: str
    event_ids: str
    recorded_at_us: str
    subjects: str
    types: str
    headers: bytes
    leaves: bytes


@dataclass(frozen=True)
class Finding:
    """Something wrong with one event."""

    event: int
    text: str


@dataclass(frozen=True)
class Checked:
    """What a block turned out to hold.

    ``ids`` has 16 bytes per event, equal exactly when the event ids are (but for a collision
    of SHA-256 cut to 128 bits, among ids that are no UUIDs). ``leaves`` and ``tile_roots``
    are recomputed hashes, joined. ``tails`` holds, for each size asked for and for the end
    of the block, the roots of the perfect trees after the last whole tile, largest first.
    """

    ids: bytes
    leaves: bytes
    tile_roots: bytes
    tails: list[list[bytes]]
    findings: list[Finding]


def pack(block: RowBlock, first: int) -> Packed | None:
    """A tile for :func:`check_packed`; ``None`` when it surely would not be accepted.

    Args:
        block: One tile's events, or fewer at the end of the log; not empty.
        first: Number that its first event must have.
    """
    length = len(block.seqs)
    try:
        fits = (
            list(block.seqs) == list(range(first, first + length))
            and "" not in block.commands
            and max(block.recorded_at_us) <= canonical.MAX_INTEGER
            and set(map(len, block.leaves)) == {HASH_BYTES}
        )
        if not fits:
            return None
        return Packed(
            first, length,
            "\n".join([command or "" for command in block.commands]),
            "\n".join(block.event_ids),
            "\n".join(map(str, block.recorded_at_us)),
            "\n".join(block.subjects),
            "\n".join(block.types),
            b"\x00" + b"\n\x00".join(block.headers),
            b"".join(block.leaves),
        )  # fmt: skip
    except TypeError:  # no text, number or bytes where the schema has them
        return None


def pack_block(block: RowBlock, first: int) -> list[Packed] | None:
    """Every tile of ``block``; ``None`` when one would surely not be accepted."""
    tiles = []
    for start, part in zip(count(first, TILE_WIDTH), block.tiles(), strict=False):
        packed = pack(part, start)
        if packed is None:
            return None
        tiles.append(packed)
    return tiles


def check_packed(tiles: Sequence[Packed], sizes: Sequence[int]) -> Checked | None:
    """Steps 2 to 4 for a block in which nothing is wrong; ``None`` for any other.

    Args:
        tiles: What :func:`pack` made of each tile of the block.
        sizes: Log sizes within the block whose ``tails`` are wanted, ascending.
    """
    ids: list[bytes] = []
    leaves: list[bytes] = []
    with _without_collector():
        for packed in tiles:
            accepted = _accept(packed)
            if accepted is None:
                return None
            ids.append(accepted[0])
            leaves += accepted[1]
    return _checked(ids, leaves, tiles[0].first, sizes, [])


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing here makes a cycle, and looking for some among the tuples takes 15 %."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def check_block(block: RowBlock, first: int, sizes: Sequence[int]) -> Checked:
    """Steps 2 to 4 for any block; what is wrong is narrowed down tile by tile.

    Args:
        block: Rows that should be events ``first`` onwards; not empty.
        first: A multiple of the tile width, plus one.
        sizes: As for :func:`check_packed`.
    """
    ids: list[bytes] = []
    leaves: list[bytes] = []
    findings: list[Finding] = []
    for start, part in zip(count(first, TILE_WIDTH), block.tiles(), strict=False):
        packed = pack(part, start)
        accepted = None if packed is None else _accept(packed)
        if accepted is not None:
            ids.append(accepted[0])
            leaves += accepted[1]
            continue
        for position, row in enumerate(part.rows(), start):
            findings += (Finding(position, text) for text in _wrong(row, position))
            ids.append(_id_bytes(row.event_id))
            leaves.append(leaf_hash(_header_bytes(row)))
    return _checked(ids, leaves, first, sizes, findings)


def _accept(packed: Packed) -> tuple[bytes, list[bytes]] | None:
    """Ids and leaves of a block whose headers, columns and leaves all fit.

    Why the long strings suffice: each of ``count`` lines must start with 0x00, and with the
    newlines between them these are all control characters there are, so no header holds
    one. On ``count`` lines, ``count`` matches from line start to line end are one to a
    line. No group holds a newline then, so equal joined columns have equal items.
    """
    lines = packed.headers.split(b"\n")
    controls = np.count_nonzero(np.frombuffer(packed.headers, np.uint8) < _CONTROLS_END)
    if len(lines) != packed.count or controls != 2 * packed.count - 1:
        return None
    try:
        text = packed.headers.decode()
    except UnicodeDecodeError:
        return None
    found = (_ESCAPED_HEADERS if "\\" in text else _PLAIN_HEADERS).findall(text)
    if len(found) != packed.count:
        return None
    columns = ["\n".join(column) for column in zip(*found, strict=True)]
    seqs = "\n".join(map(str, range(packed.first, packed.first + packed.count)))
    if columns != [
        packed.commands, packed.event_ids, packed.recorded_at_us, seqs, packed.subjects,
        packed.types,
    ]:  # fmt: skip
        return None
    leaves = [sha256(line).digest() for line in lines]
    ids = _uuids(packed.event_ids, packed.count)
    if ids is None or b"".join(leaves) != packed.leaves:
        return None
    return ids, leaves


def _uuids(lines: str, count: int) -> bytes | None:
    """16 bytes per line of 36 dashes and digits; ``None`` unless all dashes stand right."""
    table = np.frombuffer(f"{lines}\n".encode(), np.uint8).reshape(count, _UUID_LINE)
    if (table[:, _UUID_DASHES] != ord("-")).any():
        return None
    try:
        return bytes.fromhex(table[:, _UUID_DIGITS].tobytes().decode())
    except ValueError:  # a dash too many
        return None


def header_of(row: LogRow) -> dict[str, canonical.JsonValue] | None:
    """The decoded header; ``None`` when it is not canonical."""
    try:
        return canonical.decode(_header_bytes(row))
    except PalimpsestError:
        return None


def _header_bytes(row: LogRow) -> bytes:
    """The header, also of a table whose ``NOT NULL`` an attacker removed."""
    header: object = row.header
    return header if isinstance(header, bytes) else b""


def _wrong(row: LogRow, position: int) -> Iterator[str]:
    if row.seq != position:  # step 2
        yield f"event {position} is missing or out of order: found event {row.seq} instead"
    data = _header_bytes(row)
    if row.leaf != leaf_hash(data):  # step 4
        yield f"event {row.seq}: the stored leaf is not the hash of its header"
    try:
        header = canonical.decode(data)
    except PalimpsestError as error:
        yield f"event {row.seq}: header altered ({error})"
        return
    copies = {
        "seq": row.seq,
        "event_id": row.event_id,
        "type": row.type,
        "recorded_at_us": row.recorded_at_us,
        "subject": row.subject,
        "command": row.command,
    }
    for name, copy in copies.items():  # step 3
        if header.get(name) != copy:
            yield (
                f"event {row.seq}: column {name} says {copy!r}, the hashed header "
                f"says {header.get(name)!r}"
            )


def _id_bytes(event_id: str) -> bytes:
    text = str(event_id)
    if _UUID.fullmatch(text):
        return bytes.fromhex(text.replace("-", ""))
    return sha256(text.encode(errors="surrogatepass")).digest()[:ID_BYTES]


def _checked(
    ids: Sequence[bytes],
    leaves: list[bytes],
    first: int,
    sizes: Sequence[int],
    findings: list[Finding],
) -> Checked:
    levels = [leaves]
    for _ in range(_TILE_LEVELS):
        below = levels[-1]
        levels.append([
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(below[::2], below[1::2], strict=False)
        ])  # fmt: skip
    tails = [
        _tail(levels, length) for length in (*(size - first + 1 for size in sizes), len(leaves))
    ]
    return Checked(b"".join(ids), b"".join(leaves), b"".join(levels[-1]), tails, findings)


def _tail(levels: Sequence[Sequence[bytes]], length: int) -> list[bytes]:
    """Roots of the perfect trees that cover what follows the last whole tile of ``length``."""
    return [
        levels[height][(length >> height) - 1]
        for height in reversed(range(_TILE_LEVELS))
        if length >> height & 1
    ]


def first_repeats(ids: bytes) -> list[tuple[int, int]]:
    """Pairs (repeat, first use) of positions, from 0, at which 16-byte ids are equal.

    Sorts one half of each id, the one that is random in a UUIDv7, so that a million ids
    take tens of megabytes and not hundreds.
    """
    halves = np.frombuffer(ids, dtype=">u8").reshape(-1, 2)
    ordered = np.sort(halves[:, 1].astype(np.uint64))
    suspects = ordered[1:][ordered[1:] == ordered[:-1]]
    places = np.flatnonzero(np.isin(halves[:, 1], suspects)).tolist() if len(suspects) else []
    seen: dict[bytes, int] = {}
    repeats = []
    for place in places:
        first = seen.setdefault(ids[ID_BYTES * place : ID_BYTES * (place + 1)], place)
        if first != place:
            repeats.append((place, first))
    return repeats
