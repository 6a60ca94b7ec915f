"""What the verifiers and the policy get to see of a proposal."""

from __future__ import annotations

import hashlib
from typing import get_args

import pytest

from governance.authority import register_principal
from governance.errors import LedgerError
from governance.events import (
    Actor,
    DriftHeld,
    DriftReleased,
    EntryProposed,
    Origin,
    PrincipalRegistered,
    Scope,
    SourceIngested,
    Span,
    Trust,
    VerifierRated,
)
from governance.ledger import Ledger
from governance.lineage import actor_trust, span_trust, trust_of
from governance.policy import PolicyInput, load_policy
from governance.verification import context_of, facts_of, verify_proposal
from governance.verifiers.conflict import Conflict
from tests.governance import drafts
from tests.governance.desk import CALL, DESK, QUOTES, Desk, fact
from tests.governance.drafts import ANN, BOB, BOT, SYSTEM, append

IMPORTER = Actor(kind="importer", id="mail")


def proposal(
    attribute: str = "inspection", value: str = "10 March", *, origin: Origin | None = None,
    derived_from: tuple[str, ...] = (), replaces: str | None = None, copy_of: str | None = None,
) -> EntryProposed:  # fmt: skip
    start = CALL.index(QUOTES[attribute, value])
    span = Span(source_id="call", start=start, end=start + len(QUOTES[attribute, value]))
    return EntryProposed(
        entry_id="new", version=1, body=fact(attribute, value), spans=[span], origin=origin,
        derived_from=list(derived_from), replaces=replaces, copy_of=copy_of,
    )  # fmt: skip


def facts(desk: Desk, proposed: EntryProposed, actor: Actor = BOT) -> PolicyInput:
    context, verification = verify_proposal(desk.ledger, proposed, actor, desk.scope)
    return facts_of(desk.ledger.state, context, verification, proposed)


def registered_by(actor: Actor, trust: Trust) -> Ledger:
    ledger = Desk().ledger
    text = "The deductible is 300 EUR."
    payload = SourceIngested(
        source_id="mail", kind="document", name="mail", media_type="text/plain",
        sha256=hashlib.sha256(text.encode()).hexdigest(), trust=trust, text=text,
    )  # fmt: skip
    append(ledger, payload, actor, DESK)
    return ledger


def test_a_source_is_trusted_no_further_than_who_registered_it() -> None:
    span = Span(source_id="mail", start=0, end=10)
    ledger = registered_by(IMPORTER, "trusted")
    assert span_trust(ledger.state, span) == "trusted"  # nobody gave the importer bounds
    assert ledger.state.sources["mail"].registered_by == IMPORTER
    order: tuple[Trust, ...] = ("unknown", "customer", "internal", "trusted")
    assert set(order) == set(get_args(Trust))
    for level in order:
        register_principal(ledger, "importer:mail", DESK, actor=ANN, trust=level)
        assert span_trust(ledger.state, span) == level
        assert trust_of(ledger.state, [span], [], BOT) == level
    careful = registered_by(IMPORTER, "customer")
    register_principal(careful, "importer:mail", DESK, actor=ANN, trust="trusted")
    assert span_trust(careful.state, span) == "customer"


def test_an_agent_cannot_raise_what_it_brings_by_saying_so() -> None:
    """The policy decides differently on the same words of the same source."""
    outcomes = []
    for level in ("internal", "customer"):
        ledger = registered_by(IMPORTER, "trusted")
        append(ledger, PrincipalRegistered(principal=str(IMPORTER), bounds=DESK, trust=level), ANN)
        payload = EntryProposed(
            entry_id="new", version=1, body=fact("deductible", "300 EUR"),
            spans=[Span(source_id="mail", start=0, end=26)],
        )  # fmt: skip
        context, verification = verify_proposal(ledger, payload, BOT, DESK, known="claim C-17")
        found = facts_of(ledger.state, context, verification, payload)
        outcomes.append((found.trust, load_policy("default").decide(found).outcome))
    assert outcomes == [("internal", "allow"), ("customer", "review")]


def test_the_trust_of_who_proposes() -> None:
    ledger = Desk().ledger
    bare = [actor_trust(ledger.state, actor) for actor in (ANN, SYSTEM, BOT, IMPORTER)]
    assert bare == ["internal", "trusted", "unknown", "unknown"]
    register_principal(ledger, str(BOT), DESK, actor=ANN)
    register_principal(ledger, str(BOB), DESK, actor=ANN)
    register_principal(ledger, str(ANN), DESK, actor=ANN, trust="trusted")
    assert actor_trust(ledger.state, BOT) == "unknown"  # a token alone makes nothing true
    assert actor_trust(ledger.state, BOB) == "internal"
    assert actor_trust(ledger.state, ANN) == "trusted"


