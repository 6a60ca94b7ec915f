"""Where events lie: one small contract, several engines."""

from governance.store.base import LedgerStore
from governance.store.duck import DuckStore
from governance.store.memory import MemoryStore

__all__ = ["DuckStore", "LedgerStore", "MemoryStore"]
