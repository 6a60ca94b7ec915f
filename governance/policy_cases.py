"""Worked examples beside each policy: what it must allow, send to a person, or refuse.

``policies/cases/NAME/OUTCOME/*.json`` (ALLOW, REVIEW, QUARANTINE, DENY). A case says only
what differs from a harmless entry: a grounded fact from a trusted source that passed every
check. ``rule`` names the rule that must decide, so that a right outcome for a wrong reason
is a failure. Run by ``palimpsest policy test`` and by the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance.errors import PolicyFileError
from governance.events import ActorKind, Channel, EntryKind, Scope, Trust
from governance.policy import STRICTEST_FIRST, Decision, Outcome, Policy, PolicyInput
from governance.verifiers import NAMES


class CaseFacts(BaseModel):
    """Facts as a case gives them; the defaults describe the harmless entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: EntryKind = "fact"
    channel: Channel = "external"
    scope: Scope = Scope()
    actor_kind: ActorKind = "agent"
    actor_id: str = "builtin"
    actor_trust: Trust = "internal"
    trust: Trust = "trusted"
    risk: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    checks: dict[str, str] = {}
    spans: int = 1
    own: int = 0
    parents: int = 0
    active: int = 10
    pending: int = 0
    replaces: bool = False
    drift_hold: bool = False
    uninformative: frozenset[str] = frozenset()

    def policy_input(self) -> PolicyInput:
        """As the policy takes them; checks that are not named passed."""
        return PolicyInput(
            kind=self.kind,
            channel=self.channel,
            scope=self.scope,
            actor_kind=self.actor_kind,
            actor_id=self.actor_id,
            trust=self.trust,
            risk_ppm=round(self.risk * 1_000_000),
            checks=dict.fromkeys(NAMES, "pass") | self.checks,
            spans=self.spans,
            own=self.own,
            parents=self.parents,
            active=self.active,
            pending=self.pending,
            replaces=self.replaces,
            actor_trust=self.actor_trust,
            drift_hold=self.drift_hold,
            uninformative=self.uninformative,
        )


class Case(BaseModel):
    """One example."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    about: str = Field(min_length=1)
    rule: str = Field(min_length=1)
    facts: CaseFacts = CaseFacts()


@dataclass(frozen=True)
class CaseResult:
    """A case, what was expected and what the policy said."""

    path: Path
    case: Case
    expected: Outcome
    decision: Decision

    @property
    def ok(self) -> bool:
        """True when both outcome and deciding rule are the expected ones."""
        return (self.decision.outcome, self.decision.rule_id) == (self.expected, self.case.rule)


FOLDERS: Final[dict[str, Outcome]] = {outcome.upper(): outcome for outcome in STRICTEST_FIRST}


def case_folder(policy: Policy) -> Path:
    """Where the cases of ``policy`` are: beside its file."""
    return policy.path.parent / "cases" / policy.name


def evaluate_cases(policy: Policy) -> list[CaseResult]:
    """Decide every case of ``policy``, in order of outcome and file name.

    Raises:
        PolicyFileError: a case is unreadable or not of the form above.
    """
    return [
        CaseResult(path, case, expected, policy.decide(case.facts.policy_input()))
        for expected, path, case in _cases(case_folder(policy))
    ]


def rules_without_case(policy: Policy, results: list[CaseResult]) -> list[str]:
    """Ids of rules that decide none of the cases."""
    decided = {result.decision.rule_id for result in results if result.ok}
    return [rule.id for rule in policy.rules if rule.id not in decided]


def _cases(folder: Path) -> Iterator[tuple[Outcome, Path, Case]]:
    for name, outcome in FOLDERS.items():
        for path in sorted((folder / name).glob("*.json")):
            try:
                yield outcome, path, Case.model_validate_json(path.read_bytes())
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise PolicyFileError(
                    f"{where}: {first['msg']}", file=str(path), line=None
                ) from error
            except OSError as error:
                raise PolicyFileError(
                    f"cannot be read: {error.strerror}", file=str(path), line=None
                ) from error
