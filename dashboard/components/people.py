"""Who else has to do with an entry: approvals so far, claims, and time for second thoughts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import streamlit as st

from dashboard import actions, session
from dashboard.components import result
from dashboard.components.html import Html, icon, joined, tag, text
from dashboard.queries.entries import EntryDetail
from dashboard.queries.people import People, people_of

PAGE: Final = "decision"
_US: Final = 1_000_000
TakeBack: TypeAlias = Callable[[str], None]


def row(detail: EntryDetail, take_back: TakeBack) -> None:
    """Under the decisions: what else it takes, what is closed to the viewer, and undo."""
    people = detail.people
    waits = detail.item.status in {"verified", "quarantined"}
    if people.acts_from_us is not None:
        countdown(detail.item.entry_id)
    lines = joined(tag("div", line) for line in _words(people, waits=waits))
    st.html(tag("div", lines).code, width="stretch")
    if people.can_undo:
        undo(detail.item.entry_id, take_back, key="undo_here")


def _words(people: People, *, waits: bool) -> list[Html]:
    lines = []
    if waits and people.needed > 1 and not people.approved_by:
        lines.append(icon("group") + text(" Takes two approvals, by two reviewers."))
    if people.approved_by and "approve" not in people.cannot:
        words = f" {' and '.join(people.approved_by)} approved it; with yours it is approved."
        lines.append(icon("group") + text(words))
    if waits and people.assignee:
        lines.append(icon("person") + text(f" Meant for {people.assignee}."))
    if people.unsigned:
        words = f" Approved by {people.decided_by}; it acts once signed: palimpsest signer sign."
        lines.append(icon("signature") + text(words))
    if waits:
        lines += [
            tag("span", icon("lock") + text(f" {why}"), "pl-orange")
            for why in dict.fromkeys(people.cannot.values())
        ]
    return lines


@st.fragment(run_every=1.0)
def countdown(entry_id: str) -> None:
    """Seconds until an approval acts; draws the page anew when it does."""
    place = session.workplace()
    with place.lock:
        actions.let_act(place.ledger)
    entry = place.ledger.state.entries[entry_id]
    if entry.status != "approved" or entry.acts_from_us is None:
        st.rerun()
    left = -((place.ledger.now_us() - entry.acts_from_us) // _US)
    words = f" Acts in {left} s" if left > 0 else " Acts from now on"
    st.html(tag("div", icon("timer") + text(words), "pl-green", "pl-num").code, width="content")


def can_undo(entry_id: str) -> People | None:
    """How people stand to an entry that the viewer may still take a decision on back."""
    desk = session.desk()
    people = people_of(desk, desk.state.entries[entry_id])
    return people if people.can_undo else None


def undo(entry_id: str, take_back: TakeBack, *, key: str, shortcut: str | None = None) -> None:
    """The button that takes the viewer's last decision back."""
    st.button(
        "Undo", key=key, icon=":material/undo:", type="tertiary", shortcut=shortcut,
        on_click=take_back, args=(entry_id,),
    )  # fmt: skip


def claim(detail: EntryDetail) -> None:
    """Keep the entry to oneself, or let it go, where that is open to the viewer."""
    waits = detail.item.status in {"verified", "quarantined"}
    mine = detail.people.claim_is_viewers
    if not waits or "claim" in detail.people.cannot:
        return
    command = actions.Claim(session.actor(), detail.item.entry_id, release=mine)
    st.button(
        "Release" if mine else "Claim", key="release" if mine else "claim", type="tertiary",
        icon=f":material/{'lock_open' if mine else 'lock'}:", on_click=_hold, args=(command,),
    )  # fmt: skip


def _hold(command: actions.Claim) -> None:
    place = session.workplace()
    with place.lock:
        result.keep(PAGE, actions.claim(place.ledger, command))
