from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from governance.errors import PolicyFileError
from governance.events import Scope
from governance.policy import (
    NO_MATCH,
    Policy,
    PolicyInput,
    load_policy,
    outcomes_of,
    parse_policy,
    shipped_policies,
)
from governance.verifiers import NAMES, run_verifiers
from tests.governance.drafts import fact_body
from tests.governance.evidence import context

FACTS = PolicyInput(
    kind="fact", channel="external", scope=Scope(), actor_kind="agent", actor_id="bot",
    trust="trusted", risk_ppm=100_000, checks=dict.fromkeys(NAMES, "pass"), spans=1, active=0,
)  # fmt: skip


TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
LOOPING = f"{TEN}.all(a, {TEN}.all(b, {TEN}.all(c, {TEN}.all(d, {TEN}.all(e, true)))))"
"""A hundred thousand iterations."""


def policy_of(*rules: tuple[str, str, str]) -> Policy:
    """``(id, when, outcome)`` each."""
    text = "name: test\nversion: 1\ndescription: a test\nrules:\n"
    for rule_id, when, outcome in rules:
        text += (
            f"  - id: {rule_id}\n    when: '{when}'\n    outcome: {outcome}\n"
            "    severity: low\n    message: because\n"
        )
    return parse_policy(text, Path("test.yaml"))


def test_the_strictest_outcome_wins_whatever_the_order() -> None:
    everything = [
        ("a", "true", "allow"), ("r", "true", "review"), ("q", "true", "quarantine"),
        ("d", "true", "deny"),
    ]  # fmt: skip
    for count, expected in ((1, "a"), (2, "r"), (3, "q"), (4, "d")):
        for rules in (everything[:count], everything[:count][::-1]):
            assert policy_of(*rules).decide(FACTS).rule_id == expected


def test_among_equals_the_first_rule_gives_the_reason() -> None:
    policy = policy_of(("one", "true", "review"), ("two", "true", "review"))
    decision = policy.decide(FACTS)
    assert (decision.rule_id, decision.message, decision.policy) == ("one", "because", "test")
    assert decision.digest == policy.digest


def test_no_rule_denies() -> None:
    decision = policy_of(("never", "false", "allow")).decide(FACTS)
    assert (decision.outcome, decision.rule_id) == ("deny", NO_MATCH)
    assert policy_of(("ever", "true", "allow")).decide(FACTS).outcome == "allow"


@pytest.mark.parametrize(
    "when",
    [
        "1 / counts.active == 1",  # division by zero: an ERROR value, truthy in Python
        'actor.shoe_size == "9"',  # no such key
        "int(actor.id) == 9",  # conversion error
        LOOPING,  # the engine's budget of iterations is spent
    ],
)  # fmt: skip
def test_a_rule_that_errors_denies_whatever_the_others_say(when: str) -> None:
    for outcome in ("allow", "review"):
        policy = policy_of(("broken", when, outcome), ("fine", "true", "allow"))
        decision = policy.decide(FACTS)
        assert (decision.outcome, decision.rule_id) == ("deny", "broken")
    assert policy_of(("fine", "true", "allow")).decide(FACTS).outcome == "allow"


def test_a_rule_that_is_nested_too_deeply_is_refused() -> None:
    assert policy_of(("deep", "(" * 9 + "true" + ")" * 9, "allow")).decide(FACTS).outcome == "allow"
    with pytest.raises(PolicyFileError, match="recursion limit"):
        policy_of(("deep", "(" * 50 + "true" + ")" * 50, "allow"))


def test_rules_together_may_loop_longer_than_one_may() -> None:
    """All rules in one expression share a budget; if it is spent they are asked one by one."""
    long = f"{TEN}.all(a, {TEN}.all(b, {TEN}.all(c, a + b + c >= 0)))"
    policy = policy_of(*((f"long-{n}", long, "allow") for n in range(12)))
    assert policy.decide(FACTS).rule_id == "long-0"


def test_rules_that_do_not_fit_into_one_expression_are_asked_one_by_one() -> None:
    deep = "(" * 14 + "true" + ")" * 14
    for depth in range(14, 32):
        deep = "(" * depth + "true" + ")" * depth
        try:
            policy = policy_of(("deep", deep, "allow"))
        except PolicyFileError:
            break
        assert policy.decide(FACTS).outcome == "allow"
        alone = policy._together is None
    assert alone
    spoiled = replace(policy_of(("fine", "true", "allow")), _together=_OtherAnswer())
    assert spoiled.decide(FACTS).outcome == "allow"


class _OtherAnswer:
    """An engine that answers a list of rules with something else."""

    def eval(self, activation: object) -> _OtherAnswer:
        return self

    def type(self) -> object:
        return None

    def value(self) -> object:
        return [self]


def test_no_rule_allows_on_a_check_that_tells_nothing() -> None:
    asks = (
        'checks.conflict == "pass"', 'checks["conflict"] != "fail"',
        '["conflict", "schema"].all(n, checks[n] == "pass")', 'checks.all(n, checks[n] == "pass")',
    )  # fmt: skip
    worthless = replace(FACTS, uninformative=frozenset({"conflict"}))
    for when in asks:
        policy = policy_of(("routine", when.replace("'", '"'), "allow"))
        assert policy.decide(FACTS).outcome == "allow"
        decision = policy.decide(worthless)
        assert (decision.outcome, decision.rule_id) == ("review", "routine")
        assert "conflict was found to be non-informative" in decision.message
    other = policy_of(("routine", 'checks.schema == "pass"', "allow"))
    assert other.decide(worthless).outcome == "allow"
    stricter = policy_of(("stop", 'checks.conflict == "pass"', "deny"), ("go", asks[0], "allow"))
    assert stricter.decide(worthless).rule_id == "stop"


