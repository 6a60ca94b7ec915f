"""Ways to bring a refused value back, each beside an honest twin."""

from __future__ import annotations

from dataclasses import replace

from governance.events import Body, FactBody
from governance.revocation import plan_revocation, revoke
from governance.tombstone import tombstone_key
from governance.verifiers import Peer
from governance.verifiers.restatement import Restatement
from governance.verifiers.tombstoned import Tombstoned
from tests.governance.desk import CALL, DESK, Desk, fact
from tests.governance.drafts import BOB, fact_body
from tests.governance.evidence import context, plain_key

REFUSED = Peer("bad", fact_body())


def renamed(attribute: str, value: str, statement: str = "") -> FactBody:
    return FactBody(
        topic="claim C-17", attribute=attribute, value=value,
        statement=statement or f"The {attribute} is {value} there.",
    )  # fmt: skip


def test_a_refused_value_of_the_lineage_does_not_come_back_under_another_attribute() -> None:
    chain = (Peer("now", fact_body("350 EUR")),)
    washed = replace(context(renamed("own share", "300 EUR"), rejected=[REFUSED]), lineage=chain)
    result = Tombstoned().verify(washed)
    assert (result.outcome, result.detail) == ("fail", "rejected or revoked before as bad")
    assert Tombstoned().verify(replace(washed, lineage=())).outcome == "pass"
    honest = replace(context(renamed("own share", "301 EUR"), rejected=[REFUSED]), lineage=chain)
    assert Tombstoned().verify(honest).outcome == "pass"


def test_an_erased_value_of_the_lineage_is_known_by_its_key() -> None:
    body = renamed("own share", "300 EUR")
    key = tombstone_key(plain_key, context(body).scope, "claim C-17", "deductible", "300 EUR")
    chain = (Peer("now", fact_body("350 EUR")),)
    washed = replace(context(body), lineage=chain, tombstones={key: "gone"})
    assert Tombstoned().verify(washed).outcome == "fail"
    assert Tombstoned().verify(replace(washed, lineage=())).outcome == "pass"


def test_a_refused_value_in_another_field_goes_to_a_person() -> None:
    smuggled: list[Body] = [
        renamed("own share", "300 EUR", "What he pays himself comes to 300 EUR in all."),
        renamed("note", "as before", "The note is as before, with 300 eur off."),
        fact_body("350 EUR").model_copy(
            update={"statement": "The deductible is 350 EUR, not 300 EUR as he said."}
        ),
    ]
    for body in smuggled:
        result = Restatement().verify(context(body, rejected=[REFUSED]))
        assert (result.outcome, result.detail) == (
            "fail", "says '300 EUR', which was refused as bad",
        )  # fmt: skip
        assert Restatement().verify(context(body)).outcome == "pass"
    other_topic = renamed("own share", "300 EUR").model_copy(update={"topic": "claim C-18"})
    part_of_a_number = renamed("own share", "1300 EUR")
    for body in (other_topic, part_of_a_number, fact_body()):
        assert Restatement().verify(context(body, rejected=[REFUSED])).outcome == "pass"


def test_a_refused_yes_does_not_flag_every_text() -> None:
    refused = Peer("bad", renamed("rental car", "yes", "The rental car is a yes."))
    body = renamed("garage", "Pedal House", "Pedal House, yes, is the garage.")
    assert Restatement().verify(context(body, rejected=[refused])).outcome == "pass"


def test_supersede_and_restate_through_the_ledger() -> None:
    """300 EUR is revoked and 350 EUR learned; what replaces that may not say 300 EUR again."""
    desk = Desk()
    old = desk.fact("deductible", "300 EUR")
    entry = desk.entry(old.entry_id)
    plan = plan_revocation(desk.ledger, entry.entry_id, reader=DESK)
    revoke(desk.ledger, plan, actor=BOB, reason_code="wrong", comment="")
    new = desk.entry(desk.fact("deductible", "350 EUR").entry_id)
    assert desk.status(new.entry_id) == "active"
    quote = "The deductible is 300 EUR."
    washed = FactBody(
        topic="claim C-17", attribute="own share", value="300 EUR",
        statement="The deductible is 300 EUR.",
    )  # fmt: skip
    replacing = desk.submit(washed, quote, replaces=new.entry_id, entry_id="washed-1")
    assert (replacing.decision.outcome, replacing.decision.rule_id) == ("deny", "refused-before")
    derived = desk.submit(washed, quote, derived_from=(new.entry_id,), entry_id="washed-2")
    assert derived.decision.rule_id == "refused-before"
    alone = desk.submit(washed, quote, entry_id="washed-3")
    assert (alone.decision.outcome, alone.decision.rule_id) == ("review", "restatement")
    honest = desk.submit(
        fact("inspection", "10 March"), "The inspection is on 10 March.", entry_id="honest"
    )
    assert honest.decision.outcome == "allow"
    assert quote in CALL
