"""Memory as a file: out as an event, in through the policy, and never back what was refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance import review, transfer
from governance.errors import LedgerError, NotAuthorisedError, PolicyError, StoreError
from governance.events import (
    Actor,
    CaseBody,
    EntryErased,
    EntryProposed,
    ErasureApproved,
    ErasureRequested,
    ExportIssued,
    PolicyActivated,
    RoleGranted,
    Scope,
    SourceErased,
    content_digest,
)
from governance.exports import remaining, remove_withdrawn
from governance.ledger import EventDraft, Ledger
from governance.policy import load_policy
from governance.revocation import plan_revocation, remains, revoke
from governance.standing import policy_in_force
from governance.transfer import (
    MAX_LINE_BYTES,
    Exported,
    ImportReport,
    Line,
    export_memory,
    import_memory,
)
from tests.governance.desk import DESK, Desk, at_once
from tests.governance.drafts import ANN, BOB, SYSTEM, StepClock

POLICY = at_once("default")
IMPORTER = Actor(kind="importer", id="file")
THERE = Scope(tenant="branch", agent="desk")
HOMOGLYPHS = str.maketrans("aeopc", "аеорс")


@pytest.fixture
def desk(fast_path: Path) -> Iterator[Desk]:
    with Ledger.open(fast_path / "home", create=True, clock=StepClock()) as ledger:
        yield Desk(ledger=ledger)


def exported(desk: Desk, out: Path | None = None) -> Exported:
    return export_memory(desk.ledger, scope=DESK, actor=ANN, out=out)


def imported(ledger: Ledger, file: Path, scope: Scope = THERE, **options: str) -> ImportReport:
    trust = options.get("trust", "unknown")
    assert trust in {"unknown", "internal"}
    return import_memory(
        ledger, file, scope=scope, actor=IMPORTER, policy=POLICY,
        trust="internal" if trust == "internal" else "unknown",
    )  # fmt: skip


def taken_back(desk: Desk, entry_id: str) -> None:
    revoke(desk.ledger, plan_revocation(desk.ledger, entry_id), actor=ANN, reason_code="wrong")


def edited(file: Path, **changes: object) -> Path:
    """A copy of the first line with these values in its body, and a digest that fits."""
    data = json.loads(file.read_text("utf-8").splitlines()[0])
    data["body"] |= changes
    line = Line.model_validate_json(json.dumps(data | {"digest": "0" * 64}))
    changed = line.model_copy(update={"digest": content_digest(line.body)})
    copy = file.with_name("edited.jsonl")
    copy.write_text(changed.text() + "\n", "utf-8")
    return copy


# --- out --------------------------------------------------------------------------------


def test_an_export_holds_what_is_in_force_with_its_evidence_and_is_an_event(desk: Desk) -> None:
    said = desk.fact("deductible", "300 EUR").entry_id
    desk.fact("plumber", "Wexler Plumbing")  # waits
    done = exported(desk)
    assert done.path == desk.ledger.home / "exports" / f"{done.export_id}.jsonl"
    assert done.path.stat().st_mode & 0o777 == 0o600
    (line,) = [Line.model_validate_json(row) for row in done.path.read_text().splitlines()]
    assert (line.id, line.version, line.scope) == (said, 1, DESK)
    assert [quote.text for quote in line.evidence] == ["The deductible is 300 EUR."]
    assert (line.log, line.head) == (desk.ledger.origin, done.receipt.first_seq - 1)
    state = desk.ledger.state.exports[done.export_id]
    assert (state.issued.entries, state.issued.sha256) == ([said], done.sha256)
    assert state.issued.path == f"exports/{done.export_id}.jsonl"


def test_only_the_kinds_asked_for_and_only_what_there_is(desk: Desk) -> None:
    with pytest.raises(LedgerError, match="nothing of"):
        exported(desk)
    desk.fact("deductible", "300 EUR")
    with pytest.raises(LedgerError, match="nothing of"):
        export_memory(desk.ledger, scope=DESK, actor=ANN, kinds=frozenset({"case"}))
    done = export_memory(desk.ledger, scope=DESK, actor=ANN, kinds=frozenset({"fact"}))
    assert done.entries == 1


def test_who_hands_out_memory(desk: Desk) -> None:
    desk.fact("deductible", "300 EUR")
    desk.ledger.append([EventDraft(RoleGranted(principal=str(BOB), role="admin"), SYSTEM)])
    with pytest.raises(NotAuthorisedError):
        exported(desk)
    desk.ledger.append([EventDraft(RoleGranted(principal=str(ANN), role="officer"), SYSTEM)])
    assert exported(desk).entries == 1


def test_an_export_overwrites_nothing_and_keeps_out_of_our_folder(
    desk: Desk, tmp_path: Path
) -> None:
    desk.fact("deductible", "300 EUR")
    out = tmp_path / "out.jsonl"
    away = exported(desk, out)
    assert desk.ledger.state.exports[away.export_id].issued.path is None
    before = out.read_bytes()
    with pytest.raises(LedgerError, match="exists"):
        exported(desk, out)
    with pytest.raises(LedgerError, match="holds the exports"):
        exported(desk, desk.ledger.home / "exports" / "mine.jsonl")
    assert out.read_bytes() == before
    memory = Desk()
    memory.fact("deductible", "300 EUR")
    with pytest.raises(LedgerError, match="no home"):
        exported(memory)
    with pytest.raises(StoreError):
        exported(desk, out / "below" / "a-file.jsonl")


def agreed_erasure(*entries: str) -> list[EventDraft]:
    """An erasure that one person asked for and another agreed to."""
    asked = ErasureRequested(
        erasure_id="e", basis="other", reason="r", entries=list(entries), plan_digest="0" * 64
    )
    return [
        EventDraft(asked, ANN, DESK),
        EventDraft(ErasureApproved(erasure_id="e"), BOB, DESK),
    ]


def test_a_passage_that_was_erased_is_left_out(desk: Desk) -> None:
    desk.fact("deductible", "300 EUR")
    erased = SourceErased(source_id="call", erasure_id="e")
    asked = agreed_erasure(desk.fact("adjuster", "Hugo Bancroft").entry_id)
    desk.ledger.append([*asked, EventDraft(erased, SYSTEM, DESK)])
    for row in exported(desk).path.read_text().splitlines():
        assert Line.model_validate_json(row).evidence == []


# --- taken back -------------------------------------------------------------------------


def test_revoking_withdraws_the_exports_that_list_it_and_deletes_their_files(
    desk: Desk, tmp_path: Path
) -> None:
    said, twin = (
        desk.fact("deductible", "300 EUR").entry_id, desk.fact("inspection", "10 March").entry_id
    )  # fmt: skip
    both, away = exported(desk), exported(desk, tmp_path / "away.jsonl")
    plan = plan_revocation(desk.ledger, said)
    assert set(plan.exports) == {both.export_id, away.export_id}
    assert plan.elsewhere == (away.export_id,)
    taken_back(desk, said)
    after = exported(desk)
    assert not both.path.exists()
    assert after.path.exists()
    assert remains(desk.ledger, [said]) == ()
    assert desk.ledger.state.exports[both.export_id].withdrawn
    assert not desk.ledger.state.exports[after.export_id].withdrawn
    assert plan_revocation(desk.ledger, twin).exports == (after.export_id,)


def test_a_file_left_by_a_crash_is_residue_and_is_deleted_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, twin = (
        desk.fact("deductible", "300 EUR").entry_id, desk.fact("inspection", "10 March").entry_id
    )  # fmt: skip
    done = exported(desk)
    with monkeypatch.context() as patched:
        patched.setattr("governance.exports.remove_withdrawn", lambda _: ())
        taken_back(desk, said)
    assert done.path.exists()
    assert remaining(desk.ledger, [said]) == (
        f"file {done.path.name} of withdrawn export {done.export_id} exists",
    )
    assert remaining(desk.ledger, ["another"]) == ()
    taken_back(desk, twin)  # the next command that writes
    assert not done.path.exists()
    assert remaining(desk.ledger, [said]) == ()
    assert remove_withdrawn(desk.ledger) == ()


def test_an_export_that_is_still_out_is_residue() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    issued = ExportIssued(
        export_id="x", purpose="memory", path="exports/x.jsonl", sha256="0", entries=[said]
    )
    desk.ledger.append([EventDraft(issued, ANN, DESK)])
    assert remaining(desk.ledger, [said]) == ("export x is not withdrawn",)
    assert remove_withdrawn(desk.ledger) == ()  # not withdrawn, and no home to look in
    assert remaining(desk.ledger, ["another"]) == ()


# --- in ---------------------------------------------------------------------------------


def test_an_import_proposes_and_approves_nothing_by_itself(desk: Desk) -> None:
    desk.fact("deductible", "300 EUR")
    desk.fact("inspection", "10 March")
    file = exported(desk).path
    report = imported(desk.ledger, file)
    assert [one.status for one in report.entries] == ["verified", "verified"]
    assert not list(desk.ledger.state.active(THERE))
    (first, _) = report.entries
    entry = desk.entry(first.entry_id)
    assert entry.author == IMPORTER
    source = desk.ledger.state.sources[entry.spans[0].source_id]
    assert (source.trust, source.scope) == ("unknown", THERE)
    assert "300 EUR" in desk.ledger.source_text(source.source_id)
    assert report.count("verified") == 2
    review.approve(
        desk.ledger, first.entry_id, actor=BOB, reason_code="known-true", expected_version=1,
        expected_digest=entry.content_digest,
    )  # fmt: skip
    assert [one.entry_id for one in desk.ledger.state.active(THERE)] == [first.entry_id]


def test_an_import_can_be_repeated_and_goes_on_where_it_stopped(desk: Desk) -> None:
    desk.fact("deductible", "300 EUR")
    desk.fact("inspection", "10 March")
    file = exported(desk).path
    half = file.with_name("half.jsonl")
    half.write_text(file.read_text().splitlines()[0] + "\n")
    first = imported(desk.ledger, half)
    whole = imported(desk.ledger, file)
    assert [one.repeated for one in whole.entries] == [True, False]
    assert whole.entries[0].entry_id == first.entries[0].entry_id
    head = desk.ledger.head.seq
    later = exported(desk).path  # another head in every line, the same entries
    again = imported(desk.ledger, later)
    assert [one.repeated for one in again.entries] == [True, True]
    assert desk.ledger.head.seq == head + 1  # the export itself
    elsewhere = imported(desk.ledger, file, Scope(tenant="other", agent="desk"))
    assert [one.repeated for one in elsewhere.entries] == [False, False]


def test_bad_lines_are_named_and_the_others_come_in(desk: Desk) -> None:
    desk.fact("deductible", "300 EUR")
    (good,) = exported(desk).path.read_text().splitlines()
    data = json.loads(good)
    wrong_kind = data | {"body": data["body"] | {"kind": "rumour"}}
    altered = data | {"body": data["body"] | {"value": "900 EUR"}}
    surrogate = good.replace("300 EUR", "\\ud800")
    rows = [
        "no json", json.dumps(wrong_kind), json.dumps(altered), "x" * 5_000_000, "[]",
        json.dumps(data | {"status": "approved"}), "[" * 100_000, surrogate, "", good,
        "y" * (MAX_LINE_BYTES + 1),
    ]  # fmt: skip
    file = desk.ledger.home / "bad.jsonl"
    file.write_bytes("\n".join(rows).encode() + b"\n\xff\xfe\n")
    report = imported(desk.ledger, file)
    assert [one.line for one in report.entries] == [10]
    assert [one.line for one in report.bad] == [1, 2, 3, 4, 5, 6, 7, 8, 11, 12]
    reasons = {one.line: one.why for one in report.bad}
    assert "body" in reasons[2]
    assert "altered" in reasons[3]
    assert "longer than" in reasons[4]
    assert "status" in reasons[6]
    with pytest.raises(StoreError, match="cannot be read"):
        imported(desk.ledger, file.with_name("missing"))


def test_a_file_does_not_say_who_judged_how_a_task_ended(desk: Desk) -> None:
    case = CaseBody(task="t", plan=["p"], outcome="o", reward_ppm=1, reward_origin="human")
    proposal = EntryProposed(entry_id="case", version=1, body=case)
    desk.ledger.append([EventDraft(proposal, ANN, DESK)])
    line = transfer.line_of(desk.ledger, desk.entry("case"))
    file = desk.ledger.home / "case.jsonl"
    file.write_text(f"{line.text()}\n")
    report = imported(desk.ledger, file)
    entry = desk.entry(report.entries[0].entry_id)
    assert isinstance(entry.body, CaseBody)
    assert entry.body.reward_origin == "unknown"


@pytest.mark.parametrize("disguise", ["as it was", "look-alikes", "zero width", "capitals"])
@pytest.mark.parametrize("ended", ["rejected", "revoked", "erased"])
def test_an_older_backup_brings_nothing_refused_back(desk: Desk, ended: str, disguise: str) -> None:
    said = desk.fact("adjuster", "Hugo Bancroft").entry_id
    file = exported(desk, desk.ledger.home / "backup.jsonl").path
    twin = edited(file, attribute="surveyor", statement="The surveyor is Hugo Bancroft.")
    assert imported(desk.ledger, twin, DESK).entries[0].status == "verified"
    if ended == "rejected":
        odd = desk.fact("adjuster", "Ilse Marwood").entry_id
        file = edited(
            file, value="Ilse Marwood", statement="The adjuster of claim C-17 is Ilse Marwood."
        )
        entry = desk.entry(odd)
        review.reject(
            desk.ledger, odd, actor=BOB, reason_code="wrong", expected_version=1,
            expected_digest=entry.content_digest,
        )  # fmt: skip
    else:
        taken_back(desk, said)
    if ended == "erased":
        gone = EntryErased(
            entry_id=said, version=1, kind="fact", erasure_id="e",
            tombstone=desk.entry(said).tombstone,
        )  # fmt: skip
        desk.ledger.append([*agreed_erasure(said), EventDraft(gone, SYSTEM, DESK)])
    value = json.loads(file.read_text().splitlines()[0])["body"]["value"]
    hidden = {
        "as it was": value, "look-alikes": value.translate(HOMOGLYPHS),
        "zero width": "\u200b".join(value), "capitals": f"  {value.upper()} ",
    }[disguise]  # fmt: skip
    file = edited(file, value=hidden, statement=f"The adjuster of claim C-17 is {hidden}.")
    (one,) = imported(desk.ledger, file, DESK, trust="internal").entries
    assert one.status == "rejected"
    assert one.why == "This value was rejected or revoked before."


# --- the policy in force ----------------------------------------------------------------


def test_the_policy_in_force_is_read_from_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PolicyError, match="no policy"):
        policy_in_force(desk.ledger)
    review.activate_policy(desk.ledger, load_policy("strict"), ANN)
    review.activate_policy(desk.ledger, POLICY, ANN)
    assert policy_in_force(desk.ledger).digest == POLICY.digest
    with monkeypatch.context() as patched:
        patched.setattr(desk.ledger, "events", lambda **_: ())
        with pytest.raises(StoreError, match="is gone"):
            policy_in_force(desk.ledger)
    lost = PolicyActivated(name="lost", digest="ab" * 32, text="")
    desk.ledger.append([EventDraft(lost, ANN)])
    assert desk.ledger.state.active_policy == "lost"
    with pytest.raises(PolicyError):
        policy_in_force(desk.ledger)
