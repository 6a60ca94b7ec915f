"""The independent checker, step by step, on a log that nothing in the ledger wrote."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import canonical, notes
from governance.errors import SealError
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.verify import MAX_PROBLEMS, VerificationReport, verify_log

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "palimpsest/test"


def row(seq: int, **changes: canonical.JsonValue) -> LogRow:
    fields: dict[str, canonical.JsonValue] = {
        "seq": seq,
        "event_id": f"id-{seq}",
        "type": "role.granted",
        "recorded_at_us": seq,
        "subject": "principal:x",
        "extra": "covered by the hash",
    }
    data = canonical.encode(fields | changes)
    when = (fields | changes)["recorded_at_us"]
    assert isinstance(when, int)
    return LogRow(
        seq, f"id-{seq}", "role.granted", when, "principal:x", data, leaf_hash(data), b"box"
    )


def sign(rows: list[LogRow], size: int, key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> str:
    tree = Tree()
    tree.extend(one.leaf for one in rows[:size])
    return notes.sign(notes.Checkpoint(origin, size, tree.root()), key)


@dataclass
class Log:
    """A whole log, to be damaged."""

    rows: list[LogRow] = field(default_factory=lambda: [row(seq) for seq in range(1, 301)])
    signed: list[str] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signed = [sign(self.rows, size) for size in (0, 1, 128, 299, 300)]
        self.tiles = Tree().extend(one.leaf for one in self.rows)

    def check(self, *, origin: str | None = ORIGIN) -> VerificationReport:
        return verify_log(
            self.rows,
            signed=self.signed,
            public_key=KEY.public_key().public_bytes_raw(),
            origin=origin,
            tiles=self.tiles,
        )


@pytest.fixture
def log() -> Log:
    whole = Log()
    report = whole.check()
    assert report.ok, report.problems
    assert (report.events, report.checkpoints, report.unsigned) == (300, 5, 0)
    return whole


def first(report: VerificationReport) -> str:
    assert not report.ok
    return report.problems[0]


def test_an_honest_log_of_any_length_holds() -> None:
    for length in (0, 1, 2, 255, 256, 257):
        log = Log(rows=[row(seq) for seq in range(1, length + 1)])
        log.signed = [sign(log.rows, size) for size in range(length + 1)]
        report = log.check()
        assert report.ok
        tree = Tree()
        tree.extend(one.leaf for one in log.rows)
        assert report.root == tree.root().hex()


# Step 1: checkpoints.


def test_checkpoints_must_be_ours_signed_and_never_shrink(log: Log) -> None:
    signed = log.signed
    log.signed = [*signed[:2], signed[2].replace("\n128\n", "\n127\n"), *signed[3:]]
    assert "checkpoint 3" in first(log.check())
    assert "forged" in first(log.check())
    log.signed = [*signed, sign(log.rows, 300, Ed25519PrivateKey.generate())]
    assert "checkpoint 6" in first(log.check())
    log.signed = [*signed, sign(log.rows, 300, origin="palimpsest/other")]
    assert "another log" in first(log.check())
    assert "another log" in first(log.check(origin=None))  # other than the first one's
    log.signed = [*signed[:3], signed[4], signed[3]]
    assert "goes back from size 300 to 299" in first(log.check())
    log.signed = []
    assert "no valid signed checkpoint" in first(log.check())
    log.signed = signed
    assert log.check().ok


def test_two_roots_signed_at_one_size_are_a_fork(log: Log) -> None:
    other = [*log.rows[:127], row(128, extra="another history")]
    log.signed.insert(3, sign(other, 128))
    report = log.check()
    assert "two different roots were signed" in first(report)
    assert "event 128" in first(report)


# Step 2: numbers and ids.


def test_missing_moved_and_repeated_events_are_named(log: Log) -> None:
    rows = log.rows
    log.rows = rows[:41] + rows[42:]
    assert first(log.check()) == "event 42 is missing or out of order: found event 43 instead"
    log.rows = [*rows[:41], rows[42], rows[41], *rows[43:]]
    assert "event 42 is missing or out of order: found event 43" in first(log.check())
    log.rows = [*rows[:42], rows[41], *rows[42:]]
    assert "event 43 is missing or out of order: found event 42" in first(log.check())
    log.rows = [row(0), *rows]
    assert "event 1 is missing or out of order: found event 0" in first(log.check())
    twin = canonical.encode(canonical.decode(rows[42].header) | {"event_id": "id-42"})
    log.rows = [
        *rows[:42],
        replace(rows[42], event_id="id-42", header=twin, leaf=leaf_hash(twin)),
        *rows[43:],
    ]
    assert first(log.check()) == "event 43: its id is that of event 42"
    assert log.check().first_bad == 43
    log.rows = rows
    assert log.check().ok


# Steps 3 and 4: headers, copies, leaves.


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"event_id": "x"}, "column event_id"),
        ({"type": "role.withdrawn"}, "column type"),
        ({"recorded_at_us": 7}, "column recorded_at_us"),
        ({"subject": "principal:y"}, "column subject"),
        ({"command": "0" * 24}, "column command"),
        ({"event_id": None}, "column event_id"),
        ({"recorded_at_us": None}, "column recorded_at_us"),
        ({"leaf": bytes(32)}, "not the hash of its header"),
        ({"leaf": None}, "not the hash of its header"),
        ({"header": None}, "not the hash of its header"),
        ({"header": b"{}"}, "not the hash of its header"),
    ],
)
def test_every_copy_must_say_what_the_hashed_header_says(
    log: Log, change: dict[str, object], says: str
) -> None:
    log.rows[122] = replace(log.rows[122], **change)  # type: ignore[arg-type]
    assert first(log.check()).startswith("event 123: ")
    assert says in first(log.check())


@pytest.mark.parametrize(
    "header",
    [b"", b"{", b'{"a":1,"a":2}', b'{ "seq":123}', b'{"a":' * 5_000 + b"1" + b"}" * 5_000],
)
def test_an_unreadable_header_is_reported_not_raised(log: Log, header: bytes) -> None:
    log.rows[122] = replace(log.rows[122], header=header, leaf=leaf_hash(header))
    report = log.check()
    assert first(report).startswith("event 123: header altered")
    assert any("event 128" in problem for problem in report.problems)  # and the root differs


# Step 5: roots.


def test_a_consistently_rewritten_event_fails_at_the_next_checkpoint(log: Log) -> None:
    log.rows[199] = row(200, extra="rewritten, leaf and all")
    log.tiles = Tree().extend(one.leaf for one in log.rows)
    report = log.check()
    assert len(report.problems) == 1  # that the root at 300 differs too follows from it
    assert first(report).startswith("at event 299 the root differs from the recomputed one")
    assert "an event after 128 was changed" in first(report)
    assert report.first_bad == 299  # the first signed size that shows it


def test_tiles_that_were_not_rewritten_remember_the_event(log: Log) -> None:
    log.rows[199] = row(200, extra="rewritten, but the tile was forgotten")
    report = log.check()
    assert "the stored tiles remember another event 200" in first(report)
    assert report.first_bad == 200
    assert "tile 0 of level 0 does not hold" in report.problems[1]


# Step 6: tiles.


def test_tiles_must_hold_the_tree(log: Log) -> None:
    (tile,) = log.tiles
    log.tiles = [Tile(0, 0, tile.hashes[:-1] + b"\x00")]
    assert first(log.check()) == "tile 0 of level 0 does not hold the tree's hashes"
    log.tiles = []
    assert first(log.check()) == "tile 0 of level 0 is missing"
    log.tiles = [Tile(0, 0, tile.hashes[:64])]
    assert first(log.check()) == "tile 0 of level 0 does not hold the tree's hashes"
    assert log.check().first_bad is None  # the events are what was signed
    log.tiles = [tile, Tile(0, 1, tile.hashes)]
    assert first(log.check()) == "tile 1 of level 0 does not hold the tree's hashes"
    log.tiles = [tile]
    assert log.check().ok


# Step 7: length.


def test_a_cut_log_is_short_by_so_many(log: Log) -> None:
    log.rows = log.rows[:290]
    assert "the log ends at event 290" in first(log.check())
    assert log.check().first_bad == 291
    assert "10 acknowledged event(s) are missing" in first(log.check())
    log.rows = []
    assert any("300 acknowledged" in problem for problem in log.check().problems)


def test_events_after_the_last_checkpoint_are_counted_not_condemned(log: Log) -> None:
    log.rows += [row(301), row(302)]
    report = log.check()
    assert report.ok
    assert report.unsigned == 2
    assert report.notices == ["2 event(s) after the last checkpoint, at 300"]


def test_a_clock_that_goes_back_is_told_with_event_and_amount(log: Log) -> None:
    """Trust test 12: order comes from the numbers; −1 day, +10 years and equal times."""
    assert log.check().notices == []
    day_us, years_us = 86_400_000_000, 10 * 365 * 86_400_000_000
    times = [years_us, 5, 5, years_us - day_us, years_us - 2 * day_us]
    log.rows += [row(300 + number, recorded_at_us=time) for number, time in enumerate(times, 1)]
    log.signed.append(sign(log.rows, 305))
    report = log.check()
    assert report.ok
    assert report.notices == [
        f"event 302: the clock went back by {years_us / 1e6 - 5e-6:.6f} s",
        "event 305: the clock went back by 86400.000000 s",
    ]


# Step 8: payloads.


def test_payloads_are_opened_counted_and_missing_ones_judged(log: Log) -> None:
    broken: set[int] = set()

    def opens(one: LogRow, header: dict[str, canonical.JsonValue]) -> None:
        assert header["seq"] == one.seq
        if one.seq in broken:
            raise SealError("the sealed payload was altered")

    def check() -> VerificationReport:
        return verify_log(
            log.rows,
            signed=log.signed,
            public_key=KEY.public_key().public_bytes_raw(),
            tiles=log.tiles,
            check_payload=opens,
        )

    log.rows[9] = replace(log.rows[9], sealed=None)
    report = check()
    assert report.ok
    assert (report.payloads, report.erased) == (299, 1)
    broken.add(50)
    assert first(check()) == "event 50: the sealed payload was altered"
    broken.clear()
    log.rows.append(replace(row(301), sealed=None))
    assert first(check()) == "event 301: no checkpoint covers it and its payload is missing"
    log.rows[300] = row(301)
    assert check().ok


def test_the_list_of_problems_is_bounded_and_starts_with_the_cause(log: Log) -> None:
    log.rows = [replace(one, leaf=bytes(32)) for one in log.rows]
    report = log.check()
    assert len(report.problems) == MAX_PROBLEMS
    assert first(report).startswith("event 1: ")
