"""A principal with a token: what it sees, what it may do, and what does not exist for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from governance import canonical, review
from governance.access import Principal
from governance.authority import issue_token, revoke_token
from governance.commands.options import parse_actor
from governance.errors import (
    AppendConflictError,
    ChainError,
    LedgerError,
    NotAuthorisedError,
    PolicyError,
    StoreError,
    TokenError,
)
from governance.events import (
    Actor,
    CommandRefused,
    EntryProposed,
    EntryRevoked,
    MemoryRecalled,
    PolicyActivated,
    Scope,
    SourceIngested,
)
from governance.ledger import EventDraft, Ledger
from governance.policy import load_policy
from governance.review import activate_policy
from governance.revocation import plan_revocation, revoke
from governance.scoped import ScopedLog
from governance.sharing import share
from tests.governance.desk import CALL, DESK, Desk, fact
from tests.governance.drafts import ANN, HERE, append, draft, life, source
from tests.governance.serving import Served, actor_of, serving

AGENT = "agent:bot"
OTHER = Scope(tenant="rival", agent="desk")


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """A home that two tenants share; the rival's memory is about the same claim."""
    with serving(home) as running:
        activate_policy(running.ledger, load_policy("default"), ANN)
        yield running


def populated(served: Served) -> tuple[Desk, str, str]:
    """The desk, and the id of one entry on either side."""
    desk = Desk(served.ledger)
    ours = desk.fact("deductible", "300 EUR").entry_id
    desk.recall(ours)
    rival = [draft(source("secret", "The rival pays 900 EUR."), scope=OTHER)]
    theirs = [EventDraft(one.payload, one.actor, OTHER) for one in life("theirs")]
    for one in theirs[:1]:
        assert isinstance(one.payload, EntryProposed)
    served.ledger.append(rival, key="rival's key")
    append(served.ledger, source("s1"), scope=OTHER)
    served.ledger.append(theirs)
    recalled = MemoryRecalled(recall_id="r", purpose="answer", query="?", entries=["theirs"])
    append(served.ledger, recalled, scope=OTHER)
    return desk, ours, "theirs"


def agent(served: Served, bounds: Scope = DESK) -> Ledger:
    return served.client(served.principal(AGENT, bounds).text)


def test_other_scopes_do_not_exist_for_a_principal(served: Served) -> None:
    desk, ours, theirs = populated(served)
    mine = agent(served)
    owner = served.client()
    assert (mine.bounds, mine.principal) == (DESK, actor_of(AGENT))
    hidden = {event.header.seq for event in owner.events() if event.header.scope == OTHER}
    assert len(hidden) == 7
    seen = {event.header.seq for event in mine.events()}
    assert not seen & hidden
    assert {event.header.seq for event in owner.events(subjects=[f"entry:{ours}"])} <= seen
    for seq in sorted(hidden):
        for refused in (mine.event, mine.header):
            with pytest.raises(LedgerError, match="does not exist"):
                refused(seq)
        assert owner.header(seq)
    state = mine.state
    assert state.seq == owner.head.seq
    assert ours in state.entries
    assert theirs not in state.entries
    assert theirs in owner.state.entries
    assert list(state.sources) == ["call"]
    assert [e.entry_id for e in state.visible(OTHER)] == []
    assert [e.entry_id for e in owner.state.visible(OTHER)] == [theirs]
    assert list(state.recalls) == [ours]
    assert set(owner.state.recalls) == {ours, theirs}
    assert list(owner.log.mentions(1, 99, types=["memory.recalled"], subject=f"entry:{theirs}"))
    assert not mine.log.mentions(1, 99, types=["memory.recalled"], subject=f"entry:{theirs}")
    assert not mine.log.mentions(1, 99, types=["outcome.recorded"])
    assert len(mine.log.last_steps("relay", 1, 99, types=["relay.started"])) == 0
    assert mine.source_text("call") == CALL
    with pytest.raises(LedgerError, match="unknown"):
        mine.source_text("secret")
    assert owner.source_text("secret")
    assert mine.receipt("rival's key") is None
    assert owner.receipt("rival's key") is not None
    assert desk.status(ours) == "active"


