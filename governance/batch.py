"""From drafts to rows: steps 1 to 3 of an append, which write nothing but keys.

The numbers are those of ``ledger``'s docstring.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from governance import canonical
from governance.events import FORMAT, Actor, Header, Payload, Scope
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.sealing import Commitment, Keystore, commit, seal
from governance.state import State
from governance.transitions import check

_DEFAULT_SCOPE = Scope()


@dataclass(frozen=True)
class EventDraft:
    """An event somebody wants appended; the ledger adds number, time, id and seal."""

    payload: Payload
    actor: Actor
    scope: Scope = _DEFAULT_SCOPE
    causes: tuple[str, ...] = ()
    episode: str | None = None
    policy_digest: str | None = None
    data_subject: str = ""


@dataclass(frozen=True)
class Batch:
    """One append on its way: what to write, and where tree and state will stand after it."""

    headers: list[Header]
    rows: list[LogRow]
    tiles: list[Tile]
    tree: Tree
    state: State


def compose(
    drafts: Sequence[EventDraft],
    *,
    command: str | None,
    now_us: int,
    tree: Tree,
    state: State,
    keys: Keystore,
) -> Batch:
    """Check, seal and hash ``drafts`` as the events that follow ``tree`` and ``state``.

    Neither of the two is changed.

    Raises:
        LedgerError, ReviewError, PolicyError: a draft may not follow the present state.
        StoreError: the keys could not be made durable.

    Side effects: makes keys for new subjects.
    """
    state = state.fork()
    payloads = [canonical.encode(draft.payload.model_dump(mode="json")) for draft in drafts]
    commitments = [commit(payload) for payload in payloads]
    headers = []
    for draft, commitment in zip(drafts, commitments, strict=True):  # step 1
        check(state, draft.payload, draft.actor, draft.scope)
        header = _header(draft, state.seq + 1, now_us, command, commitment.digest)
        state.apply(header, draft.payload)
        headers.append(header)
    keys.ensure([(draft.payload.subject_id(), draft.data_subject) for draft in drafts])  # step 2
    batch = Batch(headers, [], [], tree.copy(), state)
    for header, payload, commitment in zip(headers, payloads, commitments, strict=True):
        key = keys.subject_key(header.subject)  # step 3
        assert key is not None
        row = _row(header, payload, commitment, key)
        batch.tiles.extend(batch.tree.append(row.leaf))
        batch.rows.append(row)
    assert batch.tree.size == state.seq
    return batch


def new_event_id(now_us: int) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then randomness."""
    value = bytearray((now_us // 1000).to_bytes(6, "big") + os.urandom(10))
    value[6] = 0x70 | (value[6] & 0x0F)
    value[8] = 0x80 | (value[8] & 0x3F)
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _header(
    draft: EventDraft, seq: int, now_us: int, command: str | None, payload_commit: str
) -> Header:
    return Header(
        format=FORMAT,
        seq=seq,
        event_id=new_event_id(now_us),
        type=draft.payload.event_type,
        recorded_at_us=now_us,
        actor=draft.actor,
        scope=draft.scope,
        subject=draft.payload.subject_id(),
        subject_version=getattr(draft.payload, "version", 1),
        causes=list(draft.causes),
        episode=draft.episode,
        policy_digest=draft.policy_digest,
        command=command,
        payload_commit=payload_commit,
    )


def _row(header: Header, payload: bytes, commitment: Commitment, key: bytes) -> LogRow:
    data = header.canonical()
    leaf = leaf_hash(data)
    box = seal(payload, commitment, key=key, event_id=header.event_id, leaf=leaf)
    return LogRow(
        header.seq, header.event_id, header.type, header.recorded_at_us, header.subject,
        data, leaf, box,
    )  # fmt: skip
