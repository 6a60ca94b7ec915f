"""The independent checker: does the log prove what it claims?

Imports nothing above ``merkle``, ``notes`` and ``canonical``, so it can judge a ledger
without trusting the code that wrote it. Steps, numbered as in the code below:

1. Every checkpoint is signed by the given key, names this log, and sizes never shrink.
2. Sequence numbers run 1, 2, 3, … without gap, repeat or swap; event ids are unique.
3. Each header is canonical, and every unhashed copy beside it says the same.
4. Each leaf is the hash of its header.
5. At every checkpointed size the recomputed root equals the signed one.
6. Stored tiles hold exactly the recomputed hashes.
7. The log is not shorter than its last checkpoint.
8. Every payload still present opens and matches its header and commitment; one that no
   checkpoint covers yet must be present, because only its payload shows who wrote it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from governance import canonical, notes
from governance.errors import CheckpointError, PalimpsestError
from governance.merkle import LogRow, Tile, Tree, leaf_hash

MAX_PROBLEMS = 20
"""A verifier that prints a million lines helps nobody; the first ones name the cause."""


@dataclass
class VerificationReport:
    """What was checked, and everything that is wrong, first cause first."""

    events: int = 0
    checkpoints: int = 0
    payloads: int = 0
    erased: int = 0
    unsigned: int = 0
    """Events after the last checkpoint: committed, but nobody was told so."""
    root: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    def add(self, problem: str) -> None:
        """Note a problem, up to :data:`MAX_PROBLEMS`."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def verify_log(
    rows: Iterable[LogRow],
    *,
    signed: Sequence[str],
    public_key: bytes,
    origin: str | None = None,
    tiles: Iterable[Tile] = (),
    check_payload: Callable[[LogRow, dict[str, canonical.JsonValue]], None] | None = None,
) -> VerificationReport:
    """Check a whole log; never raises for what is wrong with it.

    Args:
        rows: All events, in the order the store returns them.
        signed: Signed checkpoint notes, oldest first.
        public_key: Raw Ed25519 key the checkpoints must be signed with.
        origin: Name of the log on its checkpoints; ``None``: whatever the first one says.
        tiles: Stored tiles of the tree.
        check_payload: Opens one row's payload given its decoded header and raises a
            :class:`PalimpsestError` when it does not match; ``None`` skips step 8.

    Returns:
        The report; memory use does not grow with the log beyond its tiles.
    """
    report = VerificationReport()
    expected_roots = _checkpoints(signed, public_key, origin, report)
    tree = Tree()
    computed: dict[tuple[int, int], bytes] = {}
    seen: set[str] = set()
    largest = max(expected_roots, default=0)
    for row in rows:
        report.events += 1
        header = _check_row(row, report.events, seen, report)
        report.unsigned += report.events > largest
        if check_payload is not None and header is not None:
            _check_payload(row, header, check_payload, report)
        for tile in tree.append(leaf_hash(row.header)):
            computed[tile.level, tile.index] = tile.hashes
        _check_root(tree, expected_roots, report)
    _check_tiles(tiles, computed, report)
    report.root = tree.root().hex()
    if report.events < largest:  # step 7
        report.add(
            f"the log ends at event {report.events}, but a checkpoint was signed at "
            f"{largest}: {largest - report.events} acknowledged event(s) are missing"
        )
    return report


def _checkpoints(
    signed: Sequence[str], public_key: bytes, origin: str | None, report: VerificationReport
) -> dict[int, set[bytes]]:
    """Step 1: size → signed roots (two different ones at a size are a fork)."""
    roots: dict[int, set[bytes]] = defaultdict(set)
    size = 0
    for number, note in enumerate(signed, start=1):
        try:
            checkpoint = notes.verify(note, public_key, origin=origin)
        except CheckpointError as error:
            report.add(f"checkpoint {number}: {error}")
            continue
        if checkpoint.size < size:
            report.add(f"checkpoint {number} goes back from size {size} to {checkpoint.size}")
        origin, size = checkpoint.origin, checkpoint.size
        roots[checkpoint.size].add(checkpoint.root)
        report.checkpoints += 1
    if not roots:
        report.add("there is no valid signed checkpoint: the log could have been cut or rewritten")
    return roots


def _check_row(
    row: LogRow, position: int, seen: set[str], report: VerificationReport
) -> dict[str, canonical.JsonValue] | None:
    """Steps 2 to 4 for one row; the decoded header when it can be read."""
    if row.seq != position:  # step 2
        report.add(f"event {position} is missing or out of order: found event {row.seq} instead")
    if row.event_id in seen:
        report.add(f"event {row.seq}: id {row.event_id} occurs twice")
    seen.add(row.event_id)
    if row.leaf != leaf_hash(row.header):  # step 4
        report.add(f"event {row.seq}: the stored leaf is not the hash of its header")
    try:
        header = canonical.decode(row.header)
    except PalimpsestError as error:
        report.add(f"event {row.seq}: header altered ({error})")
        return None
    copies = {
        "seq": row.seq,
        "event_id": row.event_id,
        "type": row.type,
        "recorded_at_us": row.recorded_at_us,
        "subject": row.subject,
    }
    for name, copy in copies.items():  # step 3
        if header.get(name) != copy:
            report.add(
                f"event {row.seq}: column {name} says {copy!r}, the hashed header "
                f"says {header.get(name)!r}"
            )
    return header


def _check_payload(
    row: LogRow,
    header: dict[str, canonical.JsonValue],
    check: Callable[[LogRow, dict[str, canonical.JsonValue]], None],
    report: VerificationReport,
) -> None:
    """Step 8 for one row."""
    try:
        check(row, header)
    except PalimpsestError as error:
        report.add(f"event {row.seq}: {error}")
        return
    if row.sealed is not None:
        report.payloads += 1
    elif report.unsigned:
        report.add(f"event {row.seq}: no checkpoint covers it and its payload is missing")
    else:
        report.erased += 1


def _check_root(tree: Tree, expected: dict[int, set[bytes]], report: VerificationReport) -> None:
    """Step 5 at the tree's present size."""
    signed = expected.get(tree.size)
    if signed and signed != {tree.root()}:
        what = "two different roots were signed" if len(signed) > 1 else "the root differs"
        report.add(
            f"at event {tree.size} {what} from the recomputed one: an event at or before it "
            "was changed, removed or inserted after it was acknowledged"
        )


def _check_tiles(
    tiles: Iterable[Tile], computed: dict[tuple[int, int], bytes], report: VerificationReport
) -> None:
    """Step 6."""
    stored = set()
    for tile in tiles:
        place = (tile.level, tile.index)
        stored.add(place)
        if computed.get(place) != tile.hashes:
            report.add(f"tile {tile.index} of level {tile.level} does not hold the tree's hashes")
    missing = sorted(set(computed) - stored) if stored or computed else []
    for level, index in missing:
        report.add(f"tile {index} of level {level} is missing")
