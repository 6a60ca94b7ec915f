"""Finds the agent's memory for a home, if one is installed; imports nothing upward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import cast

from governance.errors import GovernanceError, PalimpsestError
from governance.events import Scope
from governance.ledger import Ledger
from governance.ports import TARGET_GROUP, MemoryTarget, Settled, TargetFactory


def load_target(ledger: Ledger) -> MemoryTarget | None:
    """The memory target that serves the ledger's home; ``None`` when none is installed.

    Raises:
        GovernanceError: several are installed, or the installed one cannot be imported.
    """
    found = list(entry_points(group=TARGET_GROUP))
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(sorted(point.name for point in found))
        raise GovernanceError(
            f"several memory targets are installed: {names}", hint="uninstall all but one"
        )
    try:
        factory = cast("TargetFactory", found[0].load())
    except (ImportError, AttributeError) as error:
        raise GovernanceError(
            f"the memory target {found[0].name!r} cannot be loaded: {error}",
            hint="pip install 'palimpsest-ledger[agent]'",
        ) from error
    return factory(ledger.home, ledger)


@dataclass(frozen=True)
class Rebuilt:
    """What became of the adapters after a decision that stands either way."""

    settled: tuple[Settled, ...] = ()
    error: PalimpsestError | None = None
    target: MemoryTarget | None = None
    """The memory, if it was loaded for this."""

    def raise_error(self) -> None:
        """Let the caller know, once the decision itself has been reported."""
        if self.error is not None:
            raise self.error


def rebuild(
    ledger: Ledger, scopes: Iterable[Scope], progress: Callable[[str], None] | None = None
) -> Rebuilt:
    """Bring the memory of these scopes in line with the ledger, as far as that is possible.

    A decision was appended before and is not undone when a build fails: what was taken out
    of service stays out. Without a target nothing is built; the next run does it.

    Side effects: may build adapters, which takes seconds to minutes, and appends their
    events.
    """
    distinct = {str(scope): scope for scope in scopes}
    if not distinct:
        return Rebuilt()
    settled: list[Settled] = []
    target: MemoryTarget | None = None
    try:
        target = load_target(ledger)
        for scope in distinct.values() if target is not None else ():
            settled += target.settle(scope, progress) if target is not None else ()
    except PalimpsestError as error:
        return Rebuilt(tuple(settled), error, target)
    return Rebuilt(tuple(settled), None, target)
