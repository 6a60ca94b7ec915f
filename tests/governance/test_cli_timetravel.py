"""``state``, ``diff --versions`` and ``rebuild`` as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from governance import cli
from governance.errors import ChainError
from governance.events import AdapterWithdrawn, EntryRevoked, MemoryRecalled
from governance.home import DATABASE
from governance.ledger import Ledger, OwnedLog, verify_home
from tests.governance.drafts import (
    ANN,
    BOT,
    ELSEWHERE,
    StepClock,
    append,
    card_body,
    decided,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    source,
    tombstoned,
)
from tests.governance.serving import serving

RUNNER = CliRunner()


@pytest.fixture
def filled(home: Path) -> Path:
    """Version 12: a fact and a card act. Later the fact is revoked and another proposed."""
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        ledger.append(life("fact-1"))
        ledger.append(learned_card("card-1"))
        append(ledger, proposed("fact-2"), BOT)
        assert ledger.head.seq == 13
        append(ledger, tombstoned(EntryRevoked, "fact-1"), ANN)
        append(ledger, proposed("fact-2", fact_body("350 EUR"), version=2), BOT)
        append(ledger, proposed("fact-3", fact_body("\x1b[31m[red]"), spans=()), ANN, ELSEWHERE)
        ledger.append(
            [
                draft(decided(EntryRevoked, "card-1", card_body()), ANN),
                draft(AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="r")),
            ]
        )
        used = MemoryRecalled(recall_id="r", purpose="answer", query="?", entries=["fact-1"])
        append(ledger, used)
    return home


def run(home: Path, *arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(cli.app, [*arguments, "--home", str(home)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def data(home: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(home, *arguments, "--json"))
    return found


def test_the_memory_as_it_stood(filled: Path) -> None:
    then, now = data(filled, "state", "--at", "12"), data(filled, "state")
    assert (then["version"], now["version"]) == (12, 19)
    assert then["counts"] == {"default/default": {"active": 2}}
    assert now["counts"] == {
        "default/default": {"proposed": 1, "revoked": 2}, "other/default": {"proposed": 1},
    }  # fmt: skip
    assert [(one["entry_id"], one["status"]) for one in then["entries"]] == [
        ("fact-1", "active"), ("card-1", "active"),
    ]  # fmt: skip
    assert then["shards"] == [{"shard_id": "sh1", "scope": "default/default", "adapter": "ad1"}]
    assert now["shards"][0]["adapter"] is None
    nothing = data(filled, "state", "--at", "0")
    assert (nothing["entries"], nothing["shards"], nothing["counts"]) == ([], [], {})
    assert data(filled, "state", "--scope", "other/default")["counts"] == {
        "other/default": {"proposed": 1}
    }
    assert "does not exist" in run(filled, "state", "--at", "20", code=2)


def test_the_memory_as_it_stood_is_readable(filled: Path) -> None:
    text = run(filled, "state", "--at", "12")
    assert "Version 12" in text
    assert "default/default: 2 active" in text
    assert "fact-1" in text
    assert "ad1" in text
    assert "no entries" in run(filled, "state", "--at", "0")
    hostile = run(filled, "state")
    assert "\x1b[31m" not in hostile
    assert "[red]" in hostile
    other = run(filled, "state", "--scope", "other/default")
    assert "fact-3" in other
    assert "fact-1" not in other


def test_two_versions_are_compared(filled: Path) -> None:
    found = data(filled, "diff", "--versions", "13", "19")
    assert (found["before"], found["after"]) == (13, 19)
    entries = {one["entry_id"]: one for one in found["entries"]}
    assert list(entries) == ["fact-1", "card-1", "fact-2", "fact-3"]
    assert (entries["fact-1"]["status_before"], entries["fact-1"]["status_after"]) == (
        "active", "revoked",
    )  # fmt: skip
    assert entries["fact-3"]["appeared"]
    assert entries["fact-3"]["text_before"] is None
    assert "300 EUR" in entries["fact-2"]["text_before"]
    assert "350 EUR" in entries["fact-2"]["text_after"]
    assert found["shards"] == [
        {"shard_id": "sh1", "scope": "default/default", "before": "ad1", "after": None}
    ]
    narrow = data(filled, "diff", "--versions", "13", "19", "--scope", "other/default")
    assert [one["entry_id"] for one in narrow["entries"]] == ["fact-3"]
    text = run(filled, "diff", "--versions", "13", "19")
    assert "[-300-]{+350+}" in text
    assert "(not there)" in text
    assert "Adapters served" in text
    assert "\x1b[31m" not in text
    assert "no difference" in run(filled, "diff", "--versions", "18", "19")
    for arguments in (("13", "x"), ("19", "13"), ("1", "99"), ("1",), ("-1", "2")):
        run(filled, "diff", "--versions", *arguments, code=2)
    run(filled, "diff", "--versions", "--adapter", "1", "2", code=2)


def test_projections_are_made_again_and_compared(filled: Path) -> None:
    assert "equal to what was there" in run(filled, "rebuild")
    with duckdb.connect(str(filled / DATABASE)) as connection:
        connection.execute("DELETE FROM mention WHERE type = 'memory.recalled'")
        connection.execute("INSERT INTO mention VALUES (3, 'memory.recalled', 'entry:fact-2')")
        connection.execute("INSERT INTO mention VALUES (900, 'memory.recalled', 'entry:fact-2')")
    with pytest.raises(ChainError, match="projection"):
        Ledger.open(filled)
    assert "1 missing, 2 too many" in run(filled, "rebuild", code=3)
    assert "equal to what was there" in run(filled, "rebuild")
    with Ledger.open(filled, read_only=True) as ledger:
        assert list(ledger.state.recalls) == ["fact-1"]


def test_a_service_makes_them_again_for_whoever_asks(filled: Path) -> None:
    with serving(filled) as running:
        assert "equal to what was there" in run(filled, "rebuild")
        log = running.ledger.log
        assert isinstance(log, OwnedLog)
        log.store.replace_mentions([])
        assert "1 missing, 0 too many" in run(filled, "rebuild", code=3)
        assert "equal to what was there" in run(filled, "rebuild")
        assert data(filled, "state", "--at", "12")["counts"] == {"default/default": {"active": 2}}
        found = data(filled, "diff", "--versions", "13", "19")
        assert len(found["entries"]) == 4
        assert verify_home(filled).ok


def test_a_changed_column_is_not_made_right_by_a_rebuild(filled: Path) -> None:
    with duckdb.connect(str(filled / DATABASE)) as connection:
        connection.execute("UPDATE event SET subject = 'entry:fact-9' WHERE seq = 3")
    assert "columns" in run(filled, "rebuild", code=3)
    with pytest.raises(ChainError):
        Ledger.open(filled)
