"""The shipped rules mean the same to another CEL implementation (cel-python)."""

from __future__ import annotations

import itertools
import random
from typing import Any, get_args

import pytest

from governance.events import Trust
from governance.policy import STRICTEST_FIRST, Policy, PolicyInput, load_policy, shipped_policies
from governance.policy_cases import CaseFacts
from governance.verifiers import NAMES

celpy = pytest.importorskip("celpy", reason="cel-python is a development dependency")

SAMPLES = 16


def decide_elsewhere(programs: list[tuple[str, str, Any]], facts: PolicyInput) -> tuple[str, str]:
    """Outcome and rule by cel-python under the same rules of combination."""
    activation = celpy.json_to_cel(facts.variables())
    activation["risk"] = celpy.celtypes.DoubleType(facts.risk_ppm / 1_000_000)
    held = [
        (outcome, rule_id)
        for rule_id, outcome, program in programs
        if bool(program.evaluate(activation))
    ]
    if not held:
        return "deny", "no-rule-matched"
    return min(held, key=lambda item: STRICTEST_FIRST.index(item[0]))


def compiled(policy: Policy) -> list[tuple[str, str, Any]]:
    environment = celpy.Environment()
    return [
        (rule.id, rule.outcome, environment.program(environment.compile(rule.when)))
        for rule in policy.rules
    ]


def samples(seed: int) -> list[PolicyInput]:
    """Random facts, mostly harmless so that late rules decide too."""
    draw = random.Random(seed)
    found = []
    for _ in range(SAMPLES):
        spoiled = draw.sample(NAMES, k=draw.choice([0, 0, 0, 1, 1, 2]))
        checks = {name: draw.choice(["fail", "fail", "error", "missing"]) for name in spoiled}
        case = CaseFacts(
            kind=draw.choice(["fact", "card", "case"]),
            channel=draw.choice(["external", "parametric"]),
            trust=draw.choice(get_args(Trust)),
            risk=draw.choice([0.0, 0.05, 0.29, 0.3, 0.300001, 0.4, 0.41, 1.0]),
            checks=checks,
            spans=draw.choice([0, 1, 1, 2]),
            replaces=draw.choice([False, False, True]),
            actor_trust=draw.choice(get_args(Trust)),
            drift_hold=draw.choice([False, False, True]),
        )
        found.append(case.policy_input())
    return found


@pytest.mark.parametrize("name", shipped_policies())
def test_both_engines_decide_alike(name: str) -> None:
    policy = load_policy(name)
    programs = compiled(policy)
    decided = set()
    for facts in itertools.chain(samples(11), samples(29)):
        here = policy.decide(facts)
        assert decide_elsewhere(programs, facts) == (here.outcome, here.rule_id), facts
        decided.add(here.rule_id)
    assert len(decided) > 5
