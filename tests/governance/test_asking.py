"""Which verifiers a rule asks about; what cannot be read off is all of them."""

from __future__ import annotations

import pytest

from governance.asking import Asked, asked_of


@pytest.mark.parametrize(
    ("when", "names"),
    [
        ('checks.schema == "pass"', {"schema"}),
        ('checks[\'schema\'] == "pass" && checks.conflict != "fail"', {"schema", "conflict"}),
        ('["schema", \'outcome\',].all(n, checks[n] == "pass")', {"schema", "outcome"}),
        ('["a"].exists(n, checks[n] == "x") || ["b"].all(m, checks[m] == "y")', {"a", "b"}),
        ('["pass"].all(v, checks.schema == v)', {"schema"}),
        ('trust == "checks.schema" || scope.checks == ""', set()),
        ("risk < 0.5", set()),
    ],
)
def test_names_that_can_be_read_off(when: str, names: set[str]) -> None:
    assert asked_of(when) == Asked(frozenset(names), every=False)


@pytest.mark.parametrize(
    "when",
    [
        'checks.all(n, checks[n] == "pass")',
        'checks.exists(n, checks[n] == "fail")',
        'checks["sch" + "ema"] == "pass"',
        'checks[kind] == "pass"',
        '["schema"].filter(n, true).all(m, checks[m] == "pass")',
        "checks == checks",
        "size(checks) > 3",
        '"schema" in checks',
        "checks",
    ],
)
def test_everything_else_asks_about_all(when: str) -> None:
    assert asked_of(when).every
