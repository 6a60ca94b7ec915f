"""Checks outside the proposing model; each result is recorded by itself."""

from governance.verifiers.protocol import (
    Citation,
    Interval,
    Joined,
    Neighbourhood,
    Peer,
    VerificationContext,
    Verifier,
    least_trust,
)
from governance.verifiers.suite import NAMES, STANDARD, Verification, risk_of, run_verifiers

__all__ = [
    "NAMES", "STANDARD", "Citation", "Interval", "Joined", "Neighbourhood", "Peer", "Verification",
    "VerificationContext", "Verifier", "least_trust", "risk_of", "run_verifiers",
]  # fmt: skip
