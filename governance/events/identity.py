"""Who may act, with which token, and which key signs for the ledger."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from governance.events.header import Payload, Scope, Trust

Role = Literal["reviewer", "engineer", "officer", "admin"]


class PrincipalPayload(Payload):
    """Base of what concerns one principal, named ``kind:id`` like an actor."""

    principal: str

    def subject_id(self) -> str:
        """``principal:NAME``."""
        return f"principal:{self.principal}"


class RoleGranted(PrincipalPayload):
    """The principal may act in this role."""

    event_type: ClassVar[str] = "role.granted"
    role: Role


class RoleWithdrawn(PrincipalPayload):
    """The principal may no longer act in this role."""

    event_type: ClassVar[str] = "role.withdrawn"
    role: Role


class PrincipalRegistered(PrincipalPayload):
    """The principal acts and reads within this scope, whatever it asks for.

    ``trust`` is the most that a source it registers can be trusted.
    """

    event_type: ClassVar[str] = "principal.registered"
    bounds: Scope
    trust: Trust = "internal"


class TokenPayload(Payload):
    """Base of what concerns one API token."""

    token_id: str

    def subject_id(self) -> str:
        """``token:ID``."""
        return f"token:{self.token_id}"


class TokenIssued(TokenPayload):
    """Whoever shows the token is the principal. ``digest`` is SHA-256 (hex) of its secret."""

    event_type: ClassVar[str] = "token.issued"
    principal: str
    digest: str
    expires_at_us: int | None = None


class TokenRevoked(TokenPayload):
    """The token opens nothing any more."""

    event_type: ClassVar[str] = "token.revoked"
    reason: str


class KeyRotated(Payload):
    """Checkpoints are signed by another key from here on; keys are raw Ed25519, hex.

    The subject names the new key, so that the chain of keys can be followed from the
    headers alone, by somebody who may open no payload.
    """

    event_type: ClassVar[str] = "key.rotated"
    old_key: str = Field(min_length=64, max_length=64)
    new_key: str = Field(min_length=64, max_length=64)
    reason: str

    def subject_id(self) -> str:
        """``key:NEW``."""
        return f"key:{self.new_key}"
