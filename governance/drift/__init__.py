"""Drift: measure how documents silently corrupt over many edits, and where it began.

Model-free and pure; the model enters as an ``Editor``::

    plan = plan_relay("ledger.csv", domain_for("ledger.csv"), text, pairs, seed=7, round_trips=3)
    steps = list(run_relay(plan, editor))
    result = summarise_relay(plan, steps)
    result.rs_at(6), result.applied_ppm, result.critical, result.damage
"""

from __future__ import annotations

from governance.drift.answers import exact_match, normalise_answer, token_f1
from governance.drift.attribution import (
    Damage,
    RelayResult,
    RoundTrip,
    find_damage,
    first_lost_facts,
    macro_mean,
    summarise_relay,
)
from governance.drift.domains import DOMAINS, Domain, Element, domain_for, domain_named
from governance.drift.edits import (
    EditPair,
    Expectation,
    check_pair,
    derive_expectation,
)
from governance.drift.relay import (
    CRITICAL_DROP_PPM,
    Editor,
    EditResult,
    RelayPlan,
    RelayStep,
    edit_order,
    measure_relay,
    plan_relay,
    run_relay,
)
from governance.drift.score import (
    ElementDiff,
    FieldChange,
    Operation,
    difflib_ratio,
    element_diff,
    rapidfuzz_ratio,
    reconstruction_score,
)
from governance.drift.statistics import (
    Interval,
    bootstrap_mean,
    paired_difference,
    wilson_interval,
)

__all__ = [
    "CRITICAL_DROP_PPM",
    "DOMAINS",
    "Damage",
    "Domain",
    "EditPair",
    "EditResult",
    "Editor",
    "Element",
    "ElementDiff",
    "Expectation",
    "FieldChange",
    "Interval",
    "Operation",
    "RelayPlan",
    "RelayResult",
    "RelayStep",
    "RoundTrip",
    "bootstrap_mean",
    "check_pair",
    "derive_expectation",
    "difflib_ratio",
    "domain_for",
    "domain_named",
    "edit_order",
    "element_diff",
    "exact_match",
    "find_damage",
    "first_lost_facts",
    "macro_mean",
    "measure_relay",
    "normalise_answer",
    "paired_difference",
    "plan_relay",
    "rapidfuzz_ratio",
    "reconstruction_score",
    "run_relay",
    "summarise_relay",
    "token_f1",
    "wilson_interval",
]