def test_a_state_that_moves_on_stays_within_its_bounds(served: Served) -> None:
    _, ours, _ = populated(served)
    mine = agent(served)
    before = mine.state
    append(served.ledger, source("more secrets"), scope=OTHER)
    append(served.ledger, source("news"), scope=DESK)
    assert mine.state.seq == before.seq + 2
    assert set(mine.state.sources) == {"call", "news"}
    assert ours in mine.state.entries
    assert mine.state_at(before.seq).seq == before.seq
    assert "news" not in mine.state_at(before.seq).sources


def test_what_governs_everybody_is_known_to_everybody(served: Served) -> None:
    mine = agent(served)
    assert mine.state.active_policy == "default"
    assert not mine.state.tokens
    assert list(mine.state.principals) == [AGENT]
    assert served.client().state.tokens


def test_a_principal_records_what_happened_in_its_own_name(served: Served) -> None:
    mine = agent(served)
    text = "The excess is 10 EUR."
    receipt = mine.append([draft(source("s9", text), actor_of(AGENT), DESK)], key="once")
    assert mine.receipt("once") == receipt
    assert mine.append([draft(source("s9", text), actor_of(AGENT), DESK)], key="once").repeated
    assert served.ledger.state.sources["s9"].scope == DESK
    for actor, scope in ((ANN, DESK), (actor_of(AGENT), HERE), (actor_of(AGENT), OTHER)):
        with pytest.raises(NotAuthorisedError):
            mine.append([draft(source("s10", text), actor, scope)])
    with pytest.raises(NotAuthorisedError, match="digest is set by the service"):
        mine.append([EventDraft(source("s10"), actor_of(AGENT), DESK, policy_digest="0" * 64)])
    policy = PolicyActivated(name="mine", digest="0", text="allow all")
    with pytest.raises(NotAuthorisedError, match="may not append policy"):
        mine.append([draft(policy, actor_of(AGENT), DESK)])
    assert "s10" not in served.ledger.state.sources


def test_somebody_else_s_key_tells_nothing_and_does_nothing(served: Served) -> None:
    populated(served)
    mine = agent(served)
    head = served.ledger.head
    with pytest.raises(AppendConflictError, match="somebody else has used"):
        mine.append([draft(source("s9"), actor_of(AGENT), DESK)], key="rival's key")
    assert served.ledger.head == head
    assert not mine.append([draft(source("s9"), actor_of(AGENT), DESK)], key="own").repeated


def test_what_a_program_may_not_append_is_recorded_by_the_service(served: Served) -> None:
    desk, ours, _ = populated(served)
    mine, bot = agent(served), actor_of(AGENT)
    entry = desk.entry(ours)
    forged = EntryRevoked(
        entry_id=ours, version=1, content_digest=entry.content_digest, reason_code="wrong"
    )
    for payload, actor, scope in ((forged, bot, DESK), (source("x"), ANN, DESK),
                                  (source("x"), bot, OTHER)):  # fmt: skip
        with pytest.raises(NotAuthorisedError):
            mine.append([draft(payload, actor, scope)])
    found = list(served.ledger.events(types=["command.refused"]))
    assert [(one.header.actor, one.header.scope) for one in found] == [(bot, DESK)] * 3
    assert isinstance(found[0].payload, CommandRefused)
    assert found[0].payload.about == f"entry:{ours}"
    assert desk.status(ours) == "active"
    # What its own process refuses, it can put on record as well, in its own name only.
    with pytest.raises(NotAuthorisedError, match="may not copy"):
        share(mine, ours, to=DESK, actor=bot, policy=load_policy("default"))
    assert len(list(served.ledger.events(types=["command.refused"]))) == 4
    with pytest.raises(NotAuthorisedError, match="acts in mutual/desk"):
        review.submit(
            mine, proposal("300 EUR"), actor=bot, scope=OTHER, policy=load_policy("default")
        )
    *_, last = served.ledger.events(types=["command.refused"])
    assert (last.header.actor, last.header.scope) == (bot, DESK)
    mine.append([draft(source("x"), bot, DESK)])
    assert len(list(served.ledger.events(types=["command.refused"]))) == 5


