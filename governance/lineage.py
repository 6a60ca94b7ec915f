"""What hangs on what: derivatives, carriers, and what is left after a removal; pure.

A *derivative* of an entry is everything whose ``derived_from`` leads to it. A *carrier* is
an adapter in service that was built from it. Both are read off the state, so they are
complete by construction: nothing else can hold an entry (``reference/trust.md`` section 9
asks for residue 0).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from governance.errors import NotAuthorisedError
from governance.events import Actor, AdapterWithdrawn, Scope, Span, Status, Trust
from governance.ledger import EventDraft
from governance.state import EntryState, State
from governance.verifiers import least_trust

IN_FORCE: Final[frozenset[Status]] = frozenset({"approved", "active"})
"""Acts, or may be trained and act next."""

PENDING: Final[frozenset[Status]] = frozenset({"proposed", "verified", "quarantined"})
"""Waits for a decision."""

ENDED: Final[frozenset[Status]] = frozenset({"rejected", "revoked", "expired", "erased"})
"""Neither acts nor waits."""


class Carrier(NamedTuple):
    """An adapter in service and the entries of interest in it."""

    shard_id: str
    digest: str
    entry_ids: tuple[str, ...]


def closure(state: State, entry_id: str) -> tuple[EntryState, ...]:
    """The entry and all its derivatives, nearest first."""
    entry = state.entry(entry_id)
    return (entry, *state.derivatives(entry.entry_id))


def verify_in_sight(state: State, entry_id: str, bounds: Scope | None) -> None:
    """Refuse to touch an entry when part of what was made from it is out of sight.

    Args:
        state: All of it, not what the caller may see.
        entry_id: The entry.
        bounds: What the caller may see; ``None``: everything.

    Raises:
        NotAuthorisedError: it, or something derived or copied from it, lies outside.
    """
    if bounds is None:
        return
    if not all(bounds.sees(item.scope) for item in closure(state, entry_id)):
        raise NotAuthorisedError(
            f"entry {entry_id} or something derived from it lies outside {bounds}",
            hint="ask somebody who may see all of it",
        )


def builds(state: State, entry_ids: Collection[str]) -> tuple[Carrier, ...]:
    """Adapters out of service, kept in the store, that hold any of these entries."""
    wanted = frozenset(entry_ids)
    found = []
    for adapter in state.adapters.values():
        held = tuple(ref.entry_id for ref in adapter.cards if ref.entry_id in wanted)
        if held and adapter.status != "active":
            found.append(Carrier(adapter.shard_id, adapter.digest, held))
    return tuple(found)


def carriers(state: State, entry_ids: Collection[str]) -> tuple[Carrier, ...]:
    """Adapters in service that hold any version of any of these entries."""
    wanted = frozenset(entry_ids)
    found = []
    for shard in state.shards.values():
        held = tuple(
            ref.entry_id for ref in state.shard_cards(shard.shard_id) if ref.entry_id in wanted
        )
        if held and shard.active is not None:
            found.append(Carrier(shard.shard_id, shard.active, held))
    return tuple(found)


def withdrawal_drafts(
    state: State, entry_ids: Collection[str], actor: Actor, reason_code: str
) -> list[EventDraft]:
    """Events that take every carrier of these entries out of service."""
    return [
        EventDraft(
            AdapterWithdrawn(
                shard_id=carrier.shard_id, digest=carrier.digest, reason_code=reason_code
            ),
            actor,
            state.shards[carrier.shard_id].scope,
        )
        for carrier in carriers(state, entry_ids)
    ]


def residue(state: State, entry_ids: Iterable[str]) -> tuple[str, ...]:
    """Everything through which these entries, or anything derived from them, could still act.

    One readable line each; empty is the only good answer.
    """
    roots = [state.entry(entry_id) for entry_id in entry_ids]
    derived = state.entries.derivatives([root.entry_id for root in roots])
    ids = {entry.entry_id: entry for entry in (*roots, *derived)}
    left = [
        f"entry {entry.entry_id} is {entry.status}"
        for entry in ids.values()
        if entry.status in IN_FORCE
    ]
    left += [
        f"adapter {carrier.digest[:12]} of {carrier.shard_id} holds {entry_id}"
        for carrier in carriers(state, list(ids))
        for entry_id in carrier.entry_ids
    ]
    return tuple(left)


def span_trust(state: State, span: Span) -> Trust:
    """How far the cited characters may be trusted: at most as far as who registered them.

    A source that a registered principal brought is capped by the trust that an admin gave the
    principal; a program whose token says ``customer`` cannot register ``trusted`` evidence.
    """
    source = state.sources[span.source_id]
    stated = source.trust_of(span)
    cap = state.trusted.get(str(source.registered_by))
    return stated if cap is None else least_trust([stated, cap])


def actor_trust(state: State, actor: Actor) -> Trust:
    """How far whoever proposes is trusted, whatever it cites.

    A registered principal: as an admin said. Else people ``internal``, the program's own
    parts ``trusted``, and an agent or importer that nobody registered ``unknown``.
    """
    given = state.trusted.get(str(actor))
    if given is not None:
        return given
    if actor.kind == "human":
        return "internal"
    return "trusted" if actor.kind in {"system", "policy"} else "unknown"


def trust_of(
    state: State, spans: Iterable[Span], derived_from: Iterable[str], author: Actor
) -> Trust:
    """The least trust over the cited spans and the whole lineage.

    A named person who cites nothing counts as ``internal``; anyone else without evidence
    as ``unknown``. A summary of a customer's words is a customer's words (OWASP #66: trust
    is the minimum over the lineage), whoever wrote it.
    """
    levels: list[Trust] = [span_trust(state, span) for span in spans]
    if not levels:
        levels.append("internal" if author.kind == "human" else "unknown")
    seen: set[str] = set()
    frontier = list(derived_from)
    while frontier:
        entry_id = frontier.pop()
        parent = state.entries.get(entry_id)
        if entry_id in seen or parent is None:
            continue
        seen.add(entry_id)
        if parent.status in {"revoked", "erased"}:
            levels.append("unknown")  # whoever made it now works from what was taken back
        levels += [span_trust(state, span) for span in parent.spans]
        if not parent.spans:
            levels.append("internal" if parent.author.kind == "human" else "unknown")
        frontier += parent.parents
    return least_trust(levels)
