from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from governance import canonical
from governance import events as ev
from governance.errors import LedgerError
from tests.golden.examples import BODIES, EXAMPLES
from tests.governance.drafts import ANN, header

DOCUMENTED = {
    "source.ingested",
    "entry.proposed", "entry.verified", "entry.approved", "entry.rejected",
    "entry.quarantined", "entry.activated", "entry.superseded", "entry.revoked",
    "review.assigned", "review.commented",
    "memory.recalled", "outcome.recorded",
    "adapter.trained", "adapter.certified", "adapter.activated", "adapter.withdrawn",
    "rollback.applied",
    "relay.started", "relay.stepped", "relay.scored",
    "policy.activated", "role.granted", "role.withdrawn",
    "principal.registered", "token.issued", "token.revoked", "key.rotated",
    "ledger.frozen", "ledger.thawed", "ledger.recovered",
    "review.claimed", "review.endorsed", "review.withdrawn", "decision.signed",
    "signer.registered", "signer.withdrawn", "command.refused",
    "entry.expired", "entry.erased", "source.erased",
    "hold.placed", "hold.lifted", "export.issued", "export.withdrawn",
    "erasure.requested", "erasure.approved", "erasure.declined", "erasure.completed",
    "rollback.requested", "rollback.accepted", "rollback.declined",
    "verifier.rated", "drift.held", "drift.released",
}  # fmt: skip


def leaves(kind: type[ev.Payload]) -> Iterator[type[ev.Payload]]:
    for child in kind.__subclasses__():
        if "event_type" in vars(child):
            yield child
        yield from leaves(child)


def test_the_union_is_closed_and_every_member_has_an_example() -> None:
    assert set(ev.PAYLOADS) == DOCUMENTED
    assert {kind.event_type for kind in leaves(ev.Payload)} == set(ev.PAYLOADS)  # type: ignore[type-abstract]  # only its name is read
    assert {example.event_type for example in EXAMPLES} == set(ev.PAYLOADS)
    assert len(EXAMPLES) == len(ev.PAYLOADS)
    assert {body.kind for body in BODIES} == set(ev.ENTRY_KINDS)


def test_names_are_past_tense_and_lead_to_a_subject() -> None:
    for payload in EXAMPLES:
        group, _, verb = payload.event_type.partition(".")
        assert group
        assert verb.endswith("ed") or verb in {"frozen", "withdrawn", "held"}
        kind, _, identity = payload.subject_id().partition(":")
        assert kind
        assert identity
    nameless: Any = ev.Payload
    with pytest.raises(TypeError, match="abstract"):
        nameless()


@pytest.mark.parametrize("payload", EXAMPLES, ids=lambda payload: payload.event_type)
def test_payloads_round_trip_through_canonical_bytes(payload: ev.Payload) -> None:
    data = canonical.encode(payload.model_dump(mode="json"))
    assert ev.PAYLOADS[payload.event_type].model_validate_json(data) == payload
    assert canonical.decode(data) == payload.model_dump(mode="json")


@pytest.mark.parametrize("payload", EXAMPLES, ids=lambda payload: payload.event_type)
def test_payloads_are_closed_strict_and_frozen(payload: ev.Payload) -> None:
    kind = type(payload)
    values = payload.model_dump(mode="json")
    assert kind.model_validate_json(json.dumps(values)) == payload
    with pytest.raises(ValidationError, match="extra"):
        kind.model_validate_json(json.dumps(values | {"unknown": 1}))
    for name, value in values.items():
        wrong: Any = {} if value is None else 5 if isinstance(value, str) else "text"
        if isinstance(value, int):
            wrong = 1.5
        with pytest.raises(ValidationError):
            kind.model_validate_json(json.dumps(values | {name: wrong}))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(payload, next(iter(values)), None)


