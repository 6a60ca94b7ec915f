"""The scan behind :func:`verify_log`; its steps are numbered in the package's docstring."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

from governance import canonical, notes
from governance.errors import CheckpointError, PalimpsestError
from governance.merkle import EMPTY_ROOT, TILE_WIDTH, LogRow, RowBlock, Tile
from governance.verify.columns import (
    HASH_BYTES,
    Checked,
    blocks,
    first_repeats,
    header_of,
)
from governance.verify.keys import KEY_ROTATED, SigningKeys, rotated_to
from governance.verify.pipeline import check_blocks
from governance.verify.report import Rank, VerificationReport
from governance.verify.tree import StoredTiles, WholeTiles

CheckPayload = Callable[[LogRow, dict[str, canonical.JsonValue]], None]


def verify_log(
    rows: Iterable[LogRow | RowBlock],
    *,
    signed: Sequence[str],
    public_key: bytes,
    origin: str | None = None,
    tiles: Iterable[Tile] = (),
    check_payload: CheckPayload | None = None,
    newest_key: bytes | None = None,
    processes: int = 2,
    progress: Callable[[int], None] | None = None,
) -> VerificationReport:
    """Check a whole log; never raises for what is wrong with it.

    Args:
        rows: All events, in the order the store returns them; fastest as blocks of
            :data:`BLOCK`.
        signed: Signed checkpoint notes, oldest first.
        public_key: Raw Ed25519 key that the log began with.
        origin: Name of the log on its checkpoints; ``None``: whatever the first one says.
        tiles: Stored tiles of the tree, by level then index; read as they are needed.
        check_payload: Opens one row's payload given its decoded header and raises a
            :class:`PalimpsestError` when it does not match; ``None`` skips step 8.
        newest_key: When known, the key that the rotations must have led to.
        processes: At most so many work on a long log; the report does not depend on it.
        progress: Told how many events are checked, now and then.

    Returns:
        The report. Memory use grows by 16 bytes an event and by the notes.

    Side effects: starts helper processes for a long log, and ends them.
    """
    scan = _Scan(signed, tiles, check_payload)
    for block, checked in check_blocks(blocks(rows), scan.sizes, processes):
        scan.add(block, checked)
        if progress is not None:
            progress(scan.report.events)
    scan.finish(public_key, newest_key, origin)
    return scan.report


class _Scan:
    """Everything that is known of the log so far."""

    def __init__(
        self, signed: Sequence[str], tiles: Iterable[Tile], check_payload: CheckPayload | None
    ) -> None:
        self.report = VerificationReport()
        self.sizes = _sizes(signed)
        self._signed = signed
        self._roots = bytearray()
        """The recomputed root at each of ``sizes``, as far as the log goes."""
        self._whole = WholeTiles()
        self._tail: list[bytes] = []
        self._stored = StoredTiles(tiles)
        self._check_payload = check_payload
        self._without_payload = array("q")
        self._ids = bytearray()
        self._rotations: list[tuple[int, bytes]] = []
        self._clock: int | None = None

    def add(self, block: RowBlock, checked: Checked) -> None:
        """The next block."""
        first = self.report.events + 1
        for finding in checked.findings:
            self.report.bad(finding.event, finding.text)
        self._ids += checked.ids
        self._grow(checked, len(block.seqs))
        self._watch_clock(block, first)
        if checked.findings or KEY_ROTATED in block.types:
            self._find_rotations(block, first)
        if self._check_payload is not None:
            for position, row in enumerate(block.rows(), start=first):
                self._open(row, position, self._check_payload)
        self.report.events += len(block.seqs)

    def _grow(self, checked: Checked, count: int) -> None:
        """Add a block's hashes to the tree, stopping at each checkpointed size."""
        base = self._whole.count
        for tail, size in zip(
            checked.tails[:-1], self.sizes[len(self._roots) // HASH_BYTES :], strict=False
        ):
            self._add_tiles(checked, base, size // TILE_WIDTH - base)
            self._roots += self._whole.root(tail)
        self._add_tiles(checked, base, count // TILE_WIDTH)
        self._tail = checked.tails[-1]

    def _add_tiles(self, checked: Checked, base: int, count: int) -> None:
        width = HASH_BYTES * TILE_WIDTH
        for at in range(self._whole.count - base, count):
            hashes = checked.leaves[width * at : width * (at + 1)]
            root = checked.tile_roots[HASH_BYTES * at : HASH_BYTES * (at + 1)]
            for tile in (Tile(0, base + at, hashes), *self._whole.add(root)):
                self._stored.expect(tile)

    def _watch_clock(self, block: RowBlock, first: int) -> None:
        """Order comes from the numbers; a clock that went back is told, not condemned."""
        column: Sequence[object] = block.recorded_at_us  # an attacker may have put anything
        before = self._clock
        if _ascend(column, before):
            self._clock = block.recorded_at_us[-1]
            return
        times = [(at, time) for at, time in enumerate(column, first) if isinstance(time, int)]
        for position, time in times:
            if before is not None and time < before:
                back_s = (before - time) / 1e6
                self.report.notice(f"event {position}: the clock went back by {back_s:.6f} s")
            before = time
        self._clock = before

    def _find_rotations(self, block: RowBlock, first: int) -> None:
        """From the hashed headers, not from columns that may lie."""
        for position, row in enumerate(block.rows(), start=first):
            header = header_of(row)
            if header is None or header.get("type") != KEY_ROTATED:
                continue
            key = rotated_to(header)
            if key is None:
                self.report.bad(position, f"event {position}: its subject names no signing key")
            else:
                self._rotations.append((position, key))

    def _open(self, row: LogRow, position: int, check: CheckPayload) -> None:
        """Step 8 for one row; whether a payload may be missing is decided at the end."""
        header = header_of(row)
        if header is None:
            return
        try:
            check(row, header)
        except PalimpsestError as error:
            self.report.bad(position, f"event {row.seq}: {error}")
            return
        if row.sealed is not None:
            self.report.payloads += 1
        else:
            self._without_payload.append(position)

    def finish(self, public_key: bytes, newest_key: bytes | None, origin: str | None) -> None:
        """What can only be said once the whole log was seen."""
        report = self.report
        report.root = self._whole.root(self._tail).hex()
        for place, first in first_repeats(bytes(self._ids)):  # step 2
            report.bad(place + 1, f"event {place + 1}: its id is that of event {first + 1}")
        self._stored.finish(report)  # step 6
        keys = SigningKeys(public_key, self._rotations)
        if newest_key is not None and keys.newest != newest_key:
            report.add(
                f"the events lead to the signing key {keys.newest.hex()}, but the ledger's is "
                f"{newest_key.hex()}",
                rank=Rank.CHECKPOINT,
                place=0,
            )
        largest = self._check_notes(keys, origin)
        if report.events < largest:  # step 7
            report.bad(
                report.events + 1,
                f"the log ends at event {report.events}, but a checkpoint was signed at "
                f"{largest}: {largest - report.events} acknowledged event(s) are missing",
                rank=Rank.LENGTH,
            )
        report.unsigned = max(0, report.events - largest)
        if report.unsigned:
            report.notice(f"{report.unsigned} event(s) after the last checkpoint, at {largest}")
        report.erased = bisect_right(self._without_payload, largest)
        for position in self._without_payload[report.erased :]:
            report.bad(
                position, f"event {position}: no checkpoint covers it and its payload is missing"
            )

    def _check_notes(self, keys: SigningKeys, origin: str | None) -> int:
        """Steps 1 and 5; returns the largest size that was signed."""
        last: notes.Checkpoint | None = None
        agreed: int | None = 0
        for number, note in enumerate(self._signed, start=1):
            try:
                checkpoint, wrong = keys.check(note, origin)
            except CheckpointError as error:
                self._bad_note(number, str(error))
                continue
            origin = checkpoint.origin
            self.report.checkpoints += not wrong
            if wrong:  # for all that, the log's own key vouches for the root
                self._bad_note(number, wrong)
            if last is not None and checkpoint.size < last.size:
                self._bad_note(number, f"goes back from size {last.size} to {checkpoint.size}")
                continue
            forked = last is not None and last.size == checkpoint.size
            if last is not None and forked and last.root != checkpoint.root:
                self.report.bad(
                    checkpoint.size,
                    f"at event {checkpoint.size} two different roots were signed: the log forked",
                )
            elif agreed is not None:
                agreed = self._check_root(checkpoint, agreed)
            last = checkpoint
        if last is None:
            self.report.add(
                "there is no valid signed checkpoint: the log could have been cut or rewritten",
                rank=Rank.CHECKPOINT,
                place=len(self._signed) + 1,
            )
        return 0 if last is None else last.size

    def _bad_note(self, number: int, text: str) -> None:
        self.report.add(f"checkpoint {number}: {text}", rank=Rank.CHECKPOINT, place=number)

    def _check_root(self, checkpoint: notes.Checkpoint, agreed: int) -> int | None:
        """The size up to which roots agree; ``None`` after the first that does not."""
        root = self._root_at(checkpoint.size)
        if root is None or root == checkpoint.root:
            return checkpoint.size
        event = self._stored.first_event(agreed, checkpoint.size)
        self.report.bad(
            event or checkpoint.size,
            f"at event {checkpoint.size} the root differs from the recomputed one: an event "
            f"after {agreed} was changed, removed or inserted after it was acknowledged"
            + (f"; the stored tiles remember another event {event}" if event else ""),
        )
        return None

    def _root_at(self, size: int) -> bytes | None:
        """The recomputed root; ``None`` beyond the end of the log (step 7 speaks of that)."""
        if size == 0:
            return EMPTY_ROOT
        at = HASH_BYTES * bisect_left(self.sizes, size)
        return bytes(self._roots[at : at + HASH_BYTES]) or None


def _ascend(times: Sequence[object], before: int | None) -> bool:
    """Whether these are integers that never fall, from ``before`` on."""
    numbers = [time for time in times if isinstance(time, int)]
    return (
        len(numbers) == len(times)
        and numbers == sorted(numbers)
        and (before is None or before <= numbers[0])
    )


def _sizes(signed: Sequence[str]) -> array[int]:
    """The sizes that checkpoints claim, ascending; a note that is none is named later."""
    found = set()
    for note in signed:
        try:
            found.add(notes.parse(note).size)
        except CheckpointError:
            continue
    return array("q", sorted(found - {0}))
