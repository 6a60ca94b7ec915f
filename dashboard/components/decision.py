"""The decision bar: approve by key, everything else with a reason chosen first.

Approving takes one key because its reason has a sensible default. Refusing and taking
back open a form in place: no dialog, so no shortcut can act behind one. Every button
carries the entry's version and content digest as they were when it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import streamlit as st

from dashboard import actions, session
from dashboard.components import people, result
from dashboard.components.html import Html, icon, joined, tag, text
from dashboard.queries.entries import EntryDetail
from governance.authority import Command
from governance.errors import PalimpsestError
from governance.revocation import RevocationPlan, plan_revocation

FOCUS: Final = "queue_entry"
_OPEN: Final = "decision_open"
_FORMS: Final[dict[str, tuple[str, str, str | None]]] = {
    "reject": ("Reject", "cancel", "X"),
    "revoke": ("Revoke", "block", "X"),
    "quarantine": ("Quarantine", "shield", "Q"),
}


@dataclass(frozen=True)
class Chosen:
    """What a button decides: bound to the entry as it was when the button was drawn."""

    detail: EntryDetail
    choice: Command
    reason_key: str
    comment_key: str
    listed: tuple[str, ...]
    plan: RevocationPlan | None = None


def bar(detail: EntryDetail, listed: Sequence[str]) -> None:
    """Buttons for what the status allows, the open form, and the last result."""
    item = detail.item
    opened = st.session_state.get(_OPEN)
    form = opened[1] if opened and opened[0] == item.entry_id else None
    with st.container(border=True, key="decision_bar"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if "approve" in detail.choices:
                _approve(detail, listed, active=form is None)
            rejects = "reject" in detail.choices
            for choice in ("reject", "quarantine", "revoke"):
                if choice in detail.choices:
                    # X is the plain "no": reject where that is possible, else revoke.
                    _opener(detail, choice, keyed=choice != "revoke" or not rejects)
            if not detail.choices:
                st.html(tag("span", "Nothing is left to decide here.", "pl-muted").code)
            st.space("stretch")
            people.claim(detail)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            people.row(detail, _undo)
            _steps(item.entry_id, listed)
        if form in detail.choices:
            _form(detail, cast("Command", form), listed)
    last_result(item.entry_id)


def _approve(detail: EntryDetail, listed: Sequence[str], *, active: bool) -> None:
    codes = actions.reasons("approve")
    key = f"approve_reason_{detail.item.entry_id}"
    st.selectbox(
        "Reason for approving",
        list(codes),
        key=key,
        width=158,
        label_visibility="collapsed",
        format_func=lambda code: code.replace("-", " "),
    )
    st.button(
        _label(detail),
        key="approve",
        icon=":material/check:",
        type="primary" if active else "secondary",
        shortcut="A" if active else None,
        disabled="approve" in detail.people.cannot,
        on_click=_decide,
        args=(Chosen(detail, "approve", key, "", tuple(listed)),),
    )


def _label(detail: EntryDetail) -> str:
    """Where two must agree, which of the two this approval would be."""
    so_far = len(detail.people.approved_by)
    return f"Approve ({so_far + 1} of 2)" if detail.people.needed > 1 else "Approve"


def _opener(detail: EntryDetail, choice: str, *, keyed: bool) -> None:
    word, symbol, key = _FORMS[choice]
    st.button(
        word, key=choice, icon=f":material/{symbol}:", shortcut=key if keyed else None,
        disabled=choice in detail.people.cannot,
        on_click=_toggle, args=(detail.item.entry_id, choice),
    )  # fmt: skip


def _toggle(entry_id: str, choice: str) -> None:
    now = (entry_id, choice)
    st.session_state[_OPEN] = None if st.session_state.get(_OPEN) == now else now
    result.forget(people.PAGE)


def _form(detail: EntryDetail, choice: Command, listed: Sequence[str]) -> None:
    item = detail.item
    word, symbol, _ = _FORMS[choice]
    codes = actions.reasons(choice)
    reason_key, comment_key = f"{choice}_reason_{item.entry_id}", f"{choice}_note_{item.entry_id}"
    plan = _plan(item.entry_id) if choice == "revoke" else None
    st.pills(
        f"Why {choice}?", list(codes), key=reason_key,
        format_func=lambda code: f"{code.replace('-', ' ')}",
        help="; ".join(f"**{code}**: {meaning}" for code, meaning in codes.items()),
    )  # fmt: skip
    needed = "required" if choice == "revoke" else "optional"
    st.text_input(
        f"Comment ({needed})", key=comment_key, max_chars=500,
        placeholder="What you saw; it stays in the record",
    )  # fmt: skip
    if plan is not None:
        st.html(_plan_words(plan).code)
    chosen = st.session_state.get(reason_key)
    missing = choice == "revoke" and not str(st.session_state.get(comment_key) or "").strip()
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"{word} now",
            key="confirm",
            icon=f":material/{symbol}:",
            type="primary",
            disabled=chosen is None or missing or (choice == "revoke" and plan is None),
            on_click=_decide,
            args=(Chosen(detail, choice, reason_key, comment_key, tuple(listed), plan),),
        )
        st.button("Cancel", key="cancel", on_click=_toggle, args=(item.entry_id, choice))


def _plan(entry_id: str) -> RevocationPlan | None:
    try:
        return plan_revocation(session.workplace().ledger, entry_id, reader=session.desk().scope)
    except PalimpsestError as error:
        refused = actions.Refused(str(error), error.hint, type(error).__name__)
        result.keep(people.PAGE, refused)
        return None


def _plan_words(plan: RevocationPlan) -> Html:
    derived = len(plan.entry_ids) - 1
    lines = [
        f"{derived} derived entries go with it." if derived else "Nothing was derived from it."
    ]
    lines += [
        f"Adapter {carrier.digest[:12]} of {carrier.shard_id} leaves service at once "
        "and is rebuilt without it."
        for carrier in plan.carriers
    ]
    if plan.recalls:
        lines.append(f"It stood in {len(plan.recalls)} prompts; those stay on record.")
    if plan.same_value:
        lines.append(f"The same value stays in force as {', '.join(plan.same_value)}.")
    return tag("div", joined(tag("div", icon("arrow_right") + text(line)) for line in lines),
               "pl-muted", "pl-small")  # fmt: skip


def _steps(entry_id: str, listed: Sequence[str]) -> None:
    place = list(listed).index(entry_id) if entry_id in listed else None
    before = listed[place - 1] if place else ""
    after = listed[place + 1] if place is not None and place + 1 < len(listed) else ""
    for word, key, symbol, goal in (
        ("Prev", "K", "arrow_upward", before),
        ("Next", "J", "arrow_downward", after),
    ):
        st.button(
            word,
            key=f"step_{word}",
            icon=f":material/{symbol}:",
            shortcut=key,
            type="tertiary",
            disabled=not goal,
            on_click=focus,
            args=(goal,),
        )


def focus(entry_id: str) -> None:
    """Show this entry on the right; the address follows, so it can be shared."""
    st.session_state[FOCUS] = entry_id
    st.session_state.pop(_OPEN, None)
    result.forget(people.PAGE)


def _decide(chosen: Chosen) -> None:
    """Callback: carry out the decision, then move on if it stands."""
    place, item = session.workplace(), chosen.detail.item
    reason = str(st.session_state.get(chosen.reason_key) or "")
    comment = st.session_state.get(chosen.comment_key) if chosen.comment_key else None
    who = session.actor()
    came_to: actions.Done | actions.Refused
    with place.lock:
        if chosen.choice == "revoke" and chosen.plan is not None:
            revoke = actions.Revoke(who, chosen.plan, reason, str(comment or ""))
            came_to = actions.take_back(place.ledger, place.settler, revoke)
        else:
            choice = cast("actions.Choice", chosen.choice)
            decide = actions.Decide(
                who,
                item.entry_id,
                choice,
                reason,
                str(comment or ""),
                item.version,
                item.content_digest,
                len(chosen.detail.people.approved_by),
            )
            came_to = actions.decide(place.ledger, place.settler, decide)
    if isinstance(came_to, actions.Done):
        focus(_next(item.entry_id, chosen.listed))
    result.keep(people.PAGE, came_to)


def _next(entry_id: str, listed: Sequence[str]) -> str:
    """The entry below in the list as it was, else the one above, else the same."""
    if entry_id not in listed:
        return entry_id
    place = list(listed).index(entry_id)
    after, before = listed[place + 1 : place + 2], listed[max(0, place - 1) : place]
    return next(iter([*after, *before]), entry_id)


def last_result(focused: str = "") -> None:
    """The last receipt or refusal, and for how long it can be undone; ``focused`` has its own."""
    shown = result.show(people.PAGE)
    if not isinstance(shown, actions.Done) or shown.undo in {"", focused}:
        return
    standing = people.can_undo(shown.undo)
    if standing is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if standing.acts_from_us is not None:
            people.countdown(shown.undo)
        people.undo(shown.undo, _undo, key="undo", shortcut="U")


def _undo(entry_id: str) -> None:
    """Callback: take the last decision back, and show the entry again."""
    place = session.workplace()
    with place.lock:
        done = actions.withdraw(place.ledger, actions.Withdraw(session.actor(), entry_id))
    if isinstance(done, actions.Done):
        focus(entry_id)
    result.keep(people.PAGE, done)
