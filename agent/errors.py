"""Errors of the agent package.

AgentError
  ModelError           a model cannot be loaded, reached or asked
  MemoryIndexError     an index disagrees with the ledger
  AdapterError         an adapter cannot be built, found or trusted
  WorkspaceError       the workspace folder is missing, empty or malformed
"""

from __future__ import annotations

from governance.errors import PalimpsestError


class AgentError(PalimpsestError):
    """Anything that goes wrong above the ledger."""

    exit_code = 2


class ModelError(AgentError):
    """A model cannot be loaded, reached or asked."""

    exit_code = 5


class MemoryIndexError(AgentError):
    """A recall index disagrees with the ledger it is a projection of."""


class AdapterError(AgentError):
    """An adapter cannot be built, found or trusted."""

    exit_code = 3


class WorkspaceError(AgentError):
    """The workspace folder is missing, empty or malformed."""
