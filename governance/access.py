"""Who may do what: which roles an event needs, and what a token opens. Pure.

One table says which events a person may cause, another which a program may. ``transitions``
holds every append against them (a person's once the home has roles), so they bind whoever
writes, in this process or through the service; the service also holds principals with a token
against their bounds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, get_args

from governance.errors import LedgerError, NotAuthorisedError, TokenError
from governance.events import PAYLOADS, Actor, ActorKind, Header, Role, Scope
from governance.state import State

REGISTRABLE: Final[frozenset[ActorKind]] = frozenset({"human", "agent", "importer"})
"""Kinds that act from outside. Policies and the system itself hold no tokens."""

_PREFIX: Final = "pal"
_US_PER_DAY: Final = 86_400_000_000

_RECORDS: Final = (
    "source.ingested", "memory.recalled", "outcome.recorded",
    "relay.started", "relay.stepped", "relay.scored", "command.refused",
)  # fmt: skip
"""What happened, what was tried in vain included, as opposed to what was decided."""

MACHINE_EVENTS: Final = frozenset(
    {*_RECORDS, "entry.activated"} | {name for name in PAYLOADS if name.startswith("adapter.")}
)
"""What agents and importers may append with a token. They propose through the policy."""

_PROGRAM_EVENTS: Final = MACHINE_EVENTS | {"entry.proposed", "entry.expired"}
"""What agents and importers may append at all, in this process or through the service."""

FREE_EVENTS: Final = frozenset({*_RECORDS, "entry.proposed", "review.commented"})
"""What any person may append: none of it lets an entry act."""

ROLE_EVENTS: Final[dict[Role, frozenset[str]]] = {
    "reviewer": frozenset(
        {
            "entry.approved", "entry.rejected", "entry.quarantined", "entry.revoked",
            "entry.superseded", "entry.activated", "entry.expired", "review.assigned",
            "review.claimed", "review.endorsed", "review.withdrawn", "decision.signed",
            "adapter.withdrawn", "export.withdrawn", "ledger.frozen",
        }
    ),
    "engineer": frozenset(
        {
            "rollback.requested", "rollback.accepted", "rollback.declined", "rollback.applied",
            "ledger.frozen", "entry.expired", "drift.held", "verifier.rated",
        }
        | {name for name in PAYLOADS if name.startswith("adapter.")}
    ),
    "officer": frozenset(
        {
            "ledger.frozen", "ledger.thawed", "policy.activated", "entry.revoked",
            "entry.rejected", "entry.expired", "entry.erased", "source.erased",
            "review.withdrawn", "decision.signed", "rollback.requested", "rollback.accepted",
            "rollback.declined", "rollback.applied", "adapter.withdrawn", "hold.placed",
            "hold.lifted", "export.issued", "export.withdrawn", "erasure.requested",
            "erasure.approved", "erasure.declined", "erasure.completed", "verifier.rated",
            "drift.held", "drift.released",
        }
    ),
    "admin": frozenset(PAYLOADS),
}  # fmt: skip
"""What each role may decide. Revoking rejects what was derived and is undecided, and takes
adapters out of service, so whoever may revoke may do that too."""


def roles_for(event_type: str) -> tuple[Role, ...]:
    """Roles one of which a person needs for an event of this type; empty: none is needed."""
    if event_type in FREE_EVENTS:
        return ()
    roles: tuple[Role, ...] = get_args(Role)
    return tuple(role for role in roles if event_type in ROLE_EVENTS[role])


def check_role(event_type: str, actor: Actor, held: frozenset[str]) -> None:
    """Refuse a person whose roles do not cover the event.

    Raises:
        NotAuthorisedError: they do not.
    """
    needed = roles_for(event_type)
    if needed and not held & set(needed):
        names: list[Role] = [role for role in needed if role != "admin"] or ["admin"]
        raise NotAuthorisedError(
            f"{actor} does not hold the role {' or '.join(names)}, which {event_type} needs",
            hint=f"an admin can grant it: palimpsest role grant {actor} {names[0]}",
        )


def check_program(event_type: str, actor: Actor) -> None:
    """Refuse an agent or importer that decides: a program proposes and records, no more.

    Raises:
        NotAuthorisedError: it does.
    """
    if actor.kind in {"agent", "importer"} and event_type not in _PROGRAM_EVENTS:
        raise _decided_elsewhere(event_type, actor)


def _decided_elsewhere(event_type: str, actor: Actor) -> NotAuthorisedError:
    return NotAuthorisedError(
        f"{actor} is no person and may not append {event_type}",
        hint="a program proposes and records; verifiers, policies and people decide",
    )


# --- principals -------------------------------------------------------------------------


@dataclass(frozen=True)
class Principal:
    """Somebody who was recognised. Without ``actor`` and ``bounds``: the owner of the home."""

    actor: Actor | None = None
    bounds: Scope | None = None
    roles: frozenset[str] = frozenset()

    @property
    def owner(self) -> bool:
        """True for whoever could read the home's files: nothing is kept from them."""
        return self.bounds is None

    def sees(self, header: Header) -> bool:
        """Whether an event exists for this principal at all.

        What governs every scope (the policy in force, the freeze, the signing key, the
        principal's own standing) is seen by all: it says nothing about anybody's memory.
        """
        return self.sees_record(header.scope, header.type, header.subject)

    def sees_record(self, scope: Scope, event_type: str, subject: str) -> bool:
        """:meth:`sees`, for the parts of a header that it depends on."""
        if self.bounds is None or self.bounds.sees(scope) or event_type in _FOR_ALL:
            return True
        return event_type in _OF_ONESELF and subject == f"principal:{self.actor}"

    def holds(self, *roles: Role) -> bool:
        """True for the owner, and for a person with one of these roles, or an admin."""
        return self.owner or bool(self.roles & {*roles, "admin"})


