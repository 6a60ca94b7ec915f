"""What governance needs from outside: time, and the thing that holds the memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from governance.events import ModuleChange, Scope
    from governance.ledger import Ledger

TARGET_GROUP = "palimpsest.memory_target"
"""Entry-point group; each entry is a :class:`TargetFactory`."""

Progress = Callable[[str], None]
"""Called with one readable line whenever long work moves on."""


class Clock(Protocol):
    """Where event times come from."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


@dataclass(frozen=True)
class Settled:
    """What bringing the memory in line with the ledger took."""

    shard_id: str
    digest: str | None
    certified_cards: int
    cards: int
    reused: bool


class MemoryTarget(Protocol):
    """The agent's memory, as far as governance may move it. Implemented in ``agent``.

    The ledger says which entries may act; the target makes it so and records every build
    through the same ledger. It decides nothing.
    """

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        """Build, certify and activate adapters until each shard serves its allowed cards.

        Never trains what was built before: the same inputs are found in the store.

        Side effects: appends adapter and activation events; writes blobs.
        """
        ...

    def adapter_intact(self, digest: str) -> bool:
        """True when the adapter's bytes are in the store and hash to ``digest``."""
        ...

    def index_digest(self, scope: Scope) -> str:
        """Digest (hex) of the recall index rebuilt from what is active now."""
        ...

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        """Which of these entries a recall in ``scope`` could find now."""
        ...

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        """Per module ‖ΔW₂ − ΔW₁‖ / ‖W‖ of two adapters, by digest."""
        ...

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        """What the agent would have answered with its memory as of version ``seq``.

        Args:
            seq: The version.
            scope: The reader's.
            question: Put with both channels in use.
            without: Entries to leave out, with everything made from them, as if they had never
                been: a note that one of them superseded counts again. An adapter that holds one
                of them is not served; none is built for this.

        Appends nothing: this is a question about the memory, not a use of it.
        """
        ...

    def forget(self, adapters: Collection[str]) -> None:
        """Delete these builds, by digest, and all that was made from erased entries.

        Deleting what is not there is no error.

        Side effects: removes blobs; drops indexes and caches, which are made again from the
        ledger.
        """
        ...


class TargetFactory(Protocol):
    """Opens the installed memory for a home."""

    def __call__(self, home: Path, ledger: Ledger) -> MemoryTarget:
        """The target that serves ``home``."""
        ...
