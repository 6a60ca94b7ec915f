"""What a page starts from: the home, opened once a process; the scope; who is looking."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from dashboard.queries import Desk, Projection, scopes
from dashboard.settling import Settler
from governance.commands.options import DEFAULT_HOME, parse_actor
from governance.errors import StoreError
from governance.events import Actor, Scope
from governance.ledger import Ledger
from governance.memory_target import load_target
from governance.service.launch import ensure

HOME_VARIABLE = "PALIMPSEST_HOME"
ACTOR_VARIABLE = "PALIMPSEST_ACTOR"
SCOPE_KEY = "scope"


@dataclass(frozen=True)
class Verified:
    """The last full check of the log: to which event, which root, when, what was wrong."""

    seq: int
    root: str
    at_us: int
    events: int
    checkpoints: int
    problems: tuple[str, ...]


@dataclass
class Workplace:
    """One home, shared by all sessions of the process."""

    ledger: Ledger
    projection: Projection
    settler: Settler
    lock: threading.RLock = field(default_factory=threading.RLock)
    verified: Verified | None = None

    def verify(self) -> Verified:
        """Check the whole log from its bytes and remember the result."""
        with self.lock:
            report = self.ledger.verify()
            self.verified = Verified(
                report.events, report.root, time.time_ns() // 1_000, report.events,
                report.checkpoints, tuple(report.problems),
            )  # fmt: skip
            return self.verified

    def close(self) -> None:
        """Stop running work between two steps, then release the home."""
        self.settler.stop()
        self.ledger.close()


def home() -> Path:
    """``--home`` of the command line, else the environment, else ``.palimpsest`` here."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--home")
    known, _ = parser.parse_known_args(sys.argv[1:])
    return Path(known.home or os.environ.get(HOME_VARIABLE, "") or DEFAULT_HOME)


def actor() -> Actor:
    """Who decides here: whose token the process holds, else whoever runs it."""
    principal = workplace().ledger.principal
    return principal or parse_actor(os.environ.get(ACTOR_VARIABLE, ""))


@st.cache_resource(show_spinner="Opening the ledger…", on_release=Workplace.close)
def open_workplace(path: str) -> Workplace:
    """Open a home once for the process, beside others; a failure is not remembered."""
    ensure(Path(path))  # the service of the start went away if the browser came late
    ledger = Ledger.open(Path(path))
    place = Workplace(ledger, Projection(), Settler(lambda: load_target(ledger)))
    place.projection.follow(ledger)
    place.verify()
    return place


def workplace() -> Workplace:
    """The home this process serves; opened again when its service has gone.

    Raises:
        StoreError: no home, not ours, or busy.
        VerificationError: the log is not the one that was signed.
    """
    path = str(home().resolve())
    place = open_workplace(path)
    try:
        _ = place.ledger.head
    except StoreError:  # the service was stopped or killed; everything acknowledged stands
        open_workplace.clear()
        place = open_workplace(path)
    return place


def desk() -> Desk:
    """The reading side of the chosen scope, at the present head."""
    place = workplace()
    return Desk(place.ledger, chosen_scope(place), place.projection, actor())


def chosen_scope(place: Workplace) -> Scope:
    """The scope picked in the sidebar, else the one that holds most."""
    held = scopes(place.ledger)
    named = {scope_name(scope): scope for scope in held}
    return named.get(str(st.session_state.get(SCOPE_KEY, "")), held[0])


def scope_name(scope: Scope) -> str:
    """``tenant / agent``."""
    return f"{scope.tenant} / {scope.agent}"
