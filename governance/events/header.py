"""The hashed part of an event: who, when, about what, and a commitment to its payload."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from governance import canonical

FORMAT = 1
"""Format of headers and payloads written by this version; all earlier stay readable."""

ActorKind = Literal["human", "agent", "policy", "importer", "system"]
Trust = Literal["trusted", "internal", "customer", "unknown"]


class Frozen(BaseModel):
    """Immutable, closed record: unknown keys are refused, values are strictly typed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Actor(Frozen):
    """Who did it. ``id`` is a pseudonym: it stays readable after an erasure."""

    kind: ActorKind
    id: str = Field(min_length=1, max_length=200)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Scope(Frozen):
    """Whose memory it is. Taken from the authenticated principal, never from a payload."""

    tenant: str = "default"
    agent: str = "default"
    user: str = ""

    def __str__(self) -> str:
        return f"{self.tenant}/{self.agent}/{self.user}".rstrip("/")

    def sees(self, other: Scope) -> bool:
        """True when a reader in this scope may read what was written in ``other``.

        Tenant and agent must be equal; a reader without a user sees all users of that
        agent, and everybody sees what belongs to no user.
        """
        return (
            self.tenant == other.tenant
            and self.agent == other.agent
            and (not self.user or not other.user or self.user == other.user)
        )


class Payload(Frozen):
    """Base of every payload; ``event_type`` names it in the header."""

    event_type: ClassVar[str]

    @abstractmethod
    def subject_id(self) -> str:
        """The thing the event is about, as ``kind:id``."""

    def subject_version(self) -> int:
        """Which version of it."""
        return 1

    def mentions(self) -> Iterable[str]:
        """Other things it changes or uses, as ``kind:id``: how they find their history."""
        return ()


class Header(Frozen):
    """What the Merkle leaf commits to. Field order does not matter: bytes are canonical.

    ``command`` is a keyed digest of the idempotency key, so a retry is recognised even
    after the payload was erased (ADR 0001).
    """

    format: int
    seq: int = Field(ge=1)
    event_id: str
    type: str
    recorded_at_us: int
    actor: Actor
    scope: Scope
    subject: str
    subject_version: int = Field(ge=1)
    causes: list[str]
    episode: str | None
    policy_digest: str | None
    command: str | None
    payload_commit: str

    @property
    def links(self) -> frozenset[str]:
        """What ties an answer to its prompt: the events that caused it, and its command."""
        return frozenset([*self.causes, *([self.command] if self.command else [])])

    def canonical(self) -> bytes:
        """The bytes whose SHA-256, prefixed by 0x00, is the leaf of the log."""
        return canonical.encode_strict(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Event:
    """A logged event; ``payload`` is ``None`` once it was erased, or for whoever may not see it."""

    header: Header
    payload: Payload | None
