"""Who may do what: the table, the tokens, and the rules that hold in every append."""

from __future__ import annotations

from typing import get_args

import pytest

from governance.access import (
    FREE_EVENTS,
    MACHINE_EVENTS,
    OWNER,
    Principal,
    Token,
    check_write,
    expiry_us,
    parse_principal,
    recognise,
    roles_for,
    within,
)
from governance.authority import change_role, issue_token, register_principal, revoke_token
from governance.errors import LedgerError, NotAuthorisedError, TokenError
from governance.events import (
    PAYLOADS,
    Actor,
    EntryApproved,
    KeyRotated,
    LedgerFrozen,
    PolicyActivated,
    PrincipalRegistered,
    Role,
    RoleGranted,
    RoleWithdrawn,
    Scope,
    TokenIssued,
    TokenRevoked,
)
from governance.ledger import Ledger
from governance.state import State
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    EPOCH_US,
    HERE,
    POLICY,
    SYSTEM,
    append,
    decided,
    draft,
    header,
    proposed,
    source,
    verified,
)

DESK = Scope(tenant="mutual", agent="desk")
BOT_DESK = Principal(BOT, DESK)


def waiting(ledger: Ledger) -> None:
    """An entry that waits for a decision."""
    ledger.append([draft(source()), draft(proposed(), BOT), draft(verified())])


# --- the table ---------------------------------------------------------------------------


def test_every_event_is_free_or_somebody_s_duty() -> None:
    for name in PAYLOADS:
        assert (name in FREE_EVENTS) == (roles_for(name) == ()), name
        assert name in FREE_EVENTS or "admin" in roles_for(name)
    assert roles_for("entry.approved") == ("reviewer", "admin")
    assert roles_for("rollback.applied") == ("engineer", "officer", "admin")
    assert roles_for("policy.activated") == ("officer", "admin")
    assert roles_for("token.issued") == ("admin",)
    assert roles_for("an.event.from.the.future") == ()
    assert not MACHINE_EVENTS & {"entry.approved", "entry.proposed", "role.granted"}


def test_roles_hold_in_the_append_itself(ledger: Ledger) -> None:
    waiting(ledger)
    change_role(ledger, str(ANN), "admin", actor=ANN, granted=True)
    with pytest.raises(
        NotAuthorisedError, match=r"role reviewer, which entry\.approved needs"
    ) as no:
        append(ledger, decided(EntryApproved), BOB)
    assert "palimpsest role grant human:bob reviewer" in no.value.hint
    with pytest.raises(NotAuthorisedError, match="role admin"):
        append(ledger, RoleGranted(principal=str(BOB), role="admin"), BOB)
    append(ledger, RoleGranted(principal=str(BOB), role="reviewer"), ANN)
    append(ledger, decided(EntryApproved), BOB)
    assert ledger.state.entries["e1"].status == "approved"
    with pytest.raises(NotAuthorisedError, match="officer"):
        append(ledger, PolicyActivated(name="p", digest="0", text="x"), BOB)
    append(ledger, LedgerFrozen(reason="look"), BOB)
    append(ledger, RoleWithdrawn(principal=str(BOB), role="reviewer"), ANN)
    with pytest.raises(NotAuthorisedError):
        append(ledger, LedgerFrozen(reason="look"), BOB)


def test_a_home_without_roles_belongs_to_whoever_sits_at_it(ledger: Ledger) -> None:
    waiting(ledger)
    append(ledger, decided(EntryApproved), BOB)
    assert ledger.state.entries["e1"].decided_by == BOB


def test_what_happened_needs_no_role(ledger: Ledger) -> None:
    change_role(ledger, str(ANN), "admin", actor=ANN, granted=True)
    append(ledger, source(), BOB)
    append(ledger, proposed(), BOB)
    assert ledger.state.entries["e1"].author == BOB