_FOR_ALL: Final = frozenset(
    {
        "policy.activated",
        "ledger.frozen",
        "ledger.thawed",
        "ledger.recovered",
        "key.rotated",
        "verifier.rated",
    }
)
_OF_ONESELF: Final = frozenset(
    {
        "role.granted", "role.withdrawn", "principal.registered", "signer.registered",
        "signer.withdrawn",
    }
)  # fmt: skip

OWNER: Final = Principal()


def parse_principal(text: str) -> Actor:
    """``kind:id`` of somebody who may hold a token.

    Raises:
        LedgerError: not of that form.
    """
    kind, _, name = text.partition(":")
    if kind not in REGISTRABLE or not name.strip() or name != name.strip():
        raise LedgerError(
            f"{text!r} is not a principal",
            hint="give human:NAME, agent:NAME or importer:NAME",
        )
    return Actor(kind=kind, id=name)


def within(bounds: Scope, scope: Scope) -> bool:
    """Whether something written in ``scope`` stays inside ``bounds``.

    Stricter than :meth:`Scope.sees`: what belongs to no user is read by all users of the
    agent, so whoever is bound to one user may not write it.
    """
    return (bounds.tenant, bounds.agent) == (scope.tenant, scope.agent) and (
        not bounds.user or bounds.user == scope.user
    )


def check_write(principal: Principal, event_type: str, actor: Actor, scope: Scope) -> None:
    """Refuse what a principal may not append.

    Raises:
        NotAuthorisedError: in another name, outside its bounds, or not an event of its
            kind and roles.
    """
    if principal.bounds is None or principal.actor is None:
        return
    if actor != principal.actor:
        raise NotAuthorisedError(
            f"this token is {principal.actor}'s and cannot act as {actor}",
            hint=f"write it as {principal.actor}",
        )
    check_bounds(principal, scope)
    if event_type == "entry.proposed":
        raise NotAuthorisedError(
            "entries are proposed through /v1/proposals, where they are verified",
            hint="`review.submit` on this ledger does it",
        )
    if actor.kind == "human":
        check_role(event_type, actor, principal.roles)
    elif event_type not in MACHINE_EVENTS:
        raise _decided_elsewhere(event_type, actor)


def check_bounds(principal: Principal, scope: Scope) -> None:
    """Refuse a scope outside the principal's bounds.

    Raises:
        NotAuthorisedError: it is.
    """
    if principal.bounds is not None and not within(principal.bounds, scope):
        raise NotAuthorisedError(
            f"{principal.actor} acts in {principal.bounds}, not in {scope}",
            hint="an admin can change it: palimpsest principal add",
        )


# --- tokens -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    """An API token as it is handed over, once. The ledger keeps only ``digest``."""

    token_id: str
    secret: str

    @classmethod
    def fresh(cls) -> Token:
        """A new one: 256 bits that nobody can guess."""
        return cls(secrets.token_hex(6), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """The parts of a token; ``None`` when it is none."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        return cls(token_id, secret) if prefix == _PREFIX and token_id and secret else None

    @property
    def text(self) -> str:
        """``pal_ID_SECRET``."""
        return f"{_PREFIX}_{self.token_id}_{self.secret}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def expiry_us(now_us: int, days: int) -> int:
    """When a token issued now for ``days`` ends."""
    return now_us + days * _US_PER_DAY


def recognise(token: Token, state: State, now_us: int) -> Principal:
    """Whose token this is.

    Raises:
        TokenError: unknown, revoked or expired.
    """
    known = state.tokens.get(token.token_id)
    # Compared also when there is none: how long it takes tells nothing about which exist.
    digest = known.digest if known is not None else "0" * 64
    same = hmac.compare_digest(digest.encode(), token.digest.encode())
    if known is None or not same:
        raise TokenError(
            "this token is not known here", hint="ask an admin: palimpsest token issue PRINCIPAL"
        )
    standing = known.standing(now_us)
    if standing != "valid":
        verb = "was revoked" if standing == "revoked" else "has expired"
        raise TokenError(
            f"token {token.token_id} {verb}",
            hint=f"ask an admin for a new one: palimpsest token issue {known.principal}",
        )
    return Principal(
        parse_principal(known.principal),
        state.principals[known.principal],
        state.roles.get(known.principal, frozenset()),
    )
