"""Every shipped rule decides at least one case, and every case is decided as written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from governance.errors import PolicyFileError
from governance.policy import Policy, load_policy, parse_policy, shipped_policies
from governance.policy_cases import CaseResult, evaluate_cases, rules_without_case

POLICIES = [load_policy(name) for name in shipped_policies()]
RESULTS = [result for policy in POLICIES for result in evaluate_cases(policy)]


@pytest.mark.parametrize(
    "result", RESULTS, ids=[f"{r.decision.policy}-{r.expected}-{r.path.stem}" for r in RESULTS]
)
def test_case(result: CaseResult) -> None:
    decided = (result.decision.outcome, result.decision.rule_id)
    assert decided == (result.expected, result.case.rule)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy.name))
def test_every_rule_has_a_case(policy: Policy) -> None:
    assert rules_without_case(policy, evaluate_cases(policy)) == []
    assert rules_without_case(policy, []) == [rule.id for rule in policy.rules]


def test_nothing_is_allowed_by_the_strict_policy() -> None:
    outcomes = {r.decision.outcome for r in RESULTS if r.decision.policy == "strict"}
    assert outcomes == {"review", "quarantine", "deny"}
    assert "allow" in {r.decision.outcome for r in RESULTS if r.decision.policy == "default"}


def refusing(folder: Path) -> tuple[Policy, Path]:
    """A policy in ``folder`` and the place of the cases that it must refuse."""
    path = folder / "default.yaml"
    path.write_text(POLICIES[0].text, encoding="utf-8")
    cases = folder / "cases" / "default" / "DENY"
    cases.mkdir(parents=True)
    return parse_policy(POLICIES[0].text, path), cases


def test_a_case_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    policy, folder = refusing(tmp_path)
    (folder / "odd.json").mkdir()
    with pytest.raises(PolicyFileError, match=r"odd\.json.*cannot be read"):
        evaluate_cases(policy)
    (folder / "odd.json").rmdir()
    assert evaluate_cases(policy) == []


def test_a_malformed_case_is_refused_by_name(tmp_path: Path) -> None:
    policy, folder = refusing(tmp_path)
    (folder / "odd.json").write_text(json.dumps({"about": "x", "rule": "y", "fakts": {}}))
    with pytest.raises(PolicyFileError, match=r"odd\.json.*fakts"):
        evaluate_cases(policy)
    (folder / "odd.json").write_text(json.dumps({"about": "x", "rule": "malformed"}))
    assert [result.ok for result in evaluate_cases(policy)] == [False]
