"""Governance: what checking, deciding, taking back and searching cost. No model is asked.

verify_entries_per_s   proposals checked by all verifiers per second, context included, in a
                       scope with 1,000 entries in force (a tenth of that with ``--quick``)
policy_decision_ms     median of one decision of the default policy
revoke_1000_s          planning and revoking an entry with 1,000 derivatives in a home on disk,
                       adapter files excluded
rollback_preview_1m_s  previewing a rollback over the last thousand entries of a long log
                       (rollback_events long: 1 million, 50,000 with ``--quick``)
bisect_overhead_s      finding the first bad version of bisect_versions, the probe costing nothing;
                       bisect_asked is how often it was asked
"""

from __future__ import annotations

import math
import statistics
import time
from pathlib import Path

from benchmarks.ledger import AGENT, _evidence, _folder, _life, _progress, _proposed, _timed
from governance import bisect
from governance.batch import EventDraft
from governance.events import Actor, EntryProposed, FactBody, Scope
from governance.ledger import Ledger
from governance.policy import load_policy
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback
from governance.verification import facts_of, verify_proposal

REVIEWER = Actor(kind="human", id="reviewer")
HERE = Scope()
PER_ENTRY = 5


def run(*, quick: bool) -> dict[str, float]:
    """All figures; see the module docstring."""
    figures = _checking(active=100 if quick else 1_000, proposals=200 if quick else 1_000)
    with _folder() as folder:
        figures |= _revoking(folder / "revoke", derivatives=1_000)
        figures |= _long(folder / "long", events=50_000 if quick else 1_000_000)
        figures |= _bisecting(folder / "bisect", versions=5_000 if quick else 100_000)
    return figures


def _checking(active: int, proposals: int) -> dict[str, float]:
    with Ledger.in_memory() as ledger:
        ledger.append([_evidence()])
        ledger.append(list(_life(0, active * PER_ENTRY)))
        policy = load_policy("default")
        fresh = [_new(number) for number in range(proposals)]
        verify_proposal(ledger, fresh[0], AGENT, HERE)  # libraries and index are loaded once
        started = time.perf_counter()
        checked = [verify_proposal(ledger, one, AGENT, HERE) for one in fresh]
        elapsed = time.perf_counter() - started
        facts = [
            facts_of(ledger.state, context, verification, one)
            for one, (context, verification) in zip(fresh, checked, strict=True)
        ]
        decisions = sorted(_timed(policy.decide, one) for one in facts)
    return {
        "verify_entries_per_s": proposals / elapsed,
        "policy_decision_ms": statistics.median(decisions) * 1e3,
    }


def _new(number: int) -> EntryProposed:
    return _proposed(f"new-{number}")


def _revoking(home: Path, derivatives: int) -> dict[str, float]:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([_evidence()])
        ledger.append(list(_life(0, 2_000 * PER_ENTRY)))
        root = "entry-0"
        for start in range(0, derivatives, 200):
            ledger.append(
                [
                    EventDraft(_derived(number, root), AGENT)
                    for number in range(start, min(start + 200, derivatives))
                ]
            )
    with Ledger.open(home) as ledger:
        started = time.perf_counter()
        plan = plan_revocation(ledger, root)
        revoke(ledger, plan, actor=REVIEWER, reason_code="wrong")
        elapsed = time.perf_counter() - started
        assert len(plan.entry_ids) == derivatives + 1
    return {"revoke_1000_s": elapsed}


def _derived(number: int, root: str) -> EntryProposed:
    body = FactBody(
        topic=f"summary {number}", attribute="note", value=f"note {number}",
        statement=f"Note {number} on the claim.",
    )  # fmt: skip
    return EntryProposed(
        entry_id=f"derived-{number}", version=1, body=body,
        spans=_proposed("0").spans, derived_from=[root],
    )  # fmt: skip


def _long(home: Path, events: int) -> dict[str, float]:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([_evidence()])
        for start in range(0, events - 1_000, 1_000):
            ledger.append(list(_life(start, 1_000)))
            _progress(f"long log: {start + 1_000:,} of {events:,} events", start)
    with Ledger.open(home) as ledger:
        size = ledger.head.seq
        elapsed = _timed(plan_rollback, ledger, size - 1_000 * PER_ENTRY)
    return {"rollback_events": float(size), "rollback_preview_1m_s": elapsed}


def _bisecting(home: Path, versions: int) -> dict[str, float]:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([_evidence()])
        drafts = list(_life(0, versions * PER_ENTRY))
        for start in range(0, len(drafts), PER_ENTRY * 1_000):
            lives = drafts[start : start + PER_ENTRY * 1_000]
            log = ledger.log
            parts = [lives[at : at + PER_ENTRY] for at in range(0, len(lives), PER_ENTRY)]
            log.append_each([(part, None) for part in parts])  # type: ignore[attr-defined]  # owned
            _progress(f"bisect: {start:,} events", start)
    with Ledger.open(home) as ledger:
        bad = ledger.head.seq // 3
        started = time.perf_counter()
        candidates = bisect.versions(ledger, 0, ledger.head.seq)
        found = bisect.search(candidates, lambda seq: seq < bad)
        elapsed = time.perf_counter() - started
    assert found is not None
    assert found.asked <= math.ceil(math.log2(len(candidates))) + 1
    return {
        "bisect_versions": float(len(candidates)),
        "bisect_asked": float(found.asked),
        "bisect_overhead_s": elapsed,
    }