def test_no_payload_can_hold_a_float() -> None:
    """Floats are refused when an event is hashed; here, that no model asks for one."""

    def annotations(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
        if model in seen:
            return
        seen.add(model)
        for field in model.model_fields.values():
            yield str(field.annotation)
        for child in model.__subclasses__():
            yield from annotations(child, seen)

    found = list(annotations(ev.Frozen, set()))
    assert len(found) > 100
    assert not [text for text in found if "float" in text or "Any" in text]
    with pytest.raises(LedgerError, match="float"):
        canonical.encode({"score": 0.5})  # type: ignore[dict-item]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.kind)
def test_bodies_have_a_channel_a_text_and_a_digest(body: ev.Body) -> None:
    assert ev.channel_of(body) == ("parametric" if body.kind == "card" else "external")
    assert ev.text_of(body).strip()
    assert ev.content_digest(body) == ev.content_digest(body.model_copy())
    others = [other for other in BODIES if other is not body]
    assert ev.content_digest(body) not in map(ev.content_digest, others)
    proposal = ev.EntryProposed(entry_id="e", version=1, body=body)
    assert ev.EntryProposed.model_validate_json(proposal.model_dump_json()) == proposal


def test_every_field_of_a_body_is_under_its_digest() -> None:
    for body in BODIES:
        for name, value in body.model_dump().items():
            if name == "kind":
                continue
            changed: Any = not value
            if isinstance(value, str):
                changed = value + "x"
            if isinstance(value, list):
                changed = [*value, "x"]
            if name == "reward_ppm":
                changed = value + 1
            if name == "reward_origin":
                changed = "model"
            other = body.model_copy(update={name: changed})
            assert ev.content_digest(other) != ev.content_digest(body), name


def test_ppm_is_a_ratio() -> None:
    kind = ev.VerifierResult
    for bad in (1_000_001, -1_000_001):
        with pytest.raises(ValidationError):
            kind(verifier="v", version=1, outcome="pass", score_ppm=bad)
    assert kind(verifier="v", version=1, outcome="pass", score_ppm=1_000_000).score_ppm


def test_scope_sees_its_own_and_what_belongs_to_no_user() -> None:
    anna, bert, desk = (ev.Scope(user="anna"), ev.Scope(user="bert"), ev.Scope())
    assert anna.sees(anna)
    assert anna.sees(desk)
    assert desk.sees(anna)
    assert not anna.sees(bert)
    for other in (ev.Scope(tenant="x"), ev.Scope(agent="x"), ev.Scope(tenant="x", user="anna")):
        assert not desk.sees(other)
        assert not other.sees(desk)
    assert [str(scope) for scope in (desk, anna)] == ["default/default", "default/default/anna"]


def test_header_bytes_depend_on_every_field() -> None:
    base = header(EXAMPLES[0], actor=ANN)
    assert canonical.decode(base.canonical()) == base.model_dump(mode="json")
    assert str(base.actor) == "human:ann"
    changes: dict[str, Any] = {
        "format": 2, "seq": 2, "event_id": "x", "type": "x", "recorded_at_us": 1,
        "actor": ev.Actor(kind="agent", id="ann"), "scope": ev.Scope(user="x"), "subject": "x",
        "subject_version": 2, "causes": ["x"], "episode": "x", "policy_digest": "x",
        "command": "x", "payload_commit": "x",
    }  # fmt: skip
    assert set(changes) == set(ev.Header.model_fields)
    for name, value in changes.items():
        assert base.model_copy(update={name: value}).canonical() != base.canonical()
    with pytest.raises(ValidationError):
        ev.Actor(kind="human", id="")


def test_public_names_are_exact() -> None:
    assert sorted(set(ev.__all__)) == sorted(ev.__all__)
    public = {name for name in vars(ev) if not name.startswith("_")}
    assert public - {
        "bodies",
        "entries",
        "header",
        "identity",
        "payloads",
        "policies",
        "relays",
        "retention",
        "reviews",
    } == set(ev.__all__)
