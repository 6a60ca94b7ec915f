"""Signed decisions: bound to one record of one log, by the key of the person who decided."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from governance import review, signatures
from governance.authority import change_role
from governance.errors import (
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    ReviewError,
    StoreError,
)
from governance.events import (
    Actor,
    DecisionSigned,
    EntryApproved,
    EntryQuarantined,
    ReviewAssigned,
    ReviewEndorsed,
    ReviewTerms,
    SignerRegistered,
    SignerWithdrawn,
)
from governance.ledger import Ledger
from tests.governance.desk import DESK, Desk
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    POLICY,
    SYSTEM,
    decided,
    draft,
    life,
    proposed,
    source,
    verified,
)
from tests.governance.world import World

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
EVE = Actor(kind="human", id="eve")


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def enrol(ledger: Ledger, actor: Actor = ANN, key: Ed25519PrivateKey = KEY) -> None:
    signatures.register_signer(ledger, str(actor), public(key), f" {actor.id} M. ", actor=actor)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    enrol(made.ledger)
    return made


def approved(desk: Desk, actor: Actor = ANN, attribute: str = "plumber") -> str:
    value = {"plumber": "Wexler Plumbing", "garage": "Pedal House"}[attribute]
    entry = desk.entry(desk.fact(attribute, value).entry_id)
    review.approve(
        desk.ledger, entry.entry_id, actor=actor, reason_code="known-true",
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip
    return entry.entry_id


def refusals(ledger: Ledger) -> list[str]:
    return [getattr(one.payload, "error", "") for one in ledger.events(types=["command.refused"])]


def last_signed(ledger: Ledger) -> DecisionSigned:
    *_, event = ledger.events(types=["decision.signed"])
    assert isinstance(event.payload, DecisionSigned)
    return event.payload


# --- signing ---------------------------------------------------------------------------


def test_a_signature_shows_who_when_and_what_it_means_and_holds(desk: Desk) -> None:
    entry_id = approved(desk)
    receipt = signatures.sign_decision(desk.ledger, entry_id, key=KEY, actor=ANN)
    payload, entry = last_signed(desk.ledger), desk.entry(entry_id)
    assert (payload.name, payload.decision_seq) == ("ann M.", entry.decided_seq)
    assert payload.meaning == signatures.MEANINGS["entry.approved"]
    assert payload.leaf == desk.ledger.leaf(payload.decision_seq)
    assert entry.signed_by == ANN
    assert desk.ledger.event(receipt.last_seq).header.scope == DESK
    assert signatures.verify_all(desk.ledger) == signatures.SignatureReport(1, ())


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "palimpsest/other"}, {"leaf": "00" * 32}, {"decision_seq": 9},
        {"meaning": "rejected"}, {"name": "Bob"}, {"principal": "human:bob"},
        {"recorded_at_us": 1},
    ],
)  # fmt: skip
def test_every_part_of_the_statement_is_signed(change: dict[str, object]) -> None:
    whole = signatures.Statement("palimpsest/x", "ab" * 32, 7, "approved", "Änn", "human:ann", 5)
    signature = whole.signed(KEY)
    assert whole.holds(public(KEY), signature)
    changed = replace(whole, **change)  # type: ignore[arg-type]  # one field each
    assert not changed.holds(public(KEY), signature)
    assert not whole.holds(public(OTHER), signature)
    assert not whole.holds("zz", signature)


def test_the_statement_is_the_documented_json() -> None:
    whole = signatures.Statement("o", "ab", 7, "m", "n", "human:ann", 5)
    assert whole.encoded() == (
        b'{"decision_seq":7,"format":"palimpsest-signed-decision/1","leaf":"ab","meaning":"m",'
        b'"name":"n","origin":"o","principal":"human:ann","recorded_at_us":5}'
    )


def test_every_kind_of_decision_has_a_meaning() -> None:
    assert set(signatures.MEANINGS) == signatures._DECISIONS


def test_a_meaning_of_ones_own_is_kept(desk: Desk) -> None:
    entry_id = approved(desk)
    signatures.sign_decision(desk.ledger, entry_id, key=KEY, actor=ANN, meaning=" seen on paper ")
    assert last_signed(desk.ledger).meaning == "seen on paper"


def test_who_may_not_sign_is_told_and_it_is_recorded(desk: Desk) -> None:
    waiting = desk.fact("garage", "Pedal House").entry_id
    entry_id = approved(desk)
    enrol(desk.ledger, BOB, OTHER)
    head = len(refusals(desk.ledger))

    def sign(which: str, key: Ed25519PrivateKey, actor: Actor) -> None:
        signatures.sign_decision(desk.ledger, which, key=key, actor=actor)

    with pytest.raises(NotAuthorisedError, match="has not registered"):
        sign(entry_id, OTHER, ANN)
    with pytest.raises(NotAuthorisedError, match="has not registered"):
        sign(entry_id, KEY, EVE)
    with pytest.raises(IllegalTransitionError, match="last decision"):
        sign(entry_id, OTHER, BOB)
    with pytest.raises(IllegalTransitionError, match="last decision"):
        sign(waiting, KEY, ANN)  # a policy set it apart
    undecided = desk.ledger.append([draft(source("s9")), draft(proposed("e9", spans=()), BOB)])
    with pytest.raises(ReviewError, match="nothing to sign"):
        sign("e9", KEY, ANN)
    assert undecided.last_seq < desk.ledger.head.seq
    sign(entry_id, KEY, ANN)
    with pytest.raises(IllegalTransitionError, match="signed already"):
        sign(entry_id, KEY, ANN)
    assert refusals(desk.ledger)[head:] == [
        "NotAuthorisedError", "NotAuthorisedError", "IllegalTransitionError",
        "IllegalTransitionError", "ReviewError", "IllegalTransitionError",
    ]  # fmt: skip


def test_a_withdrawn_key_signs_nothing_and_what_it_signed_stays(desk: Desk) -> None:
    first = approved(desk)
    signatures.sign_decision(desk.ledger, first, key=KEY, actor=ANN)
    signatures.withdraw_signer(desk.ledger, "human:ann", "lost", actor=ANN)
    second = approved(desk, attribute="garage")
    with pytest.raises(NotAuthorisedError):
        signatures.sign_decision(desk.ledger, second, key=KEY, actor=ANN)
    with pytest.raises(LedgerError, match="was withdrawn"):
        enrol(desk.ledger)
    enrol(desk.ledger, key=OTHER)
    signatures.sign_decision(desk.ledger, second, key=OTHER, actor=ANN)
    assert signatures.verify_all(desk.ledger) == signatures.SignatureReport(2, ())


# --- the state machine -----------------------------------------------------------------


def stands(people: int = 1) -> World:
    terms = ReviewTerms(people=people, signed=True)
    assigned = ReviewAssigned(entry_id="e1", version=1, rule_id="r", message="look", terms=terms)
    return World(
        draft(source()), draft(proposed(), BOT), draft(verified()), draft(assigned, POLICY),
        draft(SignerRegistered(principal="human:ann", key=public(KEY), name="Ann"), ANN),
    )  # fmt: skip


def acts_from(world: World) -> int | None:
    return world.state.entries["e1"].acts_from_us


def signed(seq: int, name: str = "Ann") -> DecisionSigned:
    return DecisionSigned(
        entry_id="e1", version=1, decision_seq=seq, leaf="00" * 32, meaning="m", name=name,
        key=public(KEY), signature="00" * 64,
    )  # fmt: skip


def test_a_signature_is_of_the_last_decision_under_the_registered_name() -> None:
    world = stands().does(draft(decided(EntryApproved), ANN))
    seq = world.state.seq
    world.refuses(NotAuthorisedError, signed(seq, "Bob"), ANN, match="signs as 'Ann'")
    world.refuses(IllegalTransitionError, signed(seq - 1), ANN, match="last decision")
    assert acts_from(world) is None
    without = signed(seq).model_copy(update={"key": public(OTHER)})
    world.refuses(NotAuthorisedError, without, ANN, match="has not registered")
    world.does(draft(signed(seq), ANN))
    assert acts_from(world) is not None
    world.refuses(IllegalTransitionError, signed(seq), ANN, match="signed already")


def test_the_first_of_two_reviewers_signs_the_endorsement() -> None:
    world = stands(people=2).does(draft(decided(ReviewEndorsed), ANN))
    world.does(draft(signed(world.state.seq), ANN))
    assert world.state.entries["e1"].signed_by == ANN
    apart = stands().does(draft(decided(EntryQuarantined), ANN))
    apart.does(draft(signed(apart.state.seq), ANN))
    assert apart.state.entries["e1"].signed_by == ANN


def test_keys_belong_to_one_person_and_are_registered_by_them_or_an_admin() -> None:
    def registration(principal: str, key: str = public(OTHER)) -> SignerRegistered:
        return SignerRegistered(principal=principal, key=key, name="N")

    world = stands()
    for actor in (BOT, SYSTEM, POLICY):
        world.refuses(
            NotAuthorisedError, registration("human:bob"), actor, match="may not append|no person"
        )
    world.refuses(NotAuthorisedError, registration("human:bob"), ANN, match="human:bob")
    world.refuses(LedgerError, registration("human:bob", public(KEY)), BOB, match="already")
    world.refuses(LedgerError, registration("human:bob", "Z" * 64), BOB, match="64 hex")
    world.refuses(LedgerError, SignerWithdrawn(principal="human:bob", reason="r"), BOB)
    world.refuses(NotAuthorisedError, SignerWithdrawn(principal="human:ann", reason="r"), BOB)
    world.does(draft(registration("human:bob"), BOB))
    assert world.state.signers["human:bob"].name == "N"
    world.does(draft(SignerWithdrawn(principal="human:bob", reason="r"), BOB))
    world.refuses(LedgerError, SignerWithdrawn(principal="human:bob", reason="r"), BOB)


def test_with_roles_an_admin_registers_for_others_and_nobody_for_themselves() -> None:
    desk = Desk()
    change_role(desk.ledger, "human:ann", "admin", actor=ANN, granted=True)
    change_role(desk.ledger, "human:bob", "reviewer", actor=ANN, granted=True)
    with pytest.raises(NotAuthorisedError, match="admin"):
        enrol(desk.ledger, BOB)
    signatures.register_signer(desk.ledger, "human:bob", public(KEY), "Bob", actor=ANN)
    with pytest.raises(LedgerError, match="no person"):
        signatures.register_signer(desk.ledger, "agent:bot", public(OTHER), "B", actor=ANN)
    entry_id = approved(desk, BOB)
    signatures.sign_decision(desk.ledger, entry_id, key=KEY, actor=BOB)
    assert signatures.verify_all(desk.ledger).checked == 1


def test_a_name_and_a_reason_are_required(desk: Desk) -> None:
    with pytest.raises(LedgerError, match="shows a name"):
        signatures.register_signer(desk.ledger, "human:bob", public(OTHER), " ", actor=BOB)
    with pytest.raises(LedgerError, match="reason"):
        signatures.withdraw_signer(desk.ledger, "human:ann", " ", actor=ANN)
    assert refusals(desk.ledger) == ["LedgerError", "LedgerError"]


# --- checking --------------------------------------------------------------------------


def forged(desk: Desk, **changes: object) -> str:
    """The one finding about a signature that whoever owns the files wrote past the command."""
    entry_id = approved(desk)
    entry = desk.entry(entry_id)
    assert entry.decided_seq is not None
    assert entry.decided_at_us is not None
    leaf = str(changes.get("leaf", desk.ledger.leaf(entry.decided_seq)))
    statement = signatures.Statement(
        desk.ledger.origin, leaf, entry.decided_seq, "m", "ann M.", "human:ann",
        entry.decided_at_us,
    )  # fmt: skip
    signature = str(changes.get("signature", statement.signed(KEY)))
    payload = DecisionSigned(
        entry_id=entry_id, version=entry.version, decision_seq=entry.decided_seq, leaf=leaf,
        meaning="m", name="ann M.", key=public(KEY), signature=signature,
    )  # fmt: skip
    receipt = desk.ledger.append([draft(payload, ANN, DESK)])
    report = signatures.verify_all(desk.ledger)
    assert report.checked == 1
    assert [one.seq for one in report.findings] in ([], [receipt.last_seq])
    return "".join(one.problem for one in report.findings)


def test_a_signature_that_does_not_fit_is_found(desk: Desk) -> None:
    assert forged(desk) == ""
    for changes, words in (({"leaf": "00" * 32}, "leaf"), ({"signature": "00" * 64}, "not fit")):
        other = Desk()
        enrol(other.ledger)
        assert words in forged(other, **changes)


class Retold:
    """A ledger whose events are told differently, as no append would have let them be."""

    bounds = None

    def __init__(self, ledger: Ledger, **changes: object) -> None:
        self._ledger, self._changes = ledger, changes
        self.origin, self.event, self.leaf = ledger.origin, ledger.event, ledger.leaf

    def events(self, *, types: list[str]) -> list[object]:
        found: list[object] = []
        for event in self._ledger.events(types=types):
            if isinstance(event.payload, DecisionSigned):
                payload = event.payload.model_copy(update=self._changes)
                found.append(replace(event, payload=None if "gone" in self._changes else payload))
            elif "keys" not in self._changes:
                found.append(event)
        return found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"decision_seq": 10_000}, "not there yet"),
        ({"decision_seq": 1}, "no decision on"),
        ({"keys": None}, "was not registered"),
    ],
)
def test_a_signature_past_the_state_machine_is_found(
    desk: Desk, changes: dict[str, object], words: str
) -> None:
    signatures.sign_decision(desk.ledger, approved(desk), key=KEY, actor=ANN)
    report = signatures.verify_all(Retold(desk.ledger, **changes))  # type: ignore[arg-type]  # a fake
    assert report.checked == 1
    assert bool(report.findings) == bool(words)
    assert words in "".join(one.problem for one in report.findings)


def test_a_signature_that_was_erased_with_its_entry_is_no_finding(desk: Desk) -> None:
    signatures.sign_decision(desk.ledger, approved(desk), key=KEY, actor=ANN)
    assert signatures.verify_all(desk.ledger).checked == 1
    gone = Retold(desk.ledger, gone=True)
    report = signatures.verify_all(gone)  # type: ignore[arg-type]  # a fake
    assert report == signatures.SignatureReport(0, ())


def test_a_signature_under_anothers_decision_is_found(desk: Desk) -> None:
    enrol(desk.ledger, BOB, OTHER)
    mine = approved(desk)
    signatures.sign_decision(desk.ledger, mine, key=KEY, actor=ANN)
    entry = desk.entry(mine)
    policys = next(
        seq for seq in entry.history
        if desk.ledger.event(seq).header.type == "review.assigned"
    )  # fmt: skip
    kinds = signatures._DECISIONS | {"review.assigned"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "_DECISIONS", kinds)
        retold = Retold(desk.ledger, decision_seq=policys)
        (finding,) = signatures.verify_all(retold).findings  # type: ignore[arg-type]  # a fake
    assert "a decision of policy:" in finding.problem


# --- key files -------------------------------------------------------------------------


def test_key_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ann.key"
    made = signatures.new_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public(signatures.read_key_file(path)) == made
    assert signatures.public_key_of(path) == made
    assert signatures.public_key_of(tmp_path / "ann.key.pub") == made
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="already"):
        signatures.new_key_file(path)
    assert path.read_bytes() == before
    with pytest.raises(StoreError):
        signatures.new_key_file(tmp_path / "no" / "ann.key")
    with pytest.raises(StoreError):
        signatures.read_key_file(tmp_path / "none.key")


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "ann.key"
    made = signatures.new_key_file(path, "correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert public(signatures.read_key_file(path, "correct horse")) == made
    for passphrase in ("", "wrong"):
        with pytest.raises(LedgerError, match="passphrase"):
            signatures.read_key_file(path, passphrase)


def test_other_keys_are_refused(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate()
    private, shown = tmp_path / "x.key", tmp_path / "x.key.pub"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    shown.write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(LedgerError, match="another kind"):
        signatures.read_key_file(private)
    with pytest.raises(LedgerError, match="no private key"):
        signatures.public_key_of(shown)


def test_entries_without_signatures_are_no_finding() -> None:
    ledger = Ledger.in_memory()
    ledger.append([draft(source()), *life()])
    assert signatures.verify_all(ledger) == signatures.SignatureReport(0, ())
