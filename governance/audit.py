"""A home's own check of everything it holds: the independent checker, fed from its files.

``governance.verify`` says what the log proves; here it gets rows, notes and tiles, and the
keys with which payloads open. Works on a log that is too damaged to be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

from governance import canonical
from governance.batch import mentions_of
from governance.checked import HIGHEST, LOWEST, MENTIONING, CheckedLog
from governance.events import KeyRotated
from governance.merkle import LogRow
from governance.store import Mention
from governance.verify import BLOCK, Rank, VerificationReport, verify_log


def audit(
    log: CheckedLog,
    signed: Sequence[str],
    *,
    payloads: bool,
    progress: Callable[[int], None] | None = None,
) -> VerificationReport:
    """Check a whole log again, from the bytes, against its signed checkpoints.

    Args:
        log: Loaded or not.
        signed: Its checkpoints, oldest first.
        payloads: Open every payload too, and compare the projections with what they say.
        progress: Told how many events are checked, now and then.

    Raises:
        StoreError: the files cannot be read.
    """
    named: list[Mention] = []

    def check_payload(row: LogRow, header: dict[str, canonical.JsonValue]) -> None:
        opened = log.open_box(row, str(header.get("subject")), str(header.get("payload_commit")))
        if opened is not None and row.type in MENTIONING:
            event = log.decode(row)
            named.extend(mentions_of(event.header, event.payload))

    report = verify_log(
        log.store.blocks(BLOCK, sealed=payloads),
        signed=signed,
        public_key=log.first_key,
        origin=log.origin,
        tiles=log.store.tiles(),
        check_payload=check_payload if payloads else None,
        newest_key=_newest_key(log),
        progress=progress,
    )
    if payloads and log.store.mentions_complete():
        _check_mentions(log, named, report)
    if report.ok:
        _check_fingerprint(log, report)
    return report


def _check_fingerprint(log: CheckedLog, report: VerificationReport) -> None:
    """What opening a home relies on, so that it and this check never disagree."""
    known = log.keys.fingerprint()
    if known is None or known.engine != log.store.engine or known.seq > report.events:
        return
    if log.store.fingerprint(log.keys.fingerprint_secret(), LOWEST, known.seq) != known.value:
        report.add(
            "every event is the one that was signed, but the fingerprint in keys.sqlite does not "
            "fit the database: restore keys.sqlite from a backup",
            rank=Rank.LENGTH,
            place=known.seq,
        )


def _newest_key(log: CheckedLog) -> bytes:
    """The key the rotations must have led to: after a crash it may not be in use yet."""
    if log.keys.next_key is not None:
        announced = log.keys.next_key.public_key().public_bytes_raw()
        rotations = log.store.read(LOWEST, HIGHEST, types=[KeyRotated.event_type])
        if any(row.subject == f"key:{announced.hex()}" for row in rotations):
            return announced
    return log.public_key


def _check_mentions(log: CheckedLog, named: list[Mention], report: VerificationReport) -> None:
    stored = log.stored_mentions(LOWEST, HIGHEST, MENTIONING)
    for here, there in zip_longest(named, stored):
        if here != there:
            seq = min(one.seq for one in (here, there) if one is not None)
            report.add(
                f"event {seq}: the stored projection does not say what it mentions",
                rank=Rank.TILE,
                place=seq,
            )
            return