@pytest.mark.parametrize(
    "payload",
    [
        PrincipalRegistered(principal="agent:bot", bounds=DESK),
        RoleGranted(principal="agent:bot", role="admin"),
        RoleWithdrawn(principal="human:ann", role="admin"),
        TokenIssued(token_id="t", principal="agent:bot", digest="0" * 64),
        TokenRevoked(token_id="t0", reason=""),
        KeyRotated(old_key="0" * 64, new_key="1" * 64, reason=""),
    ],
    ids=lambda payload: payload.event_type,
)
@pytest.mark.parametrize("actor", [BOT, POLICY, Actor(kind="importer", id="w")], ids=str)
def test_nothing_but_people_decides_who_may_act(
    ledger: Ledger, payload: PrincipalRegistered, actor: Actor
) -> None:
    append(ledger, PrincipalRegistered(principal="agent:bot", bounds=HERE), ANN)
    append(ledger, TokenIssued(token_id="t0", principal="agent:bot", digest="0" * 64), ANN)
    with pytest.raises(NotAuthorisedError, match="may not append"):
        append(ledger, payload, actor)
    append(ledger, payload, SYSTEM)


def test_tokens_belong_to_registered_principals(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="agent:bot is not registered"):
        issue_token(ledger, "agent:bot", days=None, actor=ANN)
    for wrong in ("policy:default", "bot", "agent:", "agent: bot"):
        with pytest.raises(LedgerError, match="is not a principal"):
            register_principal(ledger, wrong, DESK, actor=ANN)
    with pytest.raises(LedgerError, match="is not a principal"):
        append(ledger, PrincipalRegistered(principal="system:x", bounds=DESK), ANN)
    assert register_principal(ledger, "agent:bot", DESK, actor=ANN) is not None
    assert register_principal(ledger, "agent:bot", DESK, actor=ANN) is None
    token = issue_token(ledger, "agent:bot", days=None, actor=ANN)
    again = TokenIssued(token_id=token.token_id, principal="agent:bot", digest="0" * 64)
    with pytest.raises(LedgerError, match="issued already"):
        append(ledger, again, ANN)
    with pytest.raises(LedgerError, match="no SHA-256"):
        append(ledger, TokenIssued(token_id="t", principal="agent:bot", digest="x"), ANN)
    with pytest.raises(LedgerError, match="never issued"):
        revoke_token(ledger, "nothing", reason="", actor=ANN)
    revoke_token(ledger, token.token_id, reason="lost", actor=ANN)
    with pytest.raises(LedgerError, match="revoked already"):
        revoke_token(ledger, token.token_id, reason="lost", actor=ANN)


def test_only_admins_manage_principals(ledger: Ledger) -> None:
    change_role(ledger, str(ANN), "admin", actor=ANN, granted=True)
    for refused in (
        lambda: register_principal(ledger, "agent:bot", DESK, actor=BOB),
        lambda: issue_token(ledger, "agent:bot", days=1, actor=BOB),
        lambda: revoke_token(ledger, "t", reason="", actor=BOB),
    ):
        with pytest.raises(NotAuthorisedError, match="admin"):
            refused()
    assert register_principal(ledger, "agent:bot", DESK, actor=ANN) is not None


def test_a_rotation_replaces_the_key_that_signs(ledger: Ledger) -> None:
    append(ledger, KeyRotated(old_key="0" * 64, new_key="1" * 64, reason=""), ANN)
    with pytest.raises(LedgerError, match="another key signs now"):
        append(ledger, KeyRotated(old_key="0" * 64, new_key="2" * 64, reason=""), ANN)
    append(ledger, KeyRotated(old_key="1" * 64, new_key="2" * 64, reason=""), ANN)
    assert ledger.state.signing_key == "2" * 64


# --- tokens ------------------------------------------------------------------------------


def test_a_token_is_recognised_until_it_ends(ledger: Ledger) -> None:
    register_principal(ledger, "agent:bot", DESK, actor=ANN)
    token = issue_token(ledger, "agent:bot", days=2, actor=ANN)
    ends = ledger.state.tokens[token.token_id].expires_at_us
    assert ends is not None
    shown = Token.parse(token.text)
    assert shown == token
    assert recognise(token, ledger.state, ends - 1) == BOT_DESK
    with pytest.raises(TokenError, match="has expired") as expired:
        recognise(token, ledger.state, ends)
    assert "token issue agent:bot" in expired.value.hint
    revoke_token(ledger, token.token_id, reason="lost", actor=ANN)
    with pytest.raises(TokenError, match="was revoked"):
        recognise(token, ledger.state, ends - 1)
    for unknown in (Token(token.token_id, "guess"), Token("0", token.secret)):
        with pytest.raises(TokenError, match="not known here"):
            recognise(unknown, ledger.state, 0)