def test_rules_see_who_proposes_and_from_what() -> None:
    desk = Desk()
    known = desk.fact("adjuster", "Hugo Bancroft").entry_id
    register_principal(desk.ledger, str(BOT), DESK, actor=ANN, trust="customer")
    found = facts(desk, proposal(derived_from=(known,), copy_of=known))
    assert (found.actor_trust, found.parents, found.active, found.pending) == ("customer", 2, 1, 0)
    assert (found.drift_hold, found.uninformative) == (False, frozenset())
    desk.fact("plumber", "Wexler Plumbing")
    assert facts(desk, proposal()).pending == 1


def test_a_drift_hold_is_seen_by_what_comes_from_what_it_names() -> None:
    desk = Desk()
    named = desk.fact("adjuster", "Hugo Bancroft").entry_id
    child = desk.submit(
        fact("deductible", "300 EUR"), QUOTES["deductible", "300 EUR"], derived_from=(named,)
    ).entry_id
    held = DriftHeld(hold_id="h", reason="worse", alarm="a", entries=[named], adapters=["ad1"])
    append(desk.ledger, held, ANN, DESK)

    def origin(recalled: list[str], adapter: str | None = None) -> Origin:
        return Origin(model_id="m", model_digest="d", adapter_digest=adapter, recalled=recalled)

    speaks_against = [
        proposal(derived_from=(named,)),
        proposal(derived_from=(child,)),
        proposal(replaces=named),
        proposal(origin=origin([named])),
        proposal(origin=origin([], "ad1")),
    ]
    for one in speaks_against:
        assert facts(desk, one).drift_hold
        assert desk.policy.decide(facts(desk, one)).outcome == "review"
    for one in (proposal(), proposal(origin=origin(["other"], "ad2"))):
        assert not facts(desk, one).drift_hold
    assert desk.policy.decide(facts(desk, proposal())).outcome == "allow"
    append(desk.ledger, DriftReleased(hold_id="h", reason="looked into"), ANN, DESK)
    assert not any(facts(desk, one).drift_hold for one in speaks_against)


def test_a_drift_hold_that_names_nothing_holds_its_scope() -> None:
    for scope, expected in ((DESK, True), (Scope(tenant="other"), False)):
        desk = Desk()
        append(desk.ledger, DriftHeld(hold_id="h", reason="worse", alarm="a"), ANN, scope)
        assert facts(desk, proposal()).drift_hold is expected


def test_only_the_version_that_was_measured_is_non_informative() -> None:
    desk = Desk()
    for version, standing, expected in (
        (Conflict.version, "non-informative", {"conflict"}),
        (Conflict.version, "unmeasured", set()),
        (Conflict.version + 1, "non-informative", set()),
    ):
        rated = VerifierRated.model_validate({
            "verifier": "conflict", "version": version, "policy": "p", "bad": 30,
            "bad_flagged": 3, "good": 30, "good_flagged": 3, "lower_ppm": -1, "upper_ppm": 1,
            "standing": standing,
        })  # fmt: skip
        append(desk.ledger, rated, ANN)
        found = facts(desk, proposal())
        assert found.uninformative == expected
        decision = desk.policy.decide(found)
        assert decision.outcome == ("review" if expected else "allow")
        assert decision.rule_id == "routine"


def test_a_lineage_that_runs_in_circles_ends() -> None:
    desk = Desk()
    first = desk.fact("adjuster", "Hugo Bancroft").entry_id
    second = desk.submit(
        fact("deductible", "300 EUR"), QUOTES["deductible", "300 EUR"],
        derived_from=(first,), replaces=first,
    ).entry_id  # fmt: skip
    found = context_of(
        desk.ledger, proposal(derived_from=(second, first, "unknown")), BOT, DESK
    ).lineage
    assert [peer.entry_id for peer in found] == [second, first]


def test_an_unknown_principal_cannot_be_registered_at_a_level() -> None:
    with pytest.raises(LedgerError):
        register_principal(Desk().ledger, "system:x", DESK, actor=ANN, trust="trusted")


def test_a_person_who_cites_only_what_they_registered_waits_for_another_person() -> None:
    decided = {}
    with Ledger.in_memory() as ledger:
        append(ledger, drafts.source("own", trust="internal"), ANN)
        append(ledger, drafts.source("other", trust="internal"), SYSTEM)
        for name, cited in (("alone", ["own"]), ("control", ["own", "other"])):
            spans = [Span(source_id=one, start=0, end=40) for one in cited]
            proposal = drafts.proposed(name, drafts.fact_body(), spans=spans)
            context, verification = verify_proposal(ledger, proposal, ANN, drafts.HERE)
            facts = facts_of(ledger.state, context, verification, proposal)
            assert facts.own == 1
            decided[name] = load_policy("default").decide(facts)
    assert decided["alone"].rule_id == "personal-statement"
    assert decided["control"].outcome == "allow"
