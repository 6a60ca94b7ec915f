"""What two versions of the memory have in common and what not."""

from __future__ import annotations

from collections import Counter

import pytest

from governance.errors import LedgerError
from governance.events import AdapterWithdrawn, ReviewCommented, Scope, text_of
from governance.history import census, diff_states
from governance.ledger import Event, Ledger, OwnedLog
from governance.merkle import LogRow
from governance.rollback import plan_rollback, rollback
from governance.state import State
from tests.governance.drafts import (
    ANN,
    BOT,
    ELSEWHERE,
    HERE,
    append,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    served,
    source,
    trained,
    verified,
)


def test_what_appeared_and_what_stands_or_reads_differently(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append([draft(proposed("e1"), BOT), draft(proposed("e2"), BOT)])
    ledger.append(learned_card("c1", "ad1"))
    before = ledger.head.seq
    ledger.append(life("e3"))
    ledger.append([draft(proposed("e1", fact_body("301 EUR"), version=2), BOT)])
    append(ledger, ReviewCommented(entry_id="e2", version=1, comment="hm"), ANN)
    append(ledger, AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="r"))
    found = diff_states(ledger.state_at(before), ledger.state)
    assert (found.before, found.after) == (before, ledger.head.seq)
    changed = {one.after.entry_id: one for one in found.entries}
    assert list(changed) == ["e1", "e3"]  # a comment changes nothing
    assert (changed["e1"].appeared, changed["e1"].status_changed) == (False, False)
    assert changed["e1"].text_changed
    assert changed["e1"].before is not None
    assert "300" in text_of(changed["e1"].before.body)
    assert (changed["e3"].appeared, changed["e3"].status_changed) == (True, True)
    assert not changed["e3"].text_changed
    assert [(one.shard_id, one.before, one.after) for one in found.shards] == [("sh1", "ad1", None)]
    same = diff_states(ledger.state, ledger.state)
    assert (same.entries, same.shards) == ((), ())
    with pytest.raises(LedgerError, match="comes after version"):
        diff_states(ledger.state, ledger.state_at(before))


def test_a_change_that_was_taken_back_is_none(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life("e1"))
    append(ledger, proposed("e2"), BOT)
    before = ledger.head.seq
    ledger.append(life("e3"))
    middle = ledger.head.seq
    rollback(ledger, plan_rollback(ledger, before), actor=ANN, reason_code="drill")
    found = diff_states(ledger.state_at(before), ledger.state)
    assert [one.after.entry_id for one in found.entries] == ["e3"]
    assert found.entries[0].appeared
    back = diff_states(ledger.state_at(middle), ledger.state)
    assert [(one.after.entry_id, one.appeared) for one in back.entries] == [("e3", False)]
    assert back.entries[0].status_changed


def test_only_what_a_scope_sees(ledger: Ledger) -> None:
    append(ledger, source())
    append(ledger, source("s2"), scope=ELSEWHERE)
    append(ledger, proposed("mine"), ANN)
    append(ledger, proposed("theirs", spans=()), ANN, ELSEWHERE)
    append(ledger, trained("ad1", [], shard_id="sh1"))
    found = diff_states(State(), ledger.state, HERE)
    assert [one.after.entry_id for one in found.entries] == ["mine"]
    everything = diff_states(ledger.state_at(0), ledger.state)
    assert [one.after.entry_id for one in everything.entries] == ["mine", "theirs"]
    assert census(ledger.state) == {
        HERE: Counter(proposed=1), ELSEWHERE: Counter(proposed=1)
    }  # fmt: skip
    assert census(ledger.state, ELSEWHERE) == {ELSEWHERE: Counter(proposed=1)}
    assert census(ledger.state, Scope(tenant="nobody")) == {}


def test_a_shard_of_another_scope_is_not_shown(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(learned_card("c1", "ad1"))
    assert [one.after for one in diff_states(State(), ledger.state, HERE).shards] == ["ad1"]
    assert diff_states(State(), ledger.state, ELSEWHERE).shards == ()
    append(ledger, served("ad1"))
    assert diff_states(ledger.state_at(ledger.head.seq - 1), ledger.state).shards == ()


def test_what_did_not_change_is_not_read(duck_ledger: Ledger) -> None:
    """The comparison costs what happened in between."""
    ledger = duck_ledger
    append(ledger, source())
    for number in range(30):
        append(ledger, proposed(f"e{number}"), BOT)
    before = ledger.head.seq
    append(ledger, verified("e7"))
    home = ledger.home
    ledger.close()
    with Ledger.open(home, read_only=True) as again:
        read: list[int] = []
        log = again.log
        assert isinstance(log, OwnedLog)
        decode = log.decode

        def counted(row: LogRow) -> Event:
            read.append(row.seq)
            return decode(row)

        log.decode = counted  # type: ignore[method-assign]  # counted, not changed
        found = diff_states(again.state_at(before), again.state)
        assert [one.after.entry_id for one in found.entries] == ["e7"]
        assert 0 < len(read) < 6
