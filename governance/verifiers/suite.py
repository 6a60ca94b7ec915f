"""Runs the verifiers and sums up the risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from governance.events import CardBody, Trust, VerifierResult
from governance.verifiers.conflict import Conflict
from governance.verifiers.duplicate import Duplicate
from governance.verifiers.grounding import Grounding
from governance.verifiers.instruction import InstructionLike
from governance.verifiers.outcome import OutcomeOrigin
from governance.verifiers.personal import Personal
from governance.verifiers.protocol import VerificationContext, Verifier
from governance.verifiers.provenance import Provenance
from governance.verifiers.restatement import Restatement
from governance.verifiers.schema import Schema
from governance.verifiers.sensitive import Sensitive
from governance.verifiers.tombstoned import Tombstoned

STANDARD: Final[tuple[Verifier, ...]] = (
    Schema(), Provenance(), Grounding(), Sensitive(), Personal(), InstructionLike(),
    Duplicate(), Restatement(), Conflict(), Tombstoned(), OutcomeOrigin(),
)  # fmt: skip
"""All verifiers, in the order in which reviewers see their results."""

NAMES: Final = tuple(verifier.name for verifier in STANDARD)
"""What a policy may ask about; a result that is absent counts as ``missing``."""

WEIGHTS_PPM: Final = {
    "schema": 800_000, "provenance": 300_000, "grounding": 800_000, "sensitive": 900_000,
    "personal": 100_000, "instruction": 700_000, "duplicate": 100_000, "restatement": 300_000,
    "conflict": 500_000, "tombstone": 950_000, "outcome": 300_000,
}  # fmt: skip
"""How much a failed check adds to the risk. A verifier of another name adds half."""

TRUST_PPM: Final[dict[Trust, int]] = {
    "trusted": 0, "internal": 50_000, "customer": 200_000, "unknown": 400_000,
}  # fmt: skip
PARAMETRIC_PPM: Final = 50_000
"""Learned weights are harder to read than text."""

MAX_ENTRY_CHARS: Final = 20_000
"""Characters of all texts of an entry together; a longer one is not looked at, and so fails."""

MAX_EVIDENCE_CHARS: Final = 200_000
"""Characters cited with what stands around them, likewise. No pattern can be stopped once it
runs, so what bounds the time of a verifier is the length of what it is given."""

_ONE: Final = 1_000_000


@dataclass(frozen=True)
class Verification:
    """Every result by itself, and the risk they amount to."""

    results: tuple[VerifierResult, ...]
    risk_ppm: int


def run_verifiers(
    context: VerificationContext, verifiers: Sequence[Verifier] = STANDARD
) -> Verification:
    """Run each verifier; one that raises has outcome ``error``, which is a failure.

    On an entry that is too long none is run, and all of them have failed.
    """
    too_long = _too_long(context)
    if too_long:
        results = tuple(_error(verifier, too_long) for verifier in verifiers)
    else:
        results = tuple(_run(verifier, context) for verifier in verifiers)
    return Verification(results, risk_of(context, results))


def risk_of(context: VerificationContext, results: Sequence[VerifierResult]) -> int:
    """Risk in parts per million: ``1 − Π(1 − wᵢ)``.

    Over the weight of every check that did not pass, the trust level and the channel, so
    independent doubts add up and none is averaged away. Integer arithmetic: the same on
    every machine. The number orders the queue and feeds policy thresholds; each result
    stays visible by itself.
    """
    weights = [WEIGHTS_PPM.get(r.verifier, _ONE // 2) for r in results if r.outcome != "pass"]
    weights.append(TRUST_PPM[context.trust])
    if isinstance(context.body, CardBody):
        weights.append(PARAMETRIC_PPM)
    safe = _ONE
    for weight in weights:
        safe = safe * (_ONE - weight) // _ONE
    return _ONE - safe


def _run(verifier: Verifier, context: VerificationContext) -> VerifierResult:
    try:
        result: object = verifier.verify(context)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a library raises: it failed
        return _error(verifier, f"did not run: {type(error).__name__}")
    if not isinstance(result, VerifierResult) or result.verifier != verifier.name:
        return _error(verifier, "gave no result of its own")
    return result


def _error(verifier: Verifier, detail: str) -> VerifierResult:
    return VerifierResult(
        verifier=verifier.name, version=verifier.version, outcome="error", detail=detail
    )


def _too_long(context: VerificationContext) -> str:
    """Why nothing is run, or nothing to say."""
    said = sum(len(text) for text in context.strings())
    if said > MAX_ENTRY_CHARS:
        return f"not run: the entry has {said} characters, at most {MAX_ENTRY_CHARS} are read"
    cited = sum(len(one.text or "") + len(one.context) for one in context.citations)
    if cited > MAX_EVIDENCE_CHARS:
        return f"not run: it cites {cited} characters, at most {MAX_EVIDENCE_CHARS} are read"
    return ""
