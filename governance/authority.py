"""Who may decide, and for which stated reasons; who may act from outside.

Whoever can read the home's files is trusted to say who they are: the ledger records the
name, it cannot know that the right person sat at the keyboard. Whoever holds a token is the
principal it was issued to, and nobody else (``governance.access``, ``governance.service``).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from governance.access import Token, expiry_us, parse_principal
from governance.errors import NotAuthorisedError, PolicyError, ReviewError
from governance.events import (
    Actor,
    PrincipalRegistered,
    Role,
    RoleGranted,
    RoleWithdrawn,
    Scope,
    TokenIssued,
    TokenRevoked,
    Trust,
)
from governance.ledger import EventDraft, Ledger, Receipt, SystemClock
from governance.state import State

ROLES: Final[tuple[Role, ...]] = get_args(Role)
Command: TypeAlias = Literal["approve", "reject", "quarantine", "revoke", "rollback"]

REASONS: Final[dict[Command, dict[str, str]]] = {
    "approve": {
        "evidence-confirmed": "the evidence was read and says this",
        "known-true": "the reviewer knows it from elsewhere",
        "correction": "it corrects what is in force",
        "cleared": "the suspicion was looked into and is unfounded",
    },
    "reject": {
        "wrong": "it is not true",
        "unsupported": "the evidence does not say it",
        "outdated": "it was true once",
        "sensitive": "it must not be remembered",
        "injection": "it is an instruction or an attack",
        "irrelevant": "it is of no use",
    },
    "quarantine": {
        "suspected-injection": "it may be an instruction or an attack",
        "suspected-wrong": "it may be untrue",
        "under-investigation": "somebody is looking into it",
    },
    "revoke": {
        "wrong": "it is not true",
        "outdated": "it is no longer true",
        "sensitive": "it should never have been remembered",
        "injection": "it was an instruction or an attack",
        "source-withdrawn": "its source no longer counts",
        "subject-request": "the person concerned asked for it",
        "drift": "it made the agent worse",
    },
    "rollback": {
        "regression": "the agent got worse after that version",
        "bad-source": "a source brought wrong or hostile entries",
        "mistake": "decisions since then were mistaken",
        "investigation": "to look at an earlier state",
        "drill": "a rehearsal",
    },
}
"""The closed list of reason codes; anything else belongs in the comment."""


def require_reason(command: Command, reason_code: str) -> None:
    """Refuse a reason code that is not on the list.

    Raises:
        ReviewError: it is not; the hint has the list.
    """
    if reason_code not in REASONS[command]:
        problem = f"unknown reason {reason_code!r}" if reason_code else "a reason is missing"
        raise ReviewError(
            f"{command}: {problem}", hint=f"one of: {', '.join(sorted(REASONS[command]))}"
        )


def require_role(state: State, actor: Actor, *roles: Role) -> None:
    """Refuse an actor who is no person or, once roles were granted, holds none of these.

    Before the first ``role.granted`` a home has one user and no roles: the person at the
    keyboard may do everything. ``admin`` may always.

    Raises:
        NotAuthorisedError: see above.
    """
    if actor.kind != "human":
        raise NotAuthorisedError(f"{actor} is not a person and may not decide")
    if not state.roles:
        return
    held = state.roles.get(str(actor), frozenset())
    if not held & {*roles, "admin"}:
        raise NotAuthorisedError(
            f"{actor} does not hold the role {' or '.join(roles)}",
            hint=f"an admin can grant it: palimpsest role grant {actor} {roles[0]}",
        )


def change_role(
    ledger: Ledger, principal: str, role: Role, *, actor: Actor, granted: bool
) -> Receipt | None:
    """Grant or withdraw a role; ``None`` when nothing had to change.

    A home without roles belongs to whoever sits at it. From the first grant on, roles
    hold; so that nobody locks everyone out, the first is an admin and the last admin stays.

    Raises:
        NotAuthorisedError: the actor is no admin.
        PolicyError: the home would be left without an admin.
    """
    state = ledger.state
    require_role(state, actor, "admin")
    held = state.roles.get(principal, frozenset())
    if (role in held) == granted:
        return None
    admins = {name for name, roles in state.roles.items() if "admin" in roles}
    if granted and role != "admin" and not admins:
        raise PolicyError(
            "the first role of a home must be an admin",
            hint=f"palimpsest role grant {actor} admin",
        )
    if not granted and role == "admin" and admins == {principal}:
        raise PolicyError(
            f"{principal} is the only admin and stays it", hint="grant another admin first"
        )
    kind = RoleGranted if granted else RoleWithdrawn
    return ledger.append([EventDraft(kind(principal=principal, role=role), actor)])


def register_principal(
    ledger: Ledger, principal: str, bounds: Scope, *, actor: Actor, trust: Trust | None = None
) -> Receipt | None:
    """Let somebody act from outside within ``bounds``; ``None`` when that is so already.

    Args:
        ledger: Where it is recorded.
        principal: Who.
        bounds: All that it may read and write.
        actor: Who says so.
        trust: The most that a source it registers is trusted, and what rules see as
            ``actor.trust``; ``None``: as before, at first ``internal`` for a person and
            ``unknown`` for a program, which may have written its sources itself.

    Raises:
        NotAuthorisedError: the actor is no admin.
        LedgerError: the name is not ``human:``, ``agent:`` or ``importer:`` somebody.
    """
    require_role(ledger.state, actor, "admin")
    person = parse_principal(principal).kind == "human"
    state = ledger.state
    at_first: Trust = "internal" if person else "unknown"
    level = trust or state.trusted.get(principal, at_first)
    if (state.principals.get(principal), state.trusted.get(principal)) == (bounds, level):
        return None
    payload = PrincipalRegistered(principal=principal, bounds=bounds, trust=level)
    return ledger.append([EventDraft(payload, actor)])


def issue_token(ledger: Ledger, principal: str, *, days: int | None, actor: Actor) -> Token:
    """Make a token for a registered principal. Its secret is in the result and nowhere else.

    Args:
        ledger: Where its digest is recorded.
        principal: Whose it is.
        days: How long it opens anything; ``None``: until it is revoked.
        actor: Who issues it.

    Raises:
        NotAuthorisedError: the actor is no admin.
        LedgerError: the principal is not registered.
    """
    require_role(ledger.state, actor, "admin")
    token = Token.fresh()
    payload = TokenIssued(
        token_id=token.token_id,
        principal=principal,
        digest=token.digest,
        expires_at_us=None if days is None else expiry_us(SystemClock().now_us(), days),
    )
    ledger.append([EventDraft(payload, actor)])
    return token


def revoke_token(ledger: Ledger, token_id: str, *, reason: str, actor: Actor) -> Receipt:
    """End a token at once.

    Raises:
        NotAuthorisedError: the actor is no admin.
        LedgerError: there is no such token, or it is revoked already.
    """
    require_role(ledger.state, actor, "admin")
    return ledger.append([EventDraft(TokenRevoked(token_id=token_id, reason=reason), actor)])
