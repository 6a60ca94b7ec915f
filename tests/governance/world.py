"""A state that checks and folds like the ledger, with nothing stored."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from governance.errors import (
    GovernanceError,
)
from governance.events import (
    Actor,
    EntryChange,
    Payload,
    RollbackApplied,
    Scope,
    ShardChange,
    Status,
)
from governance.ledger import EventDraft
from governance.state import State
from governance.transitions import check
from tests.governance.drafts import (
    EPOCH_US,
    HERE,
    SYSTEM,
    draft,
    header,
    source,
)


class World:
    """A state that checks and folds, as the ledger does."""

    def __init__(self, *drafts: EventDraft) -> None:
        self.state = State()
        self.past: list[State] = [State()]
        self.now_us = EPOCH_US
        self.does(*drafts)

    def does(self, *drafts: EventDraft) -> World:
        for one in drafts:
            check(self.state, one.payload, one.actor, one.scope, self.now_us)
            self.state = self.state.fork()
            seq = self.state.seq + 1
            self.state.apply(header(one.payload, seq, one.actor, one.scope), one.payload)
            self.past.append(self.state)
        return self

    def refuses(
        self, error: type[GovernanceError], payload: Payload, actor: Actor = SYSTEM,
        scope: Scope = HERE, match: str | None = None,
    ) -> None:  # fmt: skip
        before = self.state.fork()
        with pytest.raises(error, match=match) as caught:
            check(self.state, payload, actor, scope, self.now_us)
        assert caught.type is error
        assert self.state == before

    def status(self, entry_id: str = "e1") -> Status:
        return self.state.entries[entry_id].status


def rolled_back(
    to_seq: int,
    entries: Sequence[tuple[str, Status, Status]] = (),
    shards: Sequence[tuple[str, str | None, str | None]] = (),
) -> RollbackApplied:
    return RollbackApplied(
        rollback_id="r1",
        to_seq=to_seq,
        entries=[EntryChange(entry_id=e, before=b, after=a) for e, b, a in entries],
        shards=[ShardChange(shard_id=s, before=b, after=a) for s, b, a in shards],
        reason_code="drift",
    )


SOURCE = draft(source())
