"""Every event type reads as one line, and comparisons show what certificates say."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from governance import review
from governance.commands.adapters import adapter_data, compare_adapters, print_adapters
from governance.commands.comparison import compare_entry
from governance.commands.describe import summary, time_of
from governance.commands.dossier import dossier, print_dossier
from governance.errors import IllegalTransitionError, LedgerError, PalimpsestError
from governance.events import (
    PAYLOADS,
    AdapterWithdrawn,
    CommandRefused,
    DecisionSigned,
    DriftHeld,
    DriftReleased,
    EntryApproved,
    EntryErased,
    EntryExpired,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    ExportIssued,
    ExportWithdrawn,
    HoldLifted,
    HoldPlaced,
    KeyRotated,
    LedgerFrozen,
    LedgerRecovered,
    LedgerThawed,
    MemoryRecalled,
    ModuleChange,
    OutcomeRecorded,
    Payload,
    PolicyActivated,
    PrincipalRegistered,
    Probe,
    RelayScore,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    ReviewClaimed,
    ReviewCommented,
    ReviewEndorsed,
    ReviewWithdrawn,
    RoleGranted,
    RoleWithdrawn,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackRequested,
    Scope,
    SignerRegistered,
    SignerWithdrawn,
    SourceErased,
    TokenIssued,
    TokenRevoked,
    VerifierRated,
)
from governance.ledger import EventDraft, Ledger
from tests.governance.desk import CALL, Desk, card, fact
from tests.governance.drafts import (
    ANN,
    SYSTEM,
    activated,
    certified,
    decided,
    proposed,
    served,
    source,
    tombstoned,
    trained,
    verified,
)

OUTCOME = OutcomeRecorded(
    task_id="t", run_id="r", arm="both", question="Who?", answer="Ilse", expected=["Ilse"],
    exact=True, f1_ppm=1, origin="ground_truth",
)  # fmt: skip
STEP = RelayStepped(
    relay_id="r", index=2, round_trip=1, direction="forward", pair_id="p", instruction="i",
    text="t", applied=True, error=None, score_ppm=975_000, changes=[],
)  # fmt: skip
LINES: list[tuple[Payload | None, str]] = [
    (None, "(erased)"),
    (source(), "s1.jsonl (transcript, customer)"),
    (proposed(), "The deductible of claim C-17 is 300 EUR."),
    (verified(risk_ppm=250_000), "risk 0.25, all checks passed"),
    (decided(EntryApproved), "checked"),
    (tombstoned(EntryRejected), "wrong"),
    (decided(EntryQuarantined).model_copy(update={"rule_id": "odd", "comment": "c"}), "odd: c"),
    (decided(EntryRevoked), "checked"),
    (activated(), ""),
    (activated(adapter_digest="ab" * 32), "in adapter abababababab"),
    (EntrySuperseded(entry_id="e", version=1, by="f"), "by f"),
    (ReviewAssigned(entry_id="e", version=1, rule_id="r", message="look\nhere"), "r: look here"),
    (ReviewCommented(entry_id="e", version=1, comment="hm"), "hm"),
    (MemoryRecalled(recall_id="r", purpose="answer", query="Who?", entries=["e"]),
     "for answer: Who? [1 entries]"),
    (OUTCOME, "both, right: Who? → Ilse"),
    (OUTCOME.model_copy(update={"exact": False}), "both, wrong: Who? → Ilse"),
    (trained("ab" * 32), "abababababab v1, 1 cards, 120 steps"),
    (trained("ab" * 32).model_copy(update={"reused": True}),
     "abababababab v1, 1 cards, found in the store"),
    (certified("ab" * 32), "abababababab passed, 1 of 1 cards absorbed"),
    (certified("ab" * 32, passed=False),
     "abababababab refused: controls lost, 1 of 1 cards absorbed"),
    (served("ab" * 32), "abababababab"),
    (AdapterWithdrawn(shard_id="s", digest="ab" * 32, reason_code="wrong"), "abababababab wrong"),
    (RollbackApplied(rollback_id="r", to_seq=3, entries=[], shards=[], reason_code="drill"),
     "to version 3: 0 entries, 0 shards; drill"),
    (RelayStarted(relay_id="r", source_id="s", document="d.md", domain="markdown", model_id="m",
                  editor="patch", seed=1, order=["p"], round_trips=1), "d.md"),
    (STEP, "step 2 forward p: 0.975"),
    (STEP.model_copy(update={"score_ppm": None}), "step 2 forward p: error"),
    (RelayScored(relay_id="r", rs=[RelayScore(k=2, score_ppm=900_000)], applied_ppm=1,
                 critical=0, errors=0), "RS@2 0.900"),
    (PolicyActivated(name="default", digest="cd" * 32, text="x"), "default cdcdcdcdcdcd"),
    (RoleGranted(principal="human:ann", role="admin"), "admin for human:ann"),
    (RoleWithdrawn(principal="human:ann", role="admin"), "admin for human:ann"),
    (LedgerFrozen(reason="incident"), "incident"),
    (LedgerThawed(reason="over"), "over"),
    (LedgerRecovered(reason="crash", from_size=1, to_size=2), "crash"),
    (PrincipalRegistered(principal="human:ann", bounds=Scope(tenant="acme")),
     "human:ann within acme/default"),
    (TokenIssued(token_id="t1", principal="human:ann", digest="ab" * 32),
     "t1 for human:ann, for good"),
    (TokenIssued(token_id="t1", principal="human:ann", digest="ab" * 32,
                 expires_at_us=1_767_225_600_000_000),
     "t1 for human:ann, until 2026-01-01 00:00:00 UTC"),
    (TokenRevoked(token_id="t1", reason="lost"), "t1: lost"),
    (KeyRotated(old_key="0a" * 32, new_key="0b" * 32, reason="yearly"),
     "0a0a0a0a0a0a → 0b0b0b0b0b0b: yearly"),
    (ReviewClaimed(entry_id="e", version=1, until_us=1_767_225_600_000_000),
     "until 2026-01-01 00:00:00 UTC"),
    (ReviewClaimed(entry_id="e", version=1, until_us=0), "let go"),
    (decided(ReviewEndorsed), "checked"),
    (ReviewWithdrawn(entry_id="e", version=1, comment="too quick"), "too quick"),
    (DecisionSigned(entry_id="e", version=1, decision_seq=4, leaf="a" * 64, meaning="approved",
                    name="Ann", key="b" * 64, signature="c" * 128), "Ann: approved (event 4)"),
    (SignerRegistered(principal="human:ann", key="0a" * 32, name="Ann"),
     "Ann signs with 0a0a0a0a0a0a"),
    (SignerWithdrawn(principal="human:ann", reason="lost"), "lost"),
    (CommandRefused(command="approve", about="entry:e", error="SelfReviewError",
                    message="wrote it"), "approve on entry:e: wrote it"),
    (EntryExpired(entry_id="e", version=1, reason_code="ttl"), "ttl"),
    (EntryErased(entry_id="e", version=1, kind="fact", erasure_id="x"), "x"),
    (SourceErased(source_id="s", erasure_id="x"), "x"),
    (HoldPlaced(hold_id="h", reason="case 7"), "case 7"),
    (HoldLifted(hold_id="h", reason="over"), "over"),
    (ExportIssued(export_id="x", purpose="memory", path=None, sha256="a" * 64, entries=["e"]),
     "memory: 1 entries"),
    (ExportWithdrawn(export_id="x", reason_code="wrong"), "wrong"),
    (ErasureRequested(erasure_id="x", basis="unlawful", reason="r", entries=["e"],
                      plan_digest="a" * 64), "1 entries: unlawful r"),
    (ErasureRequested(erasure_id="x", basis="unlawful", reason="r", data_subject="0c" * 12,
                      plan_digest="a" * 64), "a data subject: unlawful r"),
    (ErasureApproved(erasure_id="x", comment="yes"), "yes"),
    (ErasureDeclined(erasure_id="x", comment="no"), "no"),
    (ErasureCompleted(erasure_id="x", events=[1, 2], entries=1, sources=0, adapters=[],
                      exports=[], searched=3, hits=0), "2 payloads destroyed, 0 found afterwards"),
    (RollbackRequested(rollback_id="r", to_seq=3, only_scope=None, only_channel=None,
                       plan_digest="a" * 64, reason_code="drill", comment="c"),
     "to version 3: drill c"),
    (RollbackAccepted(rollback_id="r", comment="seen"), "seen"),
    (RollbackDeclined(rollback_id="r", comment="not now"), "not now"),
    (VerifierRated(verifier="grounding", version=1, policy="a" * 64, bad=40, bad_flagged=30,
                   good=60, good_flagged=6, lower_ppm=480_000, upper_ppm=780_000,
                   standing="informative"), "grounding informative: +0.48 to +0.78"),
    (DriftHeld(hold_id="d", reason="worse", alarm="a"), "worse"),
    (DriftReleased(hold_id="d", reason="fine"), "fine"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "line"), LINES)
def test_an_event_in_one_line(payload: Payload | None, line: str) -> None:
    assert summary(payload) == line


def test_every_event_type_is_described() -> None:
    assert {type(payload) for payload, _ in LINES if payload} == set(PAYLOADS.values())


def test_times_are_utc_to_the_second() -> None:
    assert time_of(1_767_225_600_999_999) == "2026-01-01 00:00:00"


def _probed(desk: Desk, cards: tuple[str, ...], after: str, version: int, question: str) -> str:
    digest = f"{version}" * 64
    probe = Probe(question=question, kind="card", expected="300 EUR", before="unknown", after=after)
    certificate = certified(digest, cards, shard_id="s").model_copy(update={"probes": [probe]})
    payloads = [trained(digest, cards, shard_id="s", version=version), certificate]
    desk.ledger.append([EventDraft(payload, SYSTEM, desk.scope) for payload in payloads])
    return digest


class Gone:
    """A target whose adapters cannot be read."""

    def forget(self, adapters: Collection[str]) -> None:
        raise NotImplementedError

    def weight_difference(self, first: str, second: str) -> list[ModuleChange]:
        raise PalimpsestError(f"{first[:2]} or {second[:2]} is missing")


def test_probe_answers_are_matched_by_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("governance.memory_target.load_target", lambda _: Gone())
    desk = Desk()
    one = desk.card("deductible", "300 EUR").entry_id
    two = desk.card("adjuster", "Hugo Bancroft").entry_id
    first = _probed(desk, (one,), "unknown", 1, "How much?")
    second = _probed(desk, (one, two), "300 EUR", 2, "How much?")
    third = _probed(desk, (two,), "Hugo", 3, "Who?")
    found = adapter_data(compare_adapters(desk.ledger, first, second))
    assert found["probes"] == [
        {"question": "How much?", "kind": "card", "expected": "300 EUR", "first": "unknown",
         "second": "300 EUR"}
    ]  # fmt: skip
    assert found["weights_note"] == "Weights were not compared: 11 or 22 is missing"
    print_adapters(compare_adapters(desk.ledger, first, third))
    text = capsys.readouterr().out
    assert "Answers that differ (2 of 2 probes)" in text
    assert "(not asked)" in text
    desk.ledger.append(
        [EventDraft(trained("4" * 64, (one,), shard_id="s", version=4), SYSTEM, desk.scope)]
    )
    uncertified = compare_adapters(desk.ledger, first, "4444")
    assert [probe.second for probe in uncertified.probes] == [None]


def test_a_new_version_is_compared_with_the_one_before() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    entry = desk.entry(waiting)
    body = fact("plumber", "Wexler Plumbing").model_copy(
        update={"statement": "The plumber of claim C-17 was Wexler Plumbing."}
    )
    again = EntryProposed(entry_id=waiting, version=2, body=body, spans=list(entry.spans))
    desk.ledger.append([EventDraft(again, SYSTEM, desk.scope)])
    found = compare_entry(desk.ledger, waiting)
    assert (found.against, found.before_name) == ("previous", f"{waiting} v1")
    edits = [(p.before, p.after) for p in found.diff.parts if p.operation != "equal"]
    assert edits == [("is", "was")]


def test_a_dossier_prints_a_card_a_case_and_a_persons_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = Desk()
    said = desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN).entry_id
    learned = desk.submit(card("deductible", "300 EUR"), "The deductible is 300 EUR.").entry_id
    print_dossier(dossier(desk.ledger, said))
    print_dossier(dossier(desk.ledger, learned))
    text = capsys.readouterr().out
    assert "It rests on a person's word alone" in text
    assert "What is the deductible of claim C-17?" in text
    assert CALL.splitlines()[0] in text


def test_erased_evidence_is_said_to_be_erased(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk()
    learned = desk.fact("deductible", "300 EUR").entry_id
    assert dossier(desk.ledger, learned).quotes[0].text == "The deductible is 300 EUR."

    def erased(_: Ledger, source_id: str) -> str:
        raise LedgerError(f"source {source_id} is unknown or was erased")

    monkeypatch.setattr(Ledger, "source_text", erased)
    print_dossier(dossier(desk.ledger, learned))
    assert "(erased)" in capsys.readouterr().out
    again = review.reconsider
    with pytest.raises(IllegalTransitionError):
        again(desk.ledger, learned, policy=desk.policy)
    late = desk.card("deductible", "300 EUR")
    assert late.decision.rule_id == "ungrounded"