def proposal(value: str, entry_id: str = "fact-1") -> EntryProposed:
    quote = f"The deductible is {value}."
    start = CALL.index(quote)
    return EntryProposed.model_validate_json(json.dumps({
        "entry_id": entry_id, "version": 1,
        "body": fact("deductible", value).model_dump(mode="json"),
        "spans": [{"source_id": "call", "start": start, "end": start + len(quote)}],
    }))  # fmt: skip


def test_a_restricted_proposal_is_verified_and_decided_by_the_owner(served: Served) -> None:
    Desk(served.ledger)
    mine = agent(served)
    lenient = load_policy("research")
    done = review.submit(
        mine, proposal("300 EUR"), actor=actor_of(AGENT), scope=DESK, policy=lenient,
        verifiers=(),
    )  # fmt: skip
    assert done.decision.policy == "default"
    assert done.decision.digest == load_policy("default").digest
    assert {result.verifier for result in done.verification.results} >= {"grounding", "tombstone"}
    entry = served.ledger.state.entries["fact-1"]
    assert (entry.author, entry.scope, entry.status) == (actor_of(AGENT), DESK, "active")
    assert mine.state.entries["fact-1"] == entry
    again = review.submit(
        mine, proposal("300 EUR"), actor=actor_of(AGENT), scope=DESK, policy=lenient
    )
    assert again.receipt.repeated
    for actor, scope in ((ANN, DESK), (actor_of(AGENT), OTHER)):
        with pytest.raises(NotAuthorisedError):
            review.submit(mine, proposal("300 EUR", "x"), actor=actor, scope=scope, policy=lenient)
    assert "x" not in served.ledger.state.entries


def test_proposals_need_a_principal_a_policy_and_an_id_of_one_s_own(
    served: Served, home: Path
) -> None:
    _, _, theirs = populated(served)
    mine = agent(served)
    policy = load_policy("default")
    with pytest.raises(LedgerError, match="belongs to another scope"):
        review.submit(
            mine, proposal("300 EUR", theirs), actor=actor_of(AGENT), scope=DESK, policy=policy
        )
    body = {"proposal": proposal("300 EUR").model_dump(mode="json"), "scope": DESK.model_dump()}
    log = served.remote()
    with pytest.raises(NotAuthorisedError, match="in somebody's name"):
        log._ask("POST", "/v1/proposals", json.dumps(body).encode())
    with serving(home.with_name("bare")) as bare:
        Desk(bare.ledger)
        with pytest.raises(PolicyError, match="no policy is in force"):
            review.submit(
                agent(bare), proposal("300 EUR"), actor=actor_of(AGENT), scope=DESK, policy=policy
            )


def test_another_policy_in_force_is_noticed(served: Served) -> None:
    Desk(served.ledger)
    mine = agent(served)

    def propose(entry_id: str) -> str:
        done = review.submit(
            mine, proposal("300 EUR", entry_id), actor=actor_of(AGENT), scope=DESK,
            policy=load_policy("default"),
        )  # fmt: skip
        return done.decision.policy

    assert propose("a") == "default"
    activate_policy(served.ledger, load_policy("strict"), ANN)
    assert propose("b") == "strict"
    append(served.ledger, PolicyActivated(name="lost", digest="0" * 64, text="no policy"), ANN)
    served.daemon.desk.log.state.policies["lost"] = "1" * 64
    with pytest.raises(StoreError, match="text of policy lost"):
        propose("c")


def test_people_decide_with_the_role_that_they_hold(served: Served) -> None:
    desk = Desk(served.ledger)
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    nobody = served.client(served.principal("human:kim", DESK).text)
    kim = served.client(served.principal("human:kim", DESK, "reviewer").text)
    entry = kim.state.entries[waiting]

    def approve(name: str) -> None:
        review.approve(
            kim, waiting, actor=parse_actor(name), reason_code="known-true", expected_version=1,
            expected_digest=entry.content_digest,
        )  # fmt: skip

    with pytest.raises(NotAuthorisedError, match="human:bob"):
        approve("bob")
    approve("kim")
    assert desk.status(waiting) == "active"
    with pytest.raises(NotAuthorisedError, match="rotate"):
        kim.rotate_key(parse_actor("kim"), "no")
    with pytest.raises(NotAuthorisedError, match="rebuild"):
        kim.rebuild_projections()
    assert kim.verify().ok
    boss = served.client(served.principal("human:eva", DESK, "admin", "engineer").text)
    with pytest.raises(NotAuthorisedError, match="rotate"):
        boss.rotate_key(ANN, "in another name")
    assert boss.rotate_key(parse_actor("eva"), "yes").last_seq == served.ledger.head.seq
    assert boss.rebuild_projections() == 0
    assert nobody.principal == parse_actor("kim")


