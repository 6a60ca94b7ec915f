"""One fully filled payload of every event type. Frozen: see ``regenerate.py``."""

from __future__ import annotations

import hashlib
from typing import Any

from governance import events as ev

TEXT = "Clerk: the deductible is 300 €.\nCustomer: ok 😀"
DIGEST = hashlib.sha256(b"something").hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()

CARD = ev.CardBody(
    topic="claim C-17",
    attribute="deductible",
    question="What is the deductible of claim C-17?",
    answer="300 €",
    rewordings=["Deductible on C-17?"],
    probes=["How much is deducted?"],
)
FACT = ev.FactBody(
    topic="claim C-17", attribute="deductible", value="300 €", statement="The deductible is 300 €."
)
BODIES: tuple[ev.Body, ...] = (
    FACT,
    CARD,
    ev.CaseBody(
        task="Find the deductible",
        plan=["open the file", "read page 2"],
        outcome="300 €",
        reward_ppm=-250_000,
        reward_origin="ground_truth",
    ),
    ev.SubtaskBody(task="Find the deductible", step="read page 2", result="found"),
    ev.ToolBody(tool="lookup", arguments='{"claim":"C-17"}', result="300", ok=True),
)

_ORIGIN = ev.Origin(
    model_id="builtin",
    model_digest=DIGEST,
    adapter_digest=OTHER,
    recalled=["fact-1"],
    prompt_digest=DIGEST,
)
_ENTRY: dict[str, Any] = {"entry_id": "card-1", "version": 1}
_DECISION: dict[str, Any] = _ENTRY | {
    "content_digest": ev.content_digest(CARD),
    "reason_code": "checked",
    "comment": "as in the file",
    "rule_id": "low-risk",
}
_RESULT = ev.VerifierResult(
    verifier="grounding",
    version=1,
    outcome="pass",
    detail="all literals found",
    score_ppm=987_654,
    evidence_digest=DIGEST,
)
_RELAY: dict[str, Any] = {"relay_id": "relay-1"}
_ADAPTER: dict[str, Any] = {"shard_id": "shard-1", "digest": DIGEST}

