"""Document formats that can be compared element by element, found by file name."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from governance.drift.domains.calendar import CalendarDomain
from governance.drift.domains.configuration import ConfigurationDomain
from governance.drift.domains.elements import Domain, Element, FieldValue
from governance.drift.domains.emails import EmailDomain
from governance.drift.domains.ledger import LedgerDomain
from governance.drift.domains.procedure import ProcedureDomain
from governance.drift.domains.prose import ProseDomain
from governance.drift.domains.similarity import element_similarity
from governance.drift.domains.subtitles import SubtitleDomain
from governance.errors import DriftError

__all__ = [
    "DOMAINS",
    "Domain",
    "Element",
    "FieldValue",
    "domain_for",
    "domain_named",
    "element_similarity",
]

DOMAINS: Final[tuple[Domain, ...]] = (
    LedgerDomain(),
    ConfigurationDomain(),
    CalendarDomain(),
    ProcedureDomain(),
    EmailDomain(),
    SubtitleDomain(),
    ProseDomain(),
)
"""Every domain; the last one takes whatever no other claims."""


def domain_for(name: str) -> Domain:
    """The domain of a file name, by suffix; prose when no domain claims it."""
    suffix = PurePath(name).suffix.lower()
    return next((domain for domain in DOMAINS if suffix in domain.suffixes), DOMAINS[-1])


def domain_named(name: str) -> Domain:
    """The domain called ``name``.

    Raises:
        DriftError: there is no such domain.
    """
    for domain in DOMAINS:
        if domain.name == name:
            return domain
    known = ", ".join(domain.name for domain in DOMAINS)
    raise DriftError(f"unknown document domain {name!r}", hint=f"known: {known}")
