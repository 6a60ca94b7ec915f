"""Where events lie: one small contract, several engines."""

from governance.store.base import LastStep, LedgerStore, Mention, joined
from governance.store.duck import DuckStore
from governance.store.memory import MemoryStore

__all__ = ["DuckStore", "LastStep", "LedgerStore", "MemoryStore", "Mention", "joined"]