EXAMPLES: tuple[ev.Payload, ...] = (
    ev.SourceIngested(
        source_id="source-1",
        kind="transcript",
        name="01.jsonl",
        media_type="application/x-ndjson",
        sha256=hashlib.sha256(TEXT.encode()).hexdigest(),
        trust="internal",
        ranges=[ev.TrustRange(start=32, end=46, trust="customer")],
        text=TEXT,
    ),
    ev.EntryProposed(
        **_ENTRY,
        body=CARD,
        spans=[ev.Span(source_id="source-1", start=7, end=31)],
        origin=_ORIGIN,
        derived_from=["fact-1"],
        replaces="card-0",
        valid_from_us=1_767_225_600_000_000,
        valid_to_us=1_798_761_600_000_000,
        copy_of="fact-9",
    ),
    ev.EntryVerified(**_ENTRY, results=[_RESULT], risk_ppm=120_000),
    ev.EntryApproved(**_DECISION),
    ev.EntryRejected(**_DECISION, tombstone="f00d"),
    ev.EntryQuarantined(**_DECISION, terms=ev.ReviewTerms(people=2, delay_s=30, signed=True)),
    ev.EntryRevoked(**_DECISION, tombstone="f00d"),
    ev.EntryActivated(**_ENTRY, adapter_digest=DIGEST),
    ev.EntrySuperseded(**_ENTRY, by="card-2"),
    ev.ReviewAssigned(
        **_ENTRY,
        rule_id="iban",
        message="holds an IBAN",
        assignee="ann",
        terms=ev.ReviewTerms(people=2, delay_s=30, signed=True),
    ),
    ev.ReviewCommented(**_ENTRY, comment="who said that?"),
    ev.MemoryRecalled(
        recall_id="recall-1",
        purpose="answer",
        query="What is the deductible?",
        entries=["fact-1", "card-1"],
        shard_id="shard-1",
        adapter_digest=DIGEST,
        router_score_ppm=913_000,
    ),
    ev.OutcomeRecorded(
        task_id="task-1",
        run_id="run-1",
        arm="both",
        question="What is the deductible?",
        answer="300 €",
        expected=["300 €", "300"],
        exact=True,
        f1_ppm=1_000_000,
        origin="ground_truth",
    ),
    ev.AdapterTrained(
        **_ADAPTER,
        version=2,
        inputs_digest=OTHER,
        base_digest=DIGEST,
        recipe_digest=OTHER,
        subspace_digest=DIGEST,
        cards=[ev.CardRef(entry_id="card-1", version=1)],
        seed=2**53 - 1,
        steps=200,
        environment="x86_64 torch 2.13",
        duration_ms=15_000,
        reused=False,
    ),
    ev.AdapterCertified(
        **_ADAPTER,
        passed=True,
        reason="all absorbed",
        cards=[
            ev.CardCertificate(
                entry_id="card-1",
                min_p_ppm=912_000,
                min_p_off_ppm=3,
                first_failing=None,
                exact=True,
                probes_exact=1,
                probes=1,
                certified=True,
            )
        ],
        controls_kept_ppm=1_000_000,
        abstain_kept_ppm=990_000,
        context_kept_ppm=980_000,
        probes=[
            ev.Probe(
                question="Capital of France?",
                kind="world",
                expected="Paris",
                before="Paris",
                after="Paris",
            )
        ],
        modules=[ev.ModuleChange(module="layers.0.mlp.up", relative_ppm=1_234)],
    ),
    ev.AdapterActivated(**_ADAPTER),
    ev.AdapterWithdrawn(**_ADAPTER, reason_code="card-revoked"),
    ev.RollbackApplied(
        rollback_id="rollback-1",
        to_seq=3,
        entries=[ev.EntryChange(entry_id="card-1", before="active", after="approved")],
        shards=[ev.ShardChange(shard_id="shard-1", before=DIGEST, after=None)],
        reason_code="drift",
        comment="back to Monday",
    ),
    ev.RelayStarted(
        **_RELAY,
        source_id="source-1",
        document="ledger.csv",
        domain="ledger",
        model_id="builtin",
        editor="patch",
        seed=7,
        order=["p1", "p2"],
        round_trips=2,
    ),
    ev.RelayStepped(
        **_RELAY,
        index=0,
        round_trip=1,
        direction="forward",
        pair_id="p1",
        instruction="add a row",
        text="a,b\n1,2\n",
        applied=True,
        error=None,
        score_ppm=999_999,
        changes=[ev.ElementChange(operation="substitute", location="row 1", before="1", after="2")],
        lost=["1"],
    ),
    ev.RelayScored(
        **_RELAY,
        rs=[ev.RelayScore(k=2, score_ppm=1_000_000)],
        applied_ppm=500_000,
        critical=0,
        errors=1,
    ),
    ev.PolicyActivated(
        name="default",
        digest=DIGEST,
        text="rules: []\n",
        terms=ev.PolicyTerms(rollback_people=2, ttl_days={"fact": 365}),
    ),
    ev.RoleGranted(principal="ann", role="reviewer"),
    ev.RoleWithdrawn(principal="ann", role="reviewer"),
    ev.LedgerFrozen(reason="incident 12"),
    ev.LedgerThawed(reason="incident 12 closed"),
    ev.LedgerRecovered(reason="stopped between commit and checkpoint", from_size=3, to_size=5),
    # New types come last: the bytes of those before them are frozen with their numbers.
    ev.PrincipalRegistered(
        principal="human:ann", bounds=ev.Scope(tenant="acme", agent="desk", user="")
    ),
    ev.TokenIssued(
        token_id="token-1",
        principal="human:ann",
        digest=DIGEST,
        expires_at_us=1_798_761_600_000_000,
    ),
    ev.TokenRevoked(token_id="token-1", reason="laptop lost"),
    ev.KeyRotated(old_key="0a" * 32, new_key="0b" * 32, reason="yearly"),
    ev.ReviewClaimed(**_ENTRY, until_us=1_767_225_900_000_000),
    ev.ReviewEndorsed(**_DECISION),
    ev.ReviewWithdrawn(**_ENTRY, comment="too quick"),
    ev.DecisionSigned(
        **_ENTRY,
        decision_seq=4,
        leaf=DIGEST,
        meaning="approved",
        name="Ann Meyer",
        key="0a" * 32,
        signature="0b" * 64,
    ),
    ev.SignerRegistered(principal="human:ann", key="0a" * 32, name="Ann Meyer"),
    ev.SignerWithdrawn(principal="human:ann", reason="laptop lost"),
    ev.CommandRefused(
        command="approve", about="entry:card-1", error="SelfReviewError", message="wrote it"
    ),
    ev.EntryExpired(**_ENTRY, reason_code="ttl", comment="365 days"),
    ev.EntryErased(**_ENTRY, kind="card", erasure_id="erasure-1", tombstone="f00d"),
    ev.SourceErased(source_id="source-1", erasure_id="erasure-1"),
    ev.HoldPlaced(hold_id="hold-1", reason="case 7", entries=["card-1"], data_subjects=["0c" * 12]),
    ev.HoldLifted(hold_id="hold-1", reason="case 7 closed"),
    ev.ExportIssued(
        export_id="export-1",
        purpose="memory",
        path="exports/export-1.jsonl",
        sha256=DIGEST,
        entries=["card-1"],
        data_subject="0c" * 12,
    ),
    ev.ExportWithdrawn(export_id="export-1", reason_code="revoked"),
    ev.ErasureRequested(
        erasure_id="erasure-1",
        basis="consent-withdrawn",
        reason="letter of 3 March",
        entries=["card-1"],
        data_subject="0c" * 12,
        plan_digest=DIGEST,
    ),
    ev.ErasureApproved(erasure_id="erasure-1", comment="identity checked"),
    ev.ErasureDeclined(erasure_id="erasure-1", comment="not hers"),
    ev.ErasureCompleted(
        erasure_id="erasure-1",
        events=[2, 3],
        entries=1,
        sources=1,
        adapters=[DIGEST],
        exports=["export-1"],
        searched=9,
        hits=0,
    ),
    ev.RollbackRequested(
        rollback_id="rollback-2",
        to_seq=3,
        only_scope=ev.Scope(tenant="acme", agent="desk", user=""),
        only_channel="external",
        plan_digest=DIGEST,
        reason_code="regression",
        comment="answers got worse",
    ),
    ev.RollbackAccepted(rollback_id="rollback-2", comment="seen"),
    ev.VerifierRated(
        verifier="grounding",
        version=1,
        policy=DIGEST,
        bad=40,
        bad_flagged=30,
        good=60,
        good_flagged=6,
        lower_ppm=480_000,
        upper_ppm=780_000,
        standing="informative",
    ),
    ev.DriftHeld(
        hold_id="drift-1",
        reason="upper bound below zero",
        alarm="alarm-1",
        entries=["card-1"],
        adapters=[DIGEST],
    ),
    ev.DriftReleased(hold_id="drift-1", reason="the editor was at fault"),
    ev.RollbackDeclined(rollback_id="rollback-2", comment="the newer value is right"),
)
