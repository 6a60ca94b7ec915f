"""What a verifier sees and what it must be."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Final, Protocol, TypeAlias, TypeVar

from governance.events import Actor, Body, Scope, Span, Trust, VerifierResult, text_of
from governance.state import TRUST_ORDER
from governance.textforms import value_key
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


NEAR: Final = 0.88
"""``fuzz.ratio`` (0 to 1) from which two texts with the same facts are restatements."""

_BAND: Final = math.log((2 - NEAR) / NEAR) * 1.001  # a little more: floats
_Likeness: TypeAlias = tuple[str, frozenset[str], int]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Interval:
    """When something is true, microseconds since 1970 UTC; ``None``: open. End exclusive."""

    start_us: int | None = None
    end_us: int | None = None

    def meets(self, other: Interval) -> bool:
        """True when there is a moment in both."""
        return _before(self.start_us, other.end_us) and _before(other.start_us, self.end_us)


def _before(start_us: int | None, end_us: int | None) -> bool:
    return start_us is None or end_us is None or start_us < end_us


ALWAYS: Final = Interval()


@dataclass(frozen=True)
class Peer:
    """Another entry that a new one may repeat or contradict."""

    entry_id: str
    body: Body
    valid: Interval = ALWAYS

    @cached_property
    def claim(self) -> Claim:
        """What it asserts."""
        return claim_of(self.body)

    @cached_property
    def text(self) -> str:
        """What a reviewer reads."""
        return text_of(self.body)

    @cached_property
    def key(self) -> str:
        """Its text as texts are compared."""
        return value_key(self.text)


Texts: TypeAlias = dict[str, str]
"""Entry id → :attr:`Peer.key`."""


class Neighbourhood:
    """Entries of one scope, found without looking at all of them.

    By topic and attribute; by topic; and by likeness: texts that may be near to each other have
    the same words with digits in them (``C-17``, ``350``) and about the same length.
    """

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._peers: dict[str, Peer] = {}
        self._places: dict[tuple[str, str], dict[str, Peer]] = {}
        self._topics: dict[str, dict[str, Peer]] = {}
        self._texts: dict[_Likeness, Texts] = {}
        for peer in peers:
            self.add(peer)

    def add(self, peer: Peer) -> None:
        """Take in one more entry; one that is already here stays as it is."""
        if peer.entry_id in self._peers:
            return
        self._peers[peer.entry_id] = peer
        self._places.setdefault(peer.claim.place, {})[peer.entry_id] = peer
        self._topics.setdefault(peer.claim.place[0], {})[peer.entry_id] = peer
        self._texts.setdefault(_likeness(peer.body, peer.key), {})[peer.entry_id] = peer.key

    def remove(self, entry_id: str) -> None:
        """Let go of an entry, if it is here."""
        peer = self._peers.pop(entry_id, None)
        if peer is not None:
            _drop(self._places, peer.claim.place, entry_id)
            _drop(self._topics, peer.claim.place[0], entry_id)
            _drop(self._texts, _likeness(peer.body, peer.key), entry_id)

    def at(self, claim: Claim) -> Sequence[Peer]:
        """Entries about the same attribute of the same topic."""
        return tuple(self._places.get(claim.place, {}).values())

    def about(self, claim: Claim) -> Sequence[Peer]:
        """Entries about the same topic."""
        return tuple(self._topics.get(claim.place[0], {}).values())

    def like(self, body: Body, key: str) -> Iterator[Texts]:
        """Entries whose text may be at least :data:`NEAR` like ``key``, and others.

        Every one that is as near, of the same kind and with the same numbers is among them.
        """
        kind, digits, band = _likeness(body, key)
        for near in (band - 1, band, band + 1):
            found = self._texts.get((kind, digits, near))
            if found:
                yield found

    def get(self, entry_id: str) -> Peer:
        """The entry of that id, which must be here."""
        return self._peers[entry_id]

    def __iter__(self) -> Iterator[Peer]:
        return iter(tuple(self._peers.values()))

    def __len__(self) -> int:
        return len(self._peers)


class Joined(Neighbourhood):
    """Several neighbourhoods as one; nothing is copied, and nothing is added to it."""

    def __init__(self, parts: Sequence[Neighbourhood]) -> None:
        super().__init__()
        self._parts = parts

    def at(self, claim: Claim) -> Sequence[Peer]:
        """See the base."""
        return tuple(peer for part in self._parts for peer in part.at(claim))

    def about(self, claim: Claim) -> Sequence[Peer]:
        """See the base."""
        return tuple(peer for part in self._parts for peer in part.about(claim))

    def like(self, body: Body, key: str) -> Iterator[Texts]:
        """See the base."""
        for part in self._parts:
            yield from part.like(body, key)

    def get(self, entry_id: str) -> Peer:
        """See the base."""
        for part in self._parts[:-1]:
            if entry_id in part._peers:  # noqa: SLF001  # of its own class
                return part.get(entry_id)
        return self._parts[-1].get(entry_id)

    def __iter__(self) -> Iterator[Peer]:
        for part in self._parts:
            yield from part

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)


def _likeness(body: Body, key: str) -> _Likeness:
    """Kind, words with digits, and the band of length.

    Two texts that are :data:`NEAR` like each other lie in the same or in neighbouring bands,
    because neither is longer than (2 − NEAR) / NEAR times the other.
    """
    digits = frozenset(word for word in key.split() if any(char.isdigit() for char in word))
    return body.kind, digits, int(math.log(len(key) + 1) / _BAND)


def _drop(groups: dict[K, dict[str, V]], group: K, entry_id: str) -> None:
    del groups[group][entry_id]
    if not groups[group]:
        del groups[group]


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
        valid: When it is said to be true.
        lineage: What it replaces or was made from, and what that replaced or was made from.
        pending: How many entries of its scope wait for a person.
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
    valid: Interval = ALWAYS
    lineage: tuple[Peer, ...] = ()
    pending: int = 0

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
