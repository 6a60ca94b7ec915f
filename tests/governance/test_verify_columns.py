"""The quick check of whole blocks: what it accepts is exactly what is right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance import canonical
from governance.errors import PalimpsestError
from governance.events import FORMAT, Actor, Header, Scope
from governance.merkle import TILE_WIDTH, LogRow, Tree, leaf_hash
from governance.verify import BLOCK, RowBlock, blocks
from governance.verify.columns import (
    Checked,
    check_block,
    check_packed,
    first_repeats,
    pack,
    pack_block,
)
from governance.verify.tree import WholeTiles
from tests.governance.verify_logs import event, header, row_of

GOLDEN = Path(__file__).parents[1] / "golden" / "events.json"


def columns(*rows: LogRow) -> RowBlock:
    (block,) = blocks(rows)
    return block


def quick(rows: Sequence[LogRow], sizes: Sequence[int] = ()) -> Checked | None:
    packed = pack_block(columns(*rows), rows[0].seq)
    return None if packed is None else check_packed(packed, sizes)


# --- what must be accepted -----------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
IDS = st.uuids().map(str)
PLAIN = st.from_regex(r"[a-z.:_0-9é]{1,12}", fullmatch=True)


@given(
    texts=st.tuples(*[TEXT.filter(bool)] * 5),
    causes=st.lists(IDS, max_size=3),
    optional=st.tuples(*[st.none() | TEXT] * 2),
    subject=PLAIN,
    event_id=IDS,
    when=st.integers(0, canonical.MAX_INTEGER),
    command=st.none() | st.from_regex(r"[0-9a-f]{24}", fullmatch=True),
)
@example(
    texts=('"', "\\", "\n", "\x1f", "\x7f\U0001f600"), causes=[], optional=("\x00", "é"),
    subject="key:ab", event_id="00000000-0000-0000-0000-000000000000", when=0, command=None,
)  # fmt: skip
def test_every_header_that_is_written_is_accepted_without_a_second_look(
    texts: tuple[str, ...],
    causes: list[str],
    optional: tuple[str | None, str | None],
    subject: str,
    event_id: str,
    when: int,
    command: str | None,
) -> None:
    actor, tenant, agent, user, _ = texts
    written = Header(
        format=FORMAT, seq=1, event_id=event_id, type="entry.proposed", recorded_at_us=when,
        actor=Actor(kind="human", id=actor[:200]),
        scope=Scope(tenant=tenant, agent=agent, user=user),
        subject=subject, subject_version=1, causes=causes, episode=optional[0],
        policy_digest=optional[1], command=command, payload_commit="ab" * 32,
    )  # fmt: skip
    data = written.canonical()
    found = quick([row_of(data, canonical.decode(data))])
    assert found is not None
    assert found.leaves == leaf_hash(data)
    assert found.ids.hex() == event_id.replace("-", "")


def test_frozen_headers_of_every_type_are_accepted() -> None:
    frozen = json.loads(GOLDEN.read_text("utf-8")).values()
    for one in frozen:
        data = one["header"].encode()
        fields = canonical.decode(data)
        packed = pack(columns(row_of(data, fields)), fields["seq"])  # type: ignore[arg-type]
        assert packed is not None
        assert check_packed([packed], []) is not None, one["header"]


# --- what must not -------------------------------------------------------------------------


def _cut_in(data: bytes, at: int, drop: int, insert: bytes) -> bytes:
    at %= len(data)
    return data[:at] + insert + data[at + drop :]


BYTES = st.sampled_from([
    b'"', b"\\", b"\\u0041", b"\\u000a", b"\\/", b"\\n", b"\n", b"\x00", b"\x1f", b" ", b",", b"0",
    b"-", b"1.0", b"{", b"}", b"[", b"]", b"null", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b'","',
    b'"a":1,', b"e5", b'\\"', b"\x7f", b"",
])  # fmt: skip


@settings(max_examples=1_500)
@given(
    seq=st.integers(1, 6),
    edits=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 4), BYTES), max_size=3),
    escapes=st.booleans(),
)
def test_what_is_accepted_is_canonical_and_says_what_the_columns_say(
    seq: int, edits: list[tuple[int, int, bytes]], *, escapes: bool
) -> None:
    fields = header(seq, episode='a "quoted"\n\x01 name' if escapes else None)
    data = canonical.encode(fields)
    for at, drop, insert in edits:
        data = _cut_in(data, at, drop, insert)
    found = quick([row_of(data, fields)])
    if found is None:
        return
    decoded = canonical.decode(data)  # raises for anything that is not canonical
    for name in ("seq", "event_id", "type", "recorded_at_us", "subject", "command"):
        assert decoded[name] == fields[name]


def damaged() -> Iterator[tuple[str, list[LogRow]]]:
    """Three good events of which something is wrong with the second or with the whole."""
    good = [event(seq) for seq in (1, 2, 3)]
    one = good[1]

    def with_header(data: bytes) -> LogRow:
        return replace(one, header=data, leaf=leaf_hash(data))

    changes: dict[str, LogRow] = {
        "newline": with_header(one.header.replace(b'"run', b'"\nrun').replace(b"desk", b"de\nsk")),
        "two in one": with_header(one.header + b"\n\x00" + good[2].header),
        "empty": with_header(b""),
        "bad utf-8": with_header(one.header.replace(b"desk", b"\xff")),
        "big number": with_header(one.header.replace(b"1767225600000002", b"9007199254740992")),
        "leading zero": with_header(one.header.replace(b'"seq":2', b'"seq":02')),
        "escape": with_header(one.header.replace(b"desk", b"\\u0064esk")),
        "column escape": event(2, subject='entry:"x"'),
        "upper case id": event(2, event_id=str(one.event_id).upper()),
        "odd id": event(2, event_id="0" * 36),
        "dashes elsewhere": event(2, event_id="0123456-789ab-cdef-0123-456789abcdef"),
        "short leaf": replace(one, leaf=one.leaf[:31]),
        "empty command": replace(event(2, command=None), command=""),
        "no command": replace(one, command=None),
        "newline in column": replace(one, subject=f"{one.subject}\n"),
        "number as text": replace(one, recorded_at_us="7"),  # type: ignore[arg-type]
        "no id": replace(one, event_id=None),  # type: ignore[arg-type]
        "negative time": event(2, recorded_at_us=-1),
        "other format": event(2, format=2),
        "a key too many": event(2, zusatz=1),
    }
    for name, row in changes.items():
        yield name, [good[0], row, good[2]]
    moved = [replace(good[0], leaf=good[0].leaf + b"x"), replace(one, leaf=one.leaf[1:]), good[2]]
    yield "leaves shifted", moved
    first, second = good[0].subject, one.subject
    yield "columns shifted", [
        replace(good[0], subject=f"{first}\n{second}"), replace(one, subject=""), good[2],
    ]  # fmt: skip
    yield "order", [good[1], good[0], good[2]]


LEGAL = {"column escape", "upper case id", "odd id", "dashes elsewhere", "negative time",
         "other format", "a key too many"}  # fmt: skip


@pytest.mark.parametrize(("name", "rows"), list(damaged()), ids=lambda one: str(one)[:24])
def test_doubtful_blocks_get_a_second_look(name: str, rows: list[LogRow]) -> None:
    packed = pack_block(columns(*rows), 1)
    assert packed is None or check_packed(packed, []) is None
    found = check_block(columns(*rows), 1, [])
    assert bool(found.findings) == (name not in LEGAL)
    good = [event(seq) for seq in (1, 2, 3)]
    assert quick(good) is not None
    assert not check_block(columns(*good), 1, []).findings


def test_what_is_wrong_is_narrowed_down_to_its_tile() -> None:
    rows = [event(seq) for seq in range(1, 3 * TILE_WIDTH + 1)]
    rows[300] = replace(rows[300], subject="entry:other")
    found = check_block(columns(*rows), 1, [])
    assert [finding.event for finding in found.findings] == [301]
    rows[300] = event(301)
    assert quick(rows) == check_block(columns(*rows), 1, [])


# --- hashes, ids, blocks -------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 700])
def test_tails_and_tile_roots_give_the_root_at_every_size(length: int) -> None:
    rows = [event(seq) for seq in range(1, length + 1)]
    found = quick(rows, range(1, length + 1))
    assert found is not None
    tree, whole = Tree(), WholeTiles()
    for size, row in enumerate(rows, start=1):
        tree.append(row.leaf)
        if size % TILE_WIDTH == 0:
            at = 32 * whole.count
            whole.add(found.tile_roots[at : at + 32])
        assert whole.root(found.tails[size - 1]) == tree.root()
    assert found.tails[-1] == found.tails[-2]  # the end of the block
    assert found.leaves == b"".join(row.leaf for row in rows)


@given(st.lists(st.integers(0, 30), max_size=40))
def test_repeated_ids_are_found_wherever_they_are(numbers: list[int]) -> None:
    # Ids that share the half that is sorted are told apart by the other.
    ids = b"".join(bytes([0] * 7 + [n % 7] + [0] * 7 + [n // 7]) for n in numbers)
    expected = [(at, numbers.index(n)) for at, n in enumerate(numbers) if n in numbers[:at]]
    assert first_repeats(ids) == expected


def test_rows_and_blocks_of_any_size_become_whole_blocks() -> None:
    rows = [event(seq) for seq in range(1, 2 * BLOCK + 10)]

    def cut(*sizes: int) -> Iterator[LogRow | RowBlock]:
        at = 0
        for size in sizes:
            yield columns(*rows[at : at + size])
            at += size
        yield from rows[at:]

    for sizes in ((), (BLOCK,), (BLOCK, BLOCK), (10, 20, BLOCK - 30, BLOCK), (BLOCK - 1,)):
        found = list(blocks(cut(*sizes)))
        assert [len(block.seqs) for block in found] == [BLOCK, BLOCK, 9]
        assert [row for block in found for row in block.rows()] == rows
    unsealed = replace(columns(*rows[:2]), sealed=None)
    assert [row.sealed for row in unsealed.rows()] == [None, None]
    assert list(blocks([])) == []


def test_a_header_that_is_not_canonical_is_no_header() -> None:
    with pytest.raises(PalimpsestError):
        canonical.decode(b'{"b":1,"a":2}')
    assert quick([replace(event(1), header=b'{"b":1,"a":2}')]) is None
    assert quick([event(1)]) is not None
