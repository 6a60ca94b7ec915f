"""From drafts to rows: steps 1 to 3 of an append, which write nothing but keys.

The numbers are those of ``log``'s docstring.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from governance import canonical
from governance.events import FORMAT, Actor, Header, Payload, Scope
from governance.keystore import Keystore
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.retention_rules import check_forgotten
from governance.sealing import Commitment, commit, seal
from governance.state import State
from governance.store import Mention
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
    """Appends on their way: what to write, and where tree and state will stand after it."""

    tree: Tree
    state: State
    rows: list[LogRow] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)

    def joined(self, later: Batch) -> Batch:
        """This batch and one that was composed on top of it, as one."""
        return Batch(
            later.tree,
            later.state,
            self.rows + later.rows,
            self.tiles + later.tiles,
            self.mentions + later.mentions,
        )


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

    Side effects: makes event secrets and keys for new data subjects.
    """
    state = state.fork()
    payloads = [canonical.encode(draft.payload.model_dump(mode="json")) for draft in drafts]
    commitments = [commit(payload) for payload in payloads]
    headers = []
    for draft, commitment in zip(drafts, commitments, strict=True):  # step 1
        check(state, draft.payload, draft.actor, draft.scope, now_us)
        if not keys.knows(draft.data_subject):
            check_forgotten(state, draft.actor, keys.holder(draft.data_subject))
        header = _header(draft, state.seq + 1, now_us, command, commitment.digest)
        state.apply(header, draft.payload)
        headers.append(header)
    keys.prepare(tree.size + 1, state.seq, {draft.data_subject for draft in drafts})  # step 2
    batch = Batch(tree.copy(), state)
    for header, draft, payload, commitment in zip(
        headers, drafts, payloads, commitments, strict=True
    ):
        row = _row(header, payload, commitment, keys, keys.holder(draft.data_subject))  # step 3
        batch.rows.append(row)
        batch.mentions.extend(mentions_of(header, draft.payload))
    batch.tiles.extend(batch.tree.extend(row.leaf for row in batch.rows))
    assert batch.tree.size == state.seq
    return batch


def mentions_of(header: Header, payload: Payload | None) -> list[Mention]:
    """The projection of one event that a store keeps to find histories."""
    named = dict.fromkeys(payload.mentions()) if payload is not None else ()
    return [Mention(header.seq, header.type, subject) for subject in named]


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
        subject_version=draft.payload.subject_version(),
        causes=list(draft.causes),
        episode=draft.episode,
        policy_digest=draft.policy_digest,
        command=command,
        payload_commit=payload_commit,
    )


def _row(
    header: Header, payload: bytes, commitment: Commitment, keys: Keystore, holder: bytes
) -> LogRow:
    data = header.canonical()
    leaf = leaf_hash(data)
    key = keys.event_key(header.seq, holder, header.event_id)
    assert key is not None
    box = seal(payload, commitment, key=key, holder=holder, leaf=leaf)
    return LogRow(
        header.seq, header.event_id, header.type, header.recorded_at_us, header.subject,
        data, leaf, box, header.command,
    )  # fmt: skip
