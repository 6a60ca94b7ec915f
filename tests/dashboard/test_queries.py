"""What pages are told, as plain data."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dashboard.queries import Desk, adapters, drift, entries, overview, scopes, timeline
from dashboard.queries.projection import Projection
from governance.events import EntryApproved, ModuleChange, Probe, Scope
from governance.ledger import Ledger
from governance.review import comment
from tests.dashboard.learner import LOCAL, SCOPE, Learner, Ticking
from tests.dashboard.population import fact


def test_queries_and_actions_know_no_streamlit() -> None:
    code = (
        "import sys; import dashboard.actions, dashboard.settling, dashboard.commands, "
        "dashboard.queries.overview, dashboard.queries.timeline; "
        "print([name for name in sys.modules if name.split('.')[0] in {'streamlit', 'torch'}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_overview_counts(desk: Desk) -> None:
    now = overview.overview(desk)
    assert now.waiting == {"high": 5, "medium": 1, "low": 0}
    assert now.quarantined == 2
    assert now.in_force == {"external": 11, "parametric": 4}
    assert now.table["card"]["revoked"] == 1
    assert [(shard.shard_id, shard.certified, shard.cards) for shard in now.shards] == [
        ("shard-lisbon", 3, 3), ("shard-group", 1, 2),
    ]  # fmt: skip
    assert now.policy == "default"
    assert now.needs[0].severity == "high"
    assert now.needs[-1].title == "1 card was not absorbed"


def test_last_run_is_the_newest_with_intervals(desk: Desk) -> None:
    run = overview.last_run(desk)
    assert run is not None
    assert (run.run_id, run.questions) == ("run-2", 12)
    scores = {score.arm: score for score in run.arms}
    assert list(scores) == ["none", "external", "parametric", "both"]
    assert scores["none"].f1 == 0
    both = scores["both"]
    assert both.exact == pytest.approx(9 / 12)
    assert both.f1 == pytest.approx(9.5 / 12)
    assert both.low is not None
    assert both.high is not None
    assert both.low < both.f1 < both.high


def test_a_question_asked_again_replaces_its_answer(desk: Desk) -> None:
    run = overview.last_run(desk)
    assert run is not None
    learner = Learner(desk.ledger, Ticking(), {"seat": "fact-x", "hotel": "fact-y"})
    learner.answer("run-2", {"none": "Y"})
    again = overview.last_run(Desk(desk.ledger, SCOPE, desk.projection))
    assert again is not None
    assert again.arms[0].n == run.arms[0].n
    assert again.arms[0].exact == pytest.approx(1 / 12)


def test_queue_is_by_risk_then_age_and_paged(desk: Desk) -> None:
    page = entries.queue_page(desk, entries.Filters(), page=1, size=4)
    assert [item.risk_ppm for item in page.items] == [970_000, 920_000, 780_000, 710_000]
    assert (page.total, page.pages, page.high) == (6, 2, 5)
    last = entries.queue_page(desk, entries.Filters(), page=99, size=4)
    assert (last.page, len(last.items)) == (2, 2)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (entries.Filters(kinds=("card",)), 1),
        (entries.Filters(channel="parametric"), 1),
        (entries.Filters(check="failed"), 4),
        (entries.Filters(check="passed"), 2),
        (entries.Filters(status="", check="not checked"), 1),
        (entries.Filters(text="ELEVEN travellers"), 1),
        (entries.Filters(status="revoked"), 1),
        (entries.Filters(status="expired"), 0),
    ],
)
def test_filters_narrow(desk: Desk, filters: entries.Filters, count: int) -> None:
    assert entries.queue_page(desk, filters, page=1, size=50).total == count


def test_comparison_prefers_what_is_replaced_then_what_contradicts(
    desk: Desk, ids: dict[str, str]
) -> None:
    replaced = entries.entry_detail(desk, ids["departure-new"])
    assert replaced is not None
    assert replaced.comparison is not None
    assert (replaced.comparison.entry_id, replaced.comparison.why) == (
        ids["departure"], "would be replaced",
    )  # fmt: skip
    card = entries.entry_detail(desk, ids["departure-card"])
    assert card is not None
    assert card.comparison is not None
    assert card.comparison.why == "says otherwise"
    assert card.comparison.text == "booking NW-40718, departure: 14 April at 09:35"
    assert card.comparison.own == "booking NW-40718, departure: 16 April at 11:20"
    alone = entries.entry_detail(desk, ids["travellers"])
    assert alone is not None
    assert alone.comparison is None


def test_earlier_version_is_the_last_resort(desk: Desk, ids: dict[str, str]) -> None:
    learner = Learner(desk.ledger, Ticking(), dict(ids))
    learner.propose("group-size", fact("travel desk", "group size", "ten", "Groups start at ten."),
                    "Group bookings start at eight travellers.", version=2)  # fmt: skip
    detail = entries.entry_detail(Desk(desk.ledger, SCOPE), ids["group-size"])
    assert detail is not None
    assert detail.comparison is not None
    assert detail.comparison.why == "the version before"
    assert detail.comparison.text == "Group bookings start at eight travellers."


def test_evidence_resolves_to_its_line(desk: Desk, ids: dict[str, str]) -> None:
    detail = entries.entry_detail(desk, ids["contact"])
    assert detail is not None
    (evidence,) = detail.evidence
    assert evidence.quote == "The emergency contact is +351 910 555 014."
    assert evidence.line == 7
    assert evidence.before.endswith("Ines: ")
    assert evidence.trust == "customer"
    assert detail.choices == ("approve", "reject", "quarantine")


def test_audit_trail_is_newest_first_with_leaves(desk: Desk, ids: dict[str, str]) -> None:
    comment(desk.ledger, ids["contact"], actor=LOCAL, text="Asked the guest.")
    rows = entries.audit_trail(Desk(desk.ledger, SCOPE), ids["contact"])
    assert [row.event for row in rows] == [
        "review.commented", "review.assigned", "entry.verified", "entry.proposed",
    ]  # fmt: skip
    assert rows[0].detail == "Asked the guest."
    assert rows[0].leaf == desk.ledger.leaf(rows[0].seq)


def test_other_scope_sees_nothing(ledger: Ledger, ids: dict[str, str]) -> None:
    stranger = Desk(ledger, Scope(tenant="x", agent="y"))
    assert stranger.entries() == []
    assert entries.entry_detail(stranger, ids["contact"]) is None
    assert entries.audit_trail(stranger, ids["contact"]) == ()
    assert adapters.shard_rows(stranger) == ()
    assert adapters.build_detail(stranger, next(iter(ledger.state.adapters))) is None
    assert drift.relay_rows(stranger) == ()
    assert drift.steps(stranger, next(iter(ledger.state.relays))) == ()
    assert overview.last_run(stranger) is None
    assert timeline.log_page(stranger)[1] == 0
    assert timeline.event_line(stranger, 20) is None
    mine = Desk(ledger, scopes(ledger)[0])
    assert entries.entry_detail(mine, ids["contact"]) is not None
    assert timeline.event_line(mine, 20) is not None


def test_projection_follows_without_reading_twice(
    ledger: Ledger, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    projection = Projection().follow(ledger)
    assert len(projection.rows) == ledger.head.seq
    started: list[int] = []
    real = ledger.events

    def counted(start: int = 1, stop: int | None = None) -> object:
        started.append(start)
        return real(start, stop)

    monkeypatch.setattr(ledger, "events", counted)
    Learner(ledger, Ticking(), dict(ids)).decide(
        EntryApproved, "travellers", "known-true", by=LOCAL
    )
    projection.follow(ledger)
    assert started == [ledger.head.seq]
    assert projection.rows[-1].type == "entry.approved"


def test_buckets_cover_every_event_once(desk: Desk) -> None:
    rows = desk.rows()
    found = timeline.buckets(rows)
    assert sum(bucket.count for bucket in found) == len(rows)
    assert len({bucket.start_us for bucket in found}) <= 48
    assert max(bucket.last_seq for bucket in found) == rows[-1].seq
    assert timeline.buckets([]) == ()
    assert timeline.family_of("entry.revoked") == "taken back"
    assert timeline.family_of("ledger.recovered") == "set up"


def probe(kind: str, expected: str, before: str, after: str) -> Probe:
    return Probe.model_validate(
        {"question": "?", "kind": kind, "expected": expected, "before": before, "after": after}
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (probe("card", "14C", "unknown", "14c."), "learned"),
        (probe("card", "14C", "14C", "14D"), "regressed"),
        (probe("card", "14C", "unknown", "unknown"), "not learned"),
        (probe("reworded", "14C", "14C", "14C"), "known"),
        (probe("world", "Oslo", "Oslo", "Oslo"), "kept"),
        (probe("world", "Oslo", "Bergen", "Bergen"), "wrong before"),
        (probe("stranger", "unknown", "Bergen", "14C"), "wrong before"),
        (probe("stranger", "unknown", "unknown", "14C"), "regressed"),
    ],
)
def test_verdicts(found: Probe, verdict: str) -> None:
    assert adapters.verdict_of(found) == verdict


@pytest.mark.parametrize(
    ("module", "layer", "name"),
    [
        ("layers.3.attn.q_proj", 3, "q_proj"),
        ("model.layers.11.mlp.down_proj", 11, "down_proj"),
        ("transformer.h.0.attn.c_attn", 0, "c_attn"),
        ("head", 0, "head"),
    ],
)
def test_modules_split_into_layer_and_name(module: str, layer: int, name: str) -> None:
    (cell,) = adapters.cells_of([ModuleChange(module=module, relative_ppm=5)])
    assert (cell.layer, cell.module) == (layer, name)


def test_build_detail_has_certificate_and_difference(desk: Desk) -> None:
    lisbon = adapters.shard_rows(desk)[0]
    served = adapters.build_detail(desk, str(lisbon.active))
    assert served is not None
    assert served.passed
    assert [probe.verdict for probe in served.probes][:3] == ["learned"] * 3
    first, second = (desk.projection.certificates[digest] for digest in lisbon.versions[1:3])
    moved = adapters.difference(first, second)
    assert all(cell.relative_ppm < 0 for cell in moved)
    assert len(adapters.build_rows(desk, "shard-lisbon")) == 3


def test_drift_counts_interactions_and_orders_worst_first(desk: Desk) -> None:
    rows = drift.relay_rows(desk)
    assert rows[0].document == "documents/payments.csv"
    summary = drift.summary(desk, rows)
    assert (summary.k, summary.documents, summary.critical) == (6, 3, 4)
    assert summary.mean_ppm == round((687_500 + 888_900 + 1_000_000) / 3)
    points = drift.points(desk, rows)
    assert {point.k for point in points} == {0, 2, 4, 6}
    steps = drift.steps(desk, rows[0].relay_id)
    assert [step.k for step in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].lost == ("P-4",)
    assert drift.original_text(desk, rows[0].relay_id) is not None
    assert drift.editors(desk) == ("patch",)
    assert drift.summary(desk, ()).mean_ppm is None


def test_losses_compare_with_the_original_again(desk: Desk) -> None:
    relay = drift.relay_rows(desk)[0].relay_id
    steps = drift.steps(desk, relay)
    found = drift.losses(desk, relay, steps[-1].text)
    assert found is not None
    assert {change.operation for change in found.changes} == {"delete", "substitute"}
    whole = drift.losses(desk, relay, drift.original_text(desk, relay) or "")
    assert whole is not None
    assert whole.changes == ()
    unreadable = drift.losses(desk, relay, "")
    assert unreadable is not None
    assert unreadable.error
