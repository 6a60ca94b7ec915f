"""What a verifier sees and what it must be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

from governance.events import Actor, Body, Scope, Span, Trust, VerifierResult, text_of
from governance.state import TRUST_ORDER
from governance.tombstone import Claim, claim_of


def least_trust(levels: Iterable[Trust]) -> Trust:
    """The lowest level; ``unknown`` when there is none to go by."""
    return min(levels, key=TRUST_ORDER.index, default="unknown")


@dataclass(frozen=True)
class Citation:
    """A span with what it points at; ``text`` is ``None`` when it does not resolve.

    ``context`` is the text around the span, the span included.
    """

    span: Span
    text: str | None
    context: str = ""


@dataclass(frozen=True)
class Peer:
    """Another entry that a new one may repeat or contradict."""

    entry_id: str
    body: Body

    @cached_property
    def claim(self) -> Claim:
        """What it asserts."""
        return claim_of(self.body)

    @cached_property
    def text(self) -> str:
        """What a reviewer reads."""
        return text_of(self.body)


class Neighbourhood:
    """Entries of one scope, found by topic and attribute or by similar text."""

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._peers: dict[str, Peer] = {}
        self._places: dict[tuple[str, str], list[Peer]] = {}
        for peer in peers:
            self.add(peer)

    def add(self, peer: Peer) -> None:
        """Take in one more entry; one that is already here stays as it is."""
        if peer.entry_id not in self._peers:
            self._peers[peer.entry_id] = peer
            self._places.setdefault(peer.claim.place, []).append(peer)

    def at(self, claim: Claim) -> Sequence[Peer]:
        """Entries about the same attribute of the same topic."""
        return self._places.get(claim.place, ())

    def get(self, entry_id: str) -> Peer:
        """The entry of that id, which must be here."""
        return self._peers[entry_id]

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __len__(self) -> int:
        return len(self._peers)


@dataclass(frozen=True)
class VerificationContext:
    """All that may be looked at to judge one proposal. Plain data: verifiers are pure.

    Args:
        entry_id: The proposal's id.
        body: What it says.
        scope: Where it would live.
        author: Who proposed it.
        trust: Least trust over its evidence and lineage.
        citations: Its spans, resolved.
        known: What the write path itself knows about the source (its registered subject);
            counts as evidence for names in topic and question, never for a value.
        neighbours: Entries in force in its scope.
        rejected: Rejected and revoked entries of its scope.
        tombstones: Their keys → entry id.
        keyed: ``Ledger.keyed``.
        replaces: The entry it means to take the place of.
    """

    entry_id: str
    body: Body
    scope: Scope
    author: Actor
    trust: Trust
    citations: tuple[Citation, ...]
    keyed: Callable[[str], str]
    known: str = ""
    neighbours: Neighbourhood = field(default_factory=Neighbourhood)
    rejected: Neighbourhood = field(default_factory=Neighbourhood)
    tombstones: Mapping[str, str] = field(default_factory=dict)
    replaces: str | None = None

    @cached_property
    def claim(self) -> Claim:
        """Topic, attribute and value asserted."""
        return claim_of(self.body)

    @cached_property
    def cited(self) -> str:
        """The cited characters of all spans that resolve."""
        return "\n".join(item.text for item in self.citations if item.text is not None)

    @cached_property
    def context(self) -> str:
        """The cited characters with what stands around them."""
        return "\n".join(item.context for item in self.citations if item.text is not None)

    @property
    def evidence_digest(self) -> str:
        """SHA-256 (hex) of the cited text: what a result was based on."""
        return hashlib.sha256(self.cited.encode()).hexdigest()

    def strings(self) -> Iterator[str]:
        """Every text in the body, whatever the field."""
        for value in self.body.model_dump(exclude={"kind"}).values():
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from (item for item in value if isinstance(item, str))


class Verifier(Protocol):
    """One check. Stateless; the same context always gives the same result."""

    name: ClassVar[str]
    version: ClassVar[int]

    def verify(self, context: VerificationContext) -> VerifierResult:
        """What was found. May raise: the caller records that as outcome ``error``."""
        ...


def passed(
    verifier: type[Verifier] | Verifier, detail: str = "", **extra: int | str | None
) -> VerifierResult:
    """A result with outcome ``pass``."""
    return VerifierResult.model_validate(
        {"verifier": verifier.name, "version": verifier.version, "outcome": "pass",
         "detail": detail, **extra}
    )  # fmt: skip


def failed(
    verifier: type[Verifier] | Verifier, detail: str, **extra: int | str | None
) -> VerifierResult:
    """A result with outcome ``fail``; the detail says what was found."""
    return VerifierResult.model_validate(
        {"verifier": verifier.name, "version": verifier.version, "outcome": "fail",
         "detail": detail, **extra}
    )  # fmt: skip
