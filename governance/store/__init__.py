"""Where events lie: one small contract, several engines."""

from governance.store.base import LastStep, LastSteps, LedgerStore, Mention, joined
from governance.store.duck import DuckStore
from governance.store.memory import MemoryStore

__all__ = ["DuckStore", "LastStep", "LastSteps", "LedgerStore", "MemoryStore", "Mention", "joined"]
