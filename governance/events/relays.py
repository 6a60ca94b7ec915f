"""What happens in a relay: a chain of edit round trips on one document."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from governance.events.bodies import Ppm
from governance.events.header import Frozen, Payload


class RelayPayload(Payload):
    """Base of what happens in one relay."""

    relay_id: str

    def subject_id(self) -> str:
        """``relay:ID``."""
        return f"relay:{self.relay_id}"


class RelayStarted(RelayPayload):
    """A chain of edit round trips on one document, replayable from seed and order."""

    event_type: ClassVar[str] = "relay.started"
    source_id: str
    document: str
    domain: str
    model_id: str
    editor: Literal["patch", "rewrite"]
    seed: int
    order: list[str]
    round_trips: int


class ElementChange(Frozen):
    """One operation of an element diff, with where it happened."""

    operation: Literal["delete", "insert", "substitute", "move", "duplicate", "format"]
    location: str
    before: str | None = None
    after: str | None = None


class RelayStepped(RelayPayload):
    """One edit. ``text`` is the whole document after it; ``score_ppm`` is against the seed."""

    event_type: ClassVar[str] = "relay.stepped"
    index: int = Field(ge=0)
    round_trip: int = Field(ge=1)
    direction: Literal["forward", "backward"]
    pair_id: str
    instruction: str
    text: str
    applied: bool
    error: str | None
    score_ppm: Ppm | None
    changes: list[ElementChange]
    lost: list[str] = []


class RelayScore(Frozen):
    """Reconstruction score after ``k`` interactions (k even)."""

    k: int
    score_ppm: Ppm


class RelayScored(RelayPayload):
    """The relay's result."""

    event_type: ClassVar[str] = "relay.scored"
    rs: list[RelayScore]
    applied_ppm: Ppm
    critical: int
    errors: int
