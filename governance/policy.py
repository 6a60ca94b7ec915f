"""Policies: CEL rules in YAML that decide what may be learned. Fail closed.

1. A file is refused, with file and line, when it is unreadable, empty, has an unknown,
   missing or repeated key, a rule that does not compile to a boolean, or a rule that asks
   for a verifier that does not exist.
2. All rules are evaluated. Of those whose ``when`` is true the strictest outcome wins:
   ``deny``, ``quarantine``, ``review``, ``allow``; among equals the first in the file.
3. No rule true: deny. A rule that errors: deny, whatever the others say. CEL errors come
   back as *values* that Python takes for true, so a rule holds only if the type of its
   result is BOOL and the value is exactly ``True``.
4. A verifier without a result has outcome ``missing``, one that broke has ``error``;
   neither equals ``pass``.
5. A rule that would allow becomes ``review`` when it asks about a verifier that was found to
   be non-informative (``governance.worth``). A rule that reads the checks in a way that
   cannot be followed counts as asking about all of them.
6. A rule cannot run for long: CEL has no loops, the engine ends an expression after 10,000
   iterations of its macros and nests at most 32 deep (both are errors, so rule 3 applies),
   and matches regular expressions in linear time.

A decision is a value and names the rule and the SHA-256 of the file's text; both go into
the event that follows from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, get_args

from governance.asking import asked_of
from governance.errors import PolicyFileError
from governance.events import (
    ActorKind,
    Channel,
    EntryKind,
    PolicyTerms,
    ReviewTerms,
    Scope,
    Trust,
    VerifierResult,
)
from governance.policyfile import Outcome, Place, Review, Rule, Severity, read_policy_file
from governance.verifiers import NAMES

STRICTEST_FIRST: Final[tuple[Outcome, ...]] = get_args(Outcome)
_RANK: Final = {outcome: rank for rank, outcome in enumerate(STRICTEST_FIRST)}
NO_MATCH: Final = "no-rule-matched"
SUFFIX: Final = ".yaml"
MAX_BYTES: Final = 200_000

_MILLION: Final = 1_000_000
_FOR_PEOPLE: Final = frozenset({"review", "quarantine"})

# --- what a rule sees, and what comes out ----------------------------------------------


@dataclass(frozen=True)
class PolicyInput:
    """The facts of one decision, named for rules as follows.

    ``kind``, ``channel``, ``trust`` (strings); ``actor.kind``, ``actor.id``, ``actor.trust``
    (of the registered principal; else ``internal`` for people, ``trusted`` for the program's
    own parts, ``unknown`` for anybody else);
    ``scope.tenant``, ``scope.agent``, ``scope.user``; ``risk`` (double, 0 to 1);
    ``checks.NAME`` (``pass``, ``fail``, ``error`` or ``missing``);
    ``counts.spans``, ``counts.own`` (of these, spans in sources that the author registered),
    ``counts.parents``, ``counts.active``, ``counts.pending``;
    ``replaces``, ``drift_hold`` (booleans; the latter: a drift hold that nobody released
    names something the entry comes from, or the whole scope).

    Args:
        trust: Least trust over evidence and lineage.
        checks: Verifier name → outcome; what is absent counts as ``missing``.
        active: Entries in force in the scope.
        pending: Entries of the scope that wait for a person.
        uninformative: Verifiers that no rule may allow on; not seen by rules.
    """

    kind: EntryKind
    channel: Channel
    scope: Scope
    actor_kind: ActorKind
    actor_id: str
    trust: Trust
    risk_ppm: int
    checks: Mapping[str, str]
    spans: int = 0
    own: int = 0
    parents: int = 0
    active: int = 0
    pending: int = 0
    replaces: bool = False
    actor_trust: Trust = "unknown"
    drift_hold: bool = False
    uninformative: frozenset[str] = frozenset()

    def variables(self) -> dict[str, object]:
        """As CEL sees them."""
        return {
            "kind": self.kind,
            "channel": self.channel,
            "trust": self.trust,
            "risk": self.risk_ppm / _MILLION,
            "replaces": self.replaces,
            "drift_hold": self.drift_hold,
            "actor": {"kind": self.actor_kind, "id": self.actor_id, "trust": self.actor_trust},
            "scope": self.scope.model_dump(),
            "checks": dict.fromkeys(NAMES, "missing") | dict(self.checks),
            "counts": {
                "spans": self.spans,
                "own": self.own,
                "parents": self.parents,
                "active": self.active,
                "pending": self.pending,
            },
        }


def outcomes_of(results: Sequence[VerifierResult]) -> dict[str, str]:
    """Verifier name → outcome, as :class:`PolicyInput` takes it."""
    return {result.verifier: result.outcome for result in results}


@dataclass(frozen=True)
class Decision:
    """What the policy says and why. A denial is a value like any other."""

    outcome: Outcome
    rule_id: str
    message: str
    severity: Severity
    clause: str
    policy: str
    digest: str
    terms: ReviewTerms = field(default_factory=ReviewTerms)
    """What a person's approval takes, if a person must decide."""


