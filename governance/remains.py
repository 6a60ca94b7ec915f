"""Is anything left? Every file of a home is searched for what is to be, or was, erased.

Texts are looked for in several spellings, keys as they are. A text that also stands in a
record that stays (somebody else said the same) is no remains of the erased one: such finds
are compared with what stays, and only then left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from governance.errors import VerificationError
from governance.events import (
    AdapterCertified,
    CommandRefused,
    Decision,
    EntryProposed,
    EntryVerified,
    Event,
    MemoryRecalled,
    OutcomeRecorded,
    Payload,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    ReviewCommented,
    SourceIngested,
)
from governance.keystore import Keystore
from governance.ledger import KEYS, Ledger
from governance.rawsearch import pieces, search, spellings


@dataclass(frozen=True)
class Needles:
    """What is looked for; lives in memory only."""

    texts: dict[bytes, str] = field(default_factory=dict)
    """Spelling → the piece of text it spells."""
    keys: frozenset[bytes] = frozenset()


def needles_of(ledger: Ledger, keys: Keystore, events: Collection[int]) -> Needles:
    """Texts in the payloads of these events, and their secrets.

    Not what their headers say as well, such as the episode: a header is hashed and stays.
    """
    selected = list(_selected(ledger, events))
    staying = "\n".join(event.header.episode or "" for event in selected)
    texts = {
        spelling: piece
        for event in selected
        for text in texts_of(event.payload)
        for piece in pieces(text)
        if piece not in staying
        for spelling in spellings(piece)
    }
    return Needles(texts, frozenset(keys.secrets(events)))


def refuse_remains(
    ledger: Ledger,
    needles: Needles,
    events: Collection[int],
    *,
    names: Collection[str],
    keys_destroyed: bool,
) -> int:
    """Search every file of the home; returns how many there are.

    Args:
        ledger: Of the home; one in memory has no files.
        needles: What to look for.
        events: Events that go or went: their texts explain nothing.
        names: Digests of adapters that no file may be named after or name.
        keys_destroyed: Whether the keystore itself may no longer hold the keys.

    Raises:
        VerificationError: something stands somewhere; names the files.
    """
    home = ledger.home
    spelled = frozenset(needles.texts)
    digests = frozenset(name.encode() for name in names)
    # The keystore says what was destroyed until the erasure is complete (``Keystore.destroy``).
    excused = digests if keys_destroyed else digests | needles.keys
    found = search(home, spelled | needles.keys | digests)
    suspects = {
        path: hits - excused if path.name == KEYS else hits for path, hits in found.hits.items()
    }
    unexplained = _unexplained(ledger, needles, suspects, frozenset(events))
    if unexplained:
        where = ", ".join(str(path.relative_to(home)) for path in unexplained)
        raise VerificationError(
            f"what is to be erased still stands in {where}",
            hint="remove the file, or what it quotes, and complete the erasure again",
        )
    return found.files


def _unexplained(
    ledger: Ledger,
    needles: Needles,
    suspects: dict[Path, frozenset[bytes]],
    gone: frozenset[int],
) -> list[Path]:
    hits = frozenset[bytes]().union(*suspects.values())
    open_pieces = {needles.texts[one] for one in hits if one in needles.texts}
    if open_pieces:
        for event in ledger.events():
            if event.header.seq in gone or event.payload is None or not open_pieces:
                continue
            for text in texts_of(event.payload):
                open_pieces = {piece for piece in open_pieces if piece not in text}
    return [
        path
        for path, found in suspects.items()
        if any(one not in needles.texts or needles.texts[one] in open_pieces for one in found)
    ]


def _selected(ledger: Ledger, seqs: Collection[int]) -> Iterator[Event]:
    for seq in seqs:
        yield from ledger.events(seq, seq)


def texts_of(payload: Payload | None) -> list[str]:
    """What a payload says in words, as opposed to its ids, numbers and codes."""
    if isinstance(payload, SourceIngested):
        return [payload.name, payload.text]
    if isinstance(payload, EntryProposed):
        return _strings(payload.body.model_dump(mode="json", exclude={"kind"}))
    if isinstance(payload, MemoryRecalled | OutcomeRecorded):
        return _asked(payload)
    if isinstance(payload, AdapterCertified):
        quoted = [probe for probe in payload.probes if probe.kind in {"card", "reworded"}]
        return [text for one in quoted for text in (one.question, one.expected)]
    if isinstance(payload, RelayStarted | RelayStepped | RelayScored):
        return _relayed(payload)
    return _said(payload)


def _asked(payload: MemoryRecalled | OutcomeRecorded) -> list[str]:
    if isinstance(payload, MemoryRecalled):
        return [payload.query]
    return [payload.question, payload.answer, *payload.expected]


def _said(payload: Payload | None) -> list[str]:
    """By reviewers and verifiers."""
    if isinstance(payload, Decision | ReviewCommented):
        return [payload.comment]
    if isinstance(payload, ReviewAssigned | CommandRefused):
        return [payload.message]
    if isinstance(payload, EntryVerified):
        return [result.detail for result in payload.results]
    return []


def _relayed(payload: RelayStarted | RelayStepped | RelayScored) -> list[str]:
    if isinstance(payload, RelayStarted):
        return [payload.document]
    if isinstance(payload, RelayScored):
        return []
    changed = [text for one in payload.changes for text in (one.before, one.after) if text]
    return [payload.text, payload.instruction, *payload.lost, *changed]


def _strings(value: object) -> list[str]:
    """Every string in JSON data."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return []