def test_a_token_that_ended_says_so(served: Served) -> None:
    token = served.principal(AGENT, DESK)
    mine = served.client(token.text)
    assert mine.head == served.ledger.head
    revoke_token(served.ledger, token.token_id, reason="lost", actor=ANN)
    with pytest.raises(TokenError, match="was revoked") as revoked:
        _ = mine.head
    assert f"token issue {AGENT}" in revoked.value.hint
    with pytest.raises(TokenError, match="was revoked"):
        served.client(token.text)
    fresh = issue_token(served.ledger, AGENT, days=None, actor=ANN)
    assert served.client(fresh.text).head == served.ledger.head
    with pytest.raises(TokenError, match="does not know token"):
        served.client("pal_0123_guess")
    with pytest.raises(StoreError, match="another service answers"):
        served.client(f"pal_{fresh.token_id}_guess")


def test_a_principal_bound_to_one_user_writes_nothing_for_all(served: Served) -> None:
    bounds = Scope(tenant="mutual", agent="desk", user="u1")
    mine = agent(served, bounds)
    actor = actor_of(AGENT)
    payload: SourceIngested = source("s1")
    with pytest.raises(NotAuthorisedError, match="acts in mutual/desk/u1"):
        mine.append([draft(payload, actor, DESK)])
    mine.append([draft(payload, actor, bounds)])
    append(served.ledger, source("s2"), scope=Scope(tenant="mutual", agent="desk", user="u2"))
    append(served.ledger, source("s3"), scope=DESK)
    assert set(mine.state.sources) == {"s1", "s3"}
    assert isinstance(actor, Actor)


def test_a_header_without_a_scope_is_shown_to_nobody_restricted(served: Served) -> None:
    append(served.ledger, source(), scope=DESK)
    log = served.daemon.desk.log
    [row] = log.rows(1, 1, types=["policy.activated"])
    view = ScopedLog(log, Principal(actor_of(AGENT), DESK))
    assert view._visible(row)
    header = canonical.decode(row.header)
    header["scope"] = "everybody"
    with pytest.raises(ChainError, match="unreadable header"):
        view._visible(replace(row, header=canonical.encode(header)))


def test_a_closure_that_leaves_the_bounds_is_refused_and_recorded(served: Served) -> None:
    desk, ours, _ = populated(served)
    twin = desk.fact("inspection", "10 March").entry_id
    ben = "human:ben"
    mine = served.client(served.principal(ben, DESK, "reviewer").text)
    copy = share(served.ledger, ours, to=OTHER, actor=ANN, policy=load_policy("default")).entry_id
    plan = plan_revocation(mine, ours)
    assert plan.entry_ids == (ours,)  # it cannot see more
    with pytest.raises(NotAuthorisedError, match="lies outside"):
        revoke(mine, plan, actor=actor_of(ben), reason_code="wrong")
    assert served.ledger.state.entries[ours].status == "active"
    (refusal,) = served.ledger.events(types=["command.refused"])
    assert (refusal.header.actor, refusal.header.scope) == (actor_of(ben), DESK)
    with pytest.raises(LedgerError, match="does not exist"):
        share(mine, "nothing", to=DESK, actor=actor_of(ben), policy=load_policy("default"))
    (_, unknown) = served.ledger.events(types=["command.refused"])
    assert unknown.header.scope == DESK
    revoke(mine, plan_revocation(mine, twin), actor=actor_of(ben), reason_code="wrong")
    assert served.ledger.state.entries[twin].status == "revoked"
    owner = served.client()
    revoke(owner, plan_revocation(owner, ours), actor=ANN, reason_code="wrong")
    assert served.ledger.state.entries[copy].status == "rejected"