# --- the policy -----------------------------------------------------------------------


class _Value(Protocol):
    """A CEL value, as far as it is used here."""

    def type(self) -> object: ...
    def value(self) -> object: ...


class _Program(Protocol):
    """A compiled CEL expression, as far as it is used here."""

    def eval(self, activation: object) -> _Value: ...


class CompiledRule(NamedTuple):
    """A rule, its CEL program and the verifiers it asks about."""

    rule: Rule
    program: _Program
    asked: frozenset[str]


@dataclass(frozen=True)
class Policy:
    """A loaded, type-checked policy; immutable, safe to share between threads."""

    name: str
    version: int
    description: str
    text: str
    digest: str
    path: Path
    rules: tuple[Rule, ...]
    _compiled: tuple[CompiledRule, ...] = field(repr=False, compare=False)
    _together: _Program | None = field(default=None, repr=False, compare=False)
    """All rules as one list, evaluated in one go; an error of any rule is one of the list."""
    terms: PolicyTerms = field(default_factory=PolicyTerms)
    """What it asks of people, whatever they decide on."""
    _review: Review = field(default_factory=Review, repr=False)
    _two_people: _Program | None = field(default=None, repr=False, compare=False)

    def decide(self, facts: PolicyInput) -> Decision:
        """Evaluate every rule and return the strictest that holds (module rules 2 to 4)."""
        variables = _environment().Activation(facts.variables())
        chosen: CompiledRule | None = None
        at_once = _evaluate_list(self._together, variables, len(self._compiled))
        for place, compiled in enumerate(self._compiled):
            rule = compiled.rule
            holds = at_once[place] if at_once else _evaluate(compiled.program, variables)
            if holds is None:
                return self._deny(rule.id, f"rule {rule.id} could not be evaluated", rule.clause)
            if holds and (chosen is None or _RANK[rule.outcome] < _RANK[chosen.rule.outcome]):
                chosen = compiled
        if chosen is None:
            return self._deny(NO_MATCH, "no rule of the policy applies", "")
        return self._by(chosen, facts)

    def _by(self, chosen: CompiledRule, facts: PolicyInput) -> Decision:
        """What the deciding rule says, unless it would allow on a check that tells nothing."""
        rule, outcome, message = chosen.rule, chosen.rule.outcome, chosen.rule.message
        useless = sorted(chosen.asked & facts.uninformative) if outcome == "allow" else []
        if useless:
            outcome = "review"
            message = (
                f"{', '.join(useless)} was found to be non-informative, so rule {rule.id} "
                "may not allow on it"
            )
        terms = self.review_terms(facts) if outcome in _FOR_PEOPLE else ReviewTerms()
        return Decision(
            outcome, rule.id, message, rule.severity, rule.clause, self.name, self.digest, terms
        )

    def review_terms(self, facts: PolicyInput) -> ReviewTerms:
        """What it takes until a person's approval of such an entry acts.

        A condition that cannot be evaluated asks for two people.
        """
        asked = self._review
        alone = self._two_people is None or (
            _evaluate(self._two_people, _environment().Activation(facts.variables())) is False
        )
        return ReviewTerms(
            people=1 if alone else 2, delay_s=asked.approval_delay_s, signed=asked.signed
        )

    def _deny(self, rule_id: str, message: str, clause: str) -> Decision:
        return Decision("deny", rule_id, message, "high", clause, self.name, self.digest)


def _evaluate(program: _Program, variables: object) -> bool | None:
    """True or false; ``None`` when the rule did not evaluate to a boolean."""
    cel = _cel()
    try:
        result = program.eval(variables)
        if result.type() != cel.Type.BOOL:
            return None
        value = result.value()
    except (RuntimeError, TypeError, ValueError):  # cel-cpp refused the variables
        return None
    return value if isinstance(value, bool) else None


def _evaluate_list(program: _Program | None, variables: object, size: int) -> list[bool]:
    """The values of all rules; empty when they must be asked one by one to see which erred."""
    if program is None:
        return []
    try:
        items = program.eval(variables).value()
    except (RuntimeError, TypeError, ValueError):  # as above
        return []
    if not isinstance(items, list):
        return []
    values = [item.value() for item in items]
    return values if [type(value) for value in values] == [bool] * size else []


# --- loading ---------------------------------------------------------------------------


def policy_folder() -> Path:
    """Where the shipped policies are: beside the packages, installed or in a checkout."""
    return Path(__file__).resolve().parent.parent / "policies"


def shipped_policies() -> tuple[str, ...]:
    """Names that :func:`load_policy` finds without a path."""
    return tuple(sorted(path.stem for path in policy_folder().glob(f"*{SUFFIX}")))


