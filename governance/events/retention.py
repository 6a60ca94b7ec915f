"""Keeping, handing out and destroying: holds, exports, erasures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from governance.events.header import Payload


class HoldPayload(Payload):
    """Base of what concerns one legal hold."""

    hold_id: str
    reason: str = Field(min_length=1)

    def subject_id(self) -> str:
        """``hold:ID``."""
        return f"hold:{self.hold_id}"


class HoldPlaced(HoldPayload):
    """These may not be erased or pruned until the hold is lifted.

    ``data_subjects`` are pseudonyms (``governance.retention``); both lists empty: everything.
    """

    event_type: ClassVar[str] = "hold.placed"
    entries: list[str] = []
    data_subjects: list[str] = []


class HoldLifted(HoldPayload):
    """The hold binds nobody any more."""

    event_type: ClassVar[str] = "hold.lifted"


class ExportPayload(Payload):
    """Base of what concerns one file that was handed out from the memory."""

    export_id: str

    def subject_id(self) -> str:
        """``export:ID``."""
        return f"export:{self.export_id}"


class ExportIssued(ExportPayload):
    """A file with entries in it. ``path`` is below the home, ``None`` if it went elsewhere."""

    event_type: ClassVar[str] = "export.issued"
    purpose: Literal["memory", "subject-access", "adapter"]
    path: str | None
    sha256: str
    entries: list[str]
    data_subject: str | None = None

    def mentions(self) -> Iterable[str]:
        """The entries in it."""
        return (f"entry:{entry_id}" for entry_id in self.entries)


class ExportWithdrawn(ExportPayload):
    """The file is to be used no more; below the home it is deleted."""

    event_type: ClassVar[str] = "export.withdrawn"
    reason_code: str


class ErasurePayload(Payload):
    """Base of what concerns one erasure."""

    erasure_id: str

    def subject_id(self) -> str:
        """``erasure:ID``."""
        return f"erasure:{self.erasure_id}"


ErasureBasis = Literal[
    "consent-withdrawn", "no-longer-needed", "objection", "unlawful", "legal-obligation", "other"
]
"""Grounds of GDPR Article 17(1)."""


class ErasureRequested(ErasurePayload):
    """Somebody asks that these be destroyed; nothing happens before a second person agrees.

    ``data_subject`` is a pseudonym; ``plan_digest`` is of what was shown to the requester.
    """

    event_type: ClassVar[str] = "erasure.requested"
    basis: ErasureBasis
    reason: str
    entries: list[str] = []
    data_subject: str | None = None
    plan_digest: str

    def mentions(self) -> Iterable[str]:
        """The entries it is about."""
        return (f"entry:{entry_id}" for entry_id in self.entries)


class ErasureApproved(ErasurePayload):
    """A second person agrees."""

    event_type: ClassVar[str] = "erasure.approved"
    comment: str = ""


class ErasureDeclined(ErasurePayload):
    """A second person does not agree, or the requester takes it back."""

    event_type: ClassVar[str] = "erasure.declined"
    comment: str = ""


class SourceErased(Payload):
    """The text of a source is destroyed; spans of it resolve to nothing."""

    event_type: ClassVar[str] = "source.erased"
    source_id: str
    erasure_id: str

    def subject_id(self) -> str:
        """``source:ID``."""
        return f"source:{self.source_id}"


class ErasureCompleted(ErasurePayload):
    """Keys and ciphertext are gone and the files are rewritten.

    Args:
        events: Numbers of the events whose payloads were destroyed.
        entries: How many entries.
        sources: How many sources.
        adapters: Digests of adapter builds that were deleted.
        exports: Ids of exports that were withdrawn.
        searched: Files that were searched for the erased text afterwards.
        hits: In how many it was still found; 0, or the erasure is not complete.
    """

    event_type: ClassVar[str] = "erasure.completed"
    events: list[int]
    entries: int
    sources: int
    adapters: list[str]
    exports: list[str]
    searched: int
    hits: int
