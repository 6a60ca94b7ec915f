"""Errors of the governance package; every one can say what to do next.

PalimpsestError
  GovernanceError
    StoreError          SchemaVersionError, StoreBusyError
    LedgerError         AppendConflictError, SealError, FrozenError, StaleRequestError (size)
    VerificationError   ChainError, ProofError, CheckpointError, ForkError
    PolicyError         PolicyFileError (file, line), NotAuthorisedError (TokenError)
    ReviewError         IllegalTransitionError, SelfReviewError
    RollbackError       NotReversibleError
    DriftError          DocumentParseError (domain, where)
  agent.errors.AgentError
"""

from __future__ import annotations


class PalimpsestError(Exception):
    """What failed, in one line, and a hint on what to do next.

    ``exit_code`` is what the command line returns: 2 bad input, 3 integrity,
    4 refused by policy or review, 5 environment (files, locks, network).
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class GovernanceError(PalimpsestError):
    """Anything that goes wrong in or below the ledger."""


class StoreError(GovernanceError):
    """The storage engine failed or holds something unexpected."""

    exit_code = 5


class SchemaVersionError(StoreError):
    """The home was written by another version of the software."""


class StoreBusyError(StoreError):
    """Another process owns the ledger file."""


class LedgerError(GovernanceError):
    """An append or read broke a rule of the ledger."""

    exit_code = 2


class AppendConflictError(LedgerError):
    """The entry changed since the caller looked at it (optimistic concurrency)."""


class SealError(LedgerError):
    """A payload cannot be opened: key destroyed, or bytes altered."""

    exit_code = 3


class FrozenError(LedgerError):
    """Learning is frozen; only thawing is accepted."""

    exit_code = 4


class StaleRequestError(LedgerError):
    """A witness is at another ``size`` than the request for a cosignature assumes."""

    def __init__(self, message: str, *, size: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.size = size


class VerificationError(GovernanceError):
    """The record does not prove what it claims."""

    exit_code = 3


class ChainError(VerificationError):
    """An event, its order or its commitment is not the one that was logged."""


class ProofError(VerificationError):
    """An inclusion or consistency proof does not hold."""


class CheckpointError(VerificationError):
    """A signed checkpoint is missing, forged, or ahead of the database."""


class ForkError(VerificationError):
    """A log shows a history that is not a continuation of the one a witness vouched for."""


class PolicyError(GovernanceError):
    """A policy cannot decide, or decided against the caller."""

    exit_code = 4


class PolicyFileError(PolicyError):
    """A policy file is unreadable or wrong; names file and line."""

    exit_code = 2

    def __init__(self, message: str, *, file: str, line: int | None, hint: str = "") -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {message}", hint=hint)
        self.file = file
        self.line = line


class NotAuthorisedError(PolicyError):
    """The actor lacks the role for this command."""


class ForgottenError(NotAuthorisedError):
    """It is about a person who was erased, and no person decided to begin again."""


class HoldError(PolicyError):
    """A legal hold keeps what would be destroyed."""


class TokenError(NotAuthorisedError):
    """An API token is missing, unknown, expired or revoked."""


class ReviewError(GovernanceError):
    """A review command does not fit the entry's state or the reviewer."""

    exit_code = 4


class IllegalTransitionError(ReviewError):
    """The entry's status does not allow this step."""


class SelfReviewError(ReviewError):
    """The author of an entry may not decide on it."""


class ClaimedError(ReviewError):
    """Another reviewer is deciding on it."""


class RollbackError(GovernanceError):
    """A rollback cannot be planned or applied."""

    exit_code = 4


class NotReversibleError(RollbackError):
    """Something after the target version cannot be taken back (an erasure)."""


class BisectError(GovernanceError):
    """There is nothing to search, or nothing to ask."""

    exit_code = 2


class DriftError(GovernanceError):
    """A relay, an edit pair or a comparison is not well formed."""

    exit_code = 2


class DocumentParseError(DriftError):
    """A document cannot be read as its format; never scored as if it were empty.

    ``domain`` names the format, ``where`` the place (``line 12``) when known.
    """

    def __init__(self, message: str, *, domain: str, where: str = "", hint: str = "") -> None:
        place = f"{domain}, {where}" if where else domain
        super().__init__(f"{place}: {message}", hint=hint)
        self.domain = domain
        self.where = where
