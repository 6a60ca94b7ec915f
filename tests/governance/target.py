"""A memory that holds nothing: for commands that only need one to be there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from governance.errors import PalimpsestError
from governance.events import ModuleChange, Scope
from governance.ports import Progress, Settled


class Target:
    """A memory target that counts, and fails when told to."""

    calls: list[str] = []
    forgotten: list[str] = []
    error: PalimpsestError | None = None

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        if self.error is not None:
            raise self.error
        self.calls.append(str(scope))
        if progress is not None:
            progress("building")
        return [Settled("shard", "ab" * 32, 1, 1, reused=False)]

    def adapter_intact(self, digest: str) -> bool:  # the port's signature
        return False

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        return []

    def index_digest(self, scope: Scope) -> str:
        return ""

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        return ""

    def forget(self, adapters: Collection[str]) -> None:
        self.forgotten += adapters

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        return [ModuleChange(module="layer.0", relative_ppm=1200)]
