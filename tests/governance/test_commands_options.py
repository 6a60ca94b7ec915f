"""Options that all commands share: who decides, whose memory, and opening a home for work."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from governance import housekeeping
from governance.commands.options import open_ledger, parse_actor, parse_scope
from governance.errors import LedgerError, StoreError
from governance.events import Actor, Scope
from governance.ledger import Ledger


def test_a_home_whose_housekeeping_fails_is_let_go(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Ledger) -> None:
        raise StoreError("disk full")

    Ledger.open(home, create=True).close()
    with monkeypatch.context() as patch:
        patch.setattr(housekeeping, "housekeep", full)
        with pytest.raises(StoreError, match="disk full"):
            open_ledger(home, write=True)
        open_ledger(home).close()  # who only reads tidies nothing
    with open_ledger(home, write=True) as ledger:  # nobody owns it any more
        assert ledger.owned


@pytest.mark.parametrize(
    ("text", "name"), [("ana", "ana"), ("human:ana", "ana"), ("human: ana ", "ana")]
)
def test_a_person_is_named_with_or_without_their_kind(text: str, name: str) -> None:
    assert parse_actor(text) == Actor(kind="human", id=name)


@pytest.mark.parametrize("text", ["agent:bot", "human:", "human: ", ":ana"])
def test_only_people_decide(text: str) -> None:
    with pytest.raises(LedgerError, match="is not a person") as caught:
        parse_actor(text)
    assert parse_actor("human:ana").id in caught.value.hint


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_who_decides_by_default_is_the_user_of_this_computer(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", lambda: "ana")
    assert parse_actor("") == Actor(kind="human", id="ana")
    monkeypatch.setattr(getpass, "getuser", nobody)  # as in a container without such a user
    assert parse_actor("") == Actor(kind="human", id=f"uid-{os.getuid()}")
    monkeypatch.delattr(os, "getuid")
    assert parse_actor("") == Actor(kind="human", id="unknown")


def test_a_scope_has_two_parts_or_three() -> None:
    assert parse_scope(None) is None
    assert parse_scope("a/b") == Scope(tenant="a", agent="b")
    assert parse_scope("a/b/c") == Scope(tenant="a", agent="b", user="c")
    for wrong in ("", "a", "a/", "/b", "a//c", "a/b/c/d"):
        with pytest.raises(LedgerError, match="is not a scope"):
            parse_scope(wrong)
