"""A memory target that records what it was asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from governance.errors import GovernanceError
from governance.events import ModuleChange, Scope
from governance.ports import Progress, Settled


@dataclass
class FakeTarget:
    """Settles nothing, remembers everything."""

    settled: list[Scope] = field(default_factory=list)
    missing: frozenset[str] = frozenset()
    failure: Exception | None = None

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        if progress is not None:
            progress("building shard-lisbon")
        if self.failure is not None:
            raise self.failure
        self.settled.append(scope)
        return [Settled("shard-lisbon", "ab" * 32, 2, 2, reused=False)]

    def adapter_intact(self, digest: str) -> bool:
        return digest not in self.missing

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        return []

    def index_digest(self, scope: Scope) -> str:
        return f"{scope!s:x<64}"

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        return ""

    def forget(self, adapters: Collection[str]) -> None:
        raise NotImplementedError

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        return [ModuleChange(module=f"{first[:4]}-{second[:4]}", relative_ppm=1)]


@dataclass
class Follower:
    """Stands where the settler stands."""

    asked: list[tuple[Scope, tuple[str, ...] | None]] = field(default_factory=list)
    later: list[tuple[Scope, float]] = field(default_factory=list)

    def request(self, scope: Scope, *, missing_only: tuple[str, ...] | None = None) -> None:
        self.asked.append((scope, missing_only))

    def request_later(self, scope: Scope, after_s: float) -> None:
        self.later.append((scope, after_s))


def refusal() -> GovernanceError:
    """What a target raises when it cannot build."""
    return GovernanceError("the base model is missing", hint="reinstall it")