def load_policy(name_or_path: str | Path) -> Policy:
    """Load a shipped policy by name, or any file by path.

    Raises:
        PolicyFileError: not found, unreadable, or wrong; names file and line.
    """
    path = _locate(name_or_path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyFileError(
            f"cannot be read: {error.strerror}", file=str(path), line=None
        ) from error
    if len(raw) > MAX_BYTES:
        raise PolicyFileError(f"is larger than {MAX_BYTES} bytes", file=str(path), line=None)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyFileError("is not UTF-8", file=str(path), line=None) from error
    return parse_policy(text, path)


def parse_policy(text: str, path: Path) -> Policy:
    """The policy written in ``text``; ``path`` is what messages name.

    Raises:
        PolicyFileError: see the module rules.
    """
    file, lines = read_policy_file(text, str(path))
    compiled = tuple(
        _compile(rule, lines[("rules", index, "when")], str(path))
        for index, rule in enumerate(file.rules)
    )
    return Policy(
        name=file.name,
        version=file.version,
        description=file.description,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        path=path,
        rules=tuple(file.rules),
        _compiled=compiled,
        _together=_compile_together(file.rules),
        terms=file.terms,
        _review=file.review,
        _two_people=_compile_two_people(file.review, lines, str(path)),
    )


def _locate(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        return path
    shipped = policy_folder() / f"{name_or_path}{SUFFIX}"
    if not shipped.is_file():
        raise PolicyFileError(
            "there is no such policy",
            file=str(name_or_path),
            line=None,
            hint=f"give a path to a .yaml file, or one of: {', '.join(shipped_policies())}",
        )
    return shipped


# --- CEL -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _cel() -> Any:  # noqa: ANN401  # untyped extension module
    from cel_expr_python import cel  # noqa: PLC0415  # 50 MB of C++; not for `--help`

    return cel


@lru_cache(maxsize=1)
def _environment() -> Any:  # noqa: ANN401  # untyped extension module
    cel = _cel()
    kinds = cel.Type
    text, texts = kinds.STRING, kinds.Map(kinds.STRING, kinds.STRING)
    return cel.NewEnv(
        variables={
            "kind": text, "channel": text, "trust": text, "risk": kinds.DOUBLE,
            "replaces": kinds.BOOL, "drift_hold": kinds.BOOL, "actor": texts, "scope": texts,
            "checks": texts, "counts": kinds.Map(kinds.STRING, kinds.INT),
        }
    )  # fmt: skip


def _compile(rule: Rule, line: int, file: str) -> CompiledRule:
    program, asked = _condition(rule.when, f"rule {rule.id}", "when", line=line, file=file)
    return CompiledRule(rule, program, asked)


def _compile_two_people(review: Review, lines: Mapping[Place, int], file: str) -> _Program | None:
    if review.two_people is False:
        return None
    condition = "true" if review.two_people is True else review.two_people
    line = lines[("review", "two_people")]
    program, _ = _condition(condition, "review", "two_people", line=line, file=file)
    return program


def _condition(
    text: str, about: str, key: str, *, line: int, file: str
) -> tuple[_Program, frozenset[str]]:
    """The program of a condition and the verifiers it asks about."""
    try:
        program = _environment().compile(text)
    except RuntimeError as error:
        reason = re.sub(r"\s*\[INVALID_ARGUMENT\]|^INVALID_ARGUMENT: ", "", str(error))
        first = reason.splitlines()[0].removeprefix("ERROR: ")
        raise PolicyFileError(f"{about}: {first}", file=file, line=line) from error
    if program.return_type() != _cel().Type.BOOL:
        raise PolicyFileError(
            f"{about}: `{key}` must be true or false, it is {program.return_type().name().lower()}",
            file=file,
            line=line,
        )
    asked = asked_of(text)
    unknown = sorted(asked.names - set(NAMES))
    if unknown:
        raise PolicyFileError(
            f"{about}: there is no verifier {', '.join(unknown)}",
            file=file,
            line=line,
            hint=f"verifiers: {', '.join(NAMES)}",
        )
    return program, frozenset(NAMES) if asked.every else asked.names


def _compile_together(rules: Sequence[Rule]) -> _Program | None:
    """One expression for all rules; ``None`` when it is too much for the engine."""
    # On lines of their own: a rule may end in a comment.
    joined = ",\n".join(f"(\n{rule.when}\n)" for rule in rules)
    try:
        program: _Program = _environment().compile(f"[{joined}]")
    except RuntimeError:
        return None
    return program


__all__ = [
    "NO_MATCH", "STRICTEST_FIRST", "Decision", "Outcome", "Policy", "PolicyInput", "Rule",
    "Severity", "load_policy", "outcomes_of", "parse_policy", "policy_folder",
    "shipped_policies",
]  # fmt: skip