def test_facts_of_the_wrong_type_deny() -> None:
    policy = policy_of(("fine", 'kind == "fact"', "allow"))
    assert policy.decide(FACTS).outcome == "allow"
    wrong = replace(FACTS, kind=3)  # type: ignore[arg-type]  # what a bug would pass
    assert policy.decide(wrong).outcome == "deny"


def test_a_missing_verifier_is_missing_and_not_a_pass() -> None:
    policy = policy_of(("ok", 'checks.grounding == "pass"', "allow"))
    assert policy.decide(FACTS).outcome == "allow"
    assert policy.decide(replace(FACTS, checks={})).outcome == "deny"
    default = load_policy("default")
    assert default.decide(FACTS).outcome == "allow"
    for name in NAMES:
        fewer = {other: "pass" for other in NAMES if other != name}
        assert default.decide(replace(FACTS, checks=fewer)).rule_id == "check-did-not-run"


def test_rules_see_everything_that_is_promised() -> None:
    names = (
        'kind == "fact" && channel == "external" && trust == "trusted" && risk == 0.1 && '
        '!replaces && actor.kind == "agent" && actor.id == "bot" && '
        'scope.tenant == "default" && scope.agent == "default" && scope.user == "" && '
        'actor.trust == "unknown" && !drift_hold && '
        "counts.spans == 1 && counts.own == 0 && counts.parents == 0 && "
        "counts.active == 0 && counts.pending == 0 && "
        'checks.all(c, checks[c] == "pass")'
    )
    assert policy_of(("all", names, "allow")).decide(FACTS).outcome == "allow"


def test_outcomes_of_results() -> None:
    found = run_verifiers(context(fact_body()))
    assert set(outcomes_of(found.results)) == set(NAMES)


HEAD = "name: test\nversion: 1\ndescription: a test\nrules:\n"
RULE = "  - id: one\n    when: 'true'\n    outcome: allow\n    severity: low\n    message: m\n"
BAD_FILES = [
    ("", 1, "is empty"),
    ("# nothing but a comment\n", 1, "is empty"),
    ("name: [", 1, "expected"),
    (HEAD + "  []\n", 4, "at least 1 item"),
    (HEAD + RULE + "extra: 1\n", 10, "unknown key 'extra'"),
    (HEAD + RULE + "    whne: 'true'\n", 10, "unknown key 'rules.0.whne'"),
    (HEAD + RULE + "    id: again\n", 10, "'id' is given twice"),
    (HEAD + RULE + RULE, 10, "'one' is used twice"),
    (HEAD + RULE.replace("    message: m\n", ""), 5, "'rules.0.message' is missing"),
    (HEAD + RULE.replace("allow", "permit"), 7, "rules.0.outcome"),
    (HEAD + RULE.replace("'true'", "'risk < 1'"), 6, "no matching overload"),
    (HEAD + RULE.replace("'true'", "'shoe == 1'"), 6, "undeclared reference"),
    (HEAD + RULE.replace("'true'", "'('"), 6, "Syntax error"),
    (HEAD + RULE.replace("'true'", "kind"), 6, "must be true or false, it is string"),
    (HEAD + RULE.replace("'true'", "true"), 6, "rules.0.when"),
    (HEAD + RULE.replace("'true'", "checks.groundng == 'pass'"), 6, "no verifier groundng"),
    (HEAD + RULE.replace("'true'", "checks[\"x y\"] == 'pass'"), 6, "no verifier x y"),
    (HEAD + RULE.replace("'true'", '\'["shema"].all(n, checks[n] == "pass")\''), 6, "shema"),
    (HEAD.replace("version: 1", "version: one") + RULE, 2, "version"),
    (HEAD.replace("name: test", "name: &a test") + RULE.replace("m\n", "*a\n"), 1, "anchors"),
    (HEAD.replace("name: test", "name: !!python/name:os.system x") + RULE, 1, "constructor"),
    ("- just\n- a list\n", 1, "the file"),
    ("[" * 5000, 1, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "line", "problem"), BAD_FILES)
def test_a_wrong_file_is_refused_with_file_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(text, Path("p.yaml"))
    assert problem in str(caught.value)
    assert (caught.value.file, caught.value.line) == ("p.yaml", line)
    assert str(caught.value).startswith(f"p.yaml:{line}: ")


def test_the_smallest_right_file_loads() -> None:
    assert parse_policy(HEAD + RULE, Path("p.yaml")).decide(FACTS).outcome == "allow"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_policy(tmp_path / "none.yaml")
    with pytest.raises(PolicyFileError, match="no such policy") as caught:
        load_policy("nosuch")
    assert "default" in caught.value.hint
    odd = tmp_path / "odd.yaml"
    odd.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyFileError, match="not UTF-8"):
        load_policy(odd)
    odd.write_bytes(b"#" * 300_000)
    with pytest.raises(PolicyFileError, match="larger than"):
        load_policy(odd)
    odd.write_text(HEAD + RULE)
    assert load_policy(odd).name == "test"


def test_the_digest_is_of_the_text() -> None:
    one = parse_policy(HEAD + RULE, Path("p.yaml"))
    two = parse_policy(HEAD + RULE + "# a remark\n", Path("p.yaml"))
    assert one.digest != two.digest
    assert parse_policy(one.text, Path("q.yaml")).digest == one.digest


def test_the_shipped_policies_are_found_by_name() -> None:
    assert shipped_policies() == ("default", "research", "strict")
    for name in shipped_policies():
        assert load_policy(name).name == name