def test_the_ledger_never_holds_the_secret(ledger: Ledger) -> None:
    register_principal(ledger, "agent:bot", DESK, actor=ANN)
    token = issue_token(ledger, "agent:bot", days=None, actor=ANN)
    [event] = ledger.events(types=["token.issued"])
    assert isinstance(event.payload, TokenIssued)
    assert event.payload.digest == token.digest
    assert token.secret not in event.payload.model_dump_json()
    assert len({Token.fresh().text for _ in range(20)}) == 20


@pytest.mark.parametrize("text", ["", "pal", "pal_", "pal_id", "pal_id_", "own_x_y", "pal__x"])
def test_what_is_no_token_is_not_parsed(text: str) -> None:
    assert Token.parse(text) is None
    assert Token.parse("pal_id_a_b") == Token("id", "a_b")


def test_days_are_days() -> None:
    assert expiry_us(EPOCH_US, 1) - EPOCH_US == 24 * 3600 * 1_000_000
    assert parse_principal("human:ana").kind == "human"


# --- principals --------------------------------------------------------------------------


def test_bounds_limit_writing_more_than_reading() -> None:
    one_user = Scope(tenant="mutual", agent="desk", user="u1")
    assert within(DESK, one_user)
    assert within(one_user, one_user)
    assert one_user.sees(DESK)
    assert not within(one_user, DESK)  # every other user would read it
    assert not within(DESK, HERE)


def test_a_principal_writes_in_its_own_name_kind_and_bounds() -> None:
    check_write(BOT_DESK, "source.ingested", BOT, DESK)
    for name, actor, scope, why in (
        ("source.ingested", ANN, DESK, "cannot act as human:ann"),
        ("source.ingested", SYSTEM, DESK, "cannot act as system"),
        ("source.ingested", BOT, HERE, "acts in mutual/desk"),
        ("entry.proposed", BOT, DESK, "/v1/proposals"),
        ("entry.approved", BOT, DESK, "may not append entry.approved"),
        ("policy.activated", BOT, DESK, "may not append policy.activated"),
    ):
        with pytest.raises(NotAuthorisedError, match=why):
            check_write(BOT_DESK, name, actor, scope)
    check_write(OWNER, "policy.activated", SYSTEM, HERE)


def test_a_person_with_a_token_needs_the_role_even_where_no_roles_exist() -> None:
    nobody = Principal(ANN, DESK)
    check_write(nobody, "review.commented", ANN, DESK)
    with pytest.raises(NotAuthorisedError, match="role reviewer"):
        check_write(nobody, "entry.approved", ANN, DESK)
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        somebody = Principal(ANN, DESK, frozenset({role}))
        assert somebody.holds(role)
        check_write(somebody, "ledger.frozen", ANN, DESK)
    check_write(Principal(ANN, DESK, frozenset({"reviewer"})), "entry.approved", ANN, DESK)
    assert Principal(ANN, DESK, frozenset({"admin"})).holds("officer")
    assert OWNER.holds("admin")
    assert not nobody.holds("reviewer")


def test_what_governs_all_is_seen_by_all_and_memory_is_not() -> None:
    elsewhere = header(source(), scope=HERE)
    assert not BOT_DESK.sees(elsewhere)
    assert OWNER.sees(elsewhere)
    assert BOT_DESK.sees(header(source(), scope=DESK))
    assert BOT_DESK.sees(header(LedgerFrozen(reason=""), scope=HERE))
    assert BOT_DESK.sees(header(RoleGranted(principal="agent:bot", role="admin")))
    assert not BOT_DESK.sees(header(RoleGranted(principal="human:ann", role="admin")))
    assert not BOT_DESK.sees(header(TokenIssued(token_id="t", principal="agent:bot", digest="")))
    assert State().tokens.get("t") is None
