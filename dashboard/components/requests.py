"""A rollback that takes two people: the request, its answer, and what became of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard import actions, session
from dashboard.components import frame, history, result, when
from dashboard.components.html import (
    Colour,
    Column,
    Html,
    Row,
    badge,
    fields,
    icon,
    span,
    table,
    tag,
    text,
)
from dashboard.queries.desk import Desk
from dashboard.queries.requests import Asked, Waiting
from dashboard.queries.requests import requests as all_requests
from dashboard.queries.timeline import event_line
from dashboard.text import plain

TAB: Final = "Requests"
_STATUS: Final[dict[str, tuple[str, str, Colour]]] = {
    "requested": ("Waiting", "schedule", "orange"),
    "applied": ("Carried out", "check", "green"),
    "declined": ("Declined", "cancel", "red"),
    "lapsed": ("Lapsed", "history", "gray"),
}


def notice(waiting: Waiting) -> None:
    """Above the tabs: somebody is waited for."""
    asked = waiting.asked
    who = "You asked" if waiting.own else f"{asked.asked_by} asked"
    words = (
        f" {who} {when.ago(asked.asked_at_us)} to go back to event {asked.to_seq:,}. "
        f"It waits for a second person, under {TAB}."
    )
    st.html(tag("div", icon("group") + text(words), "pl-orange").code)


def page(desk: Desk, asked: Waiting | None) -> None:
    """The tab: the request that waits beside its preview, then every request there was."""
    if asked is not None:
        left, right = st.columns([4, 9], gap="medium")
        with left:
            history.last_result()
            _card(desk, asked)
        with right:
            st.subheader("What would change", anchor=False)
            if asked.plan is not None:
                history.preview(desk, asked.plan)
    else:
        history.last_result()
    earlier = all_requests(desk)
    if earlier:
        st.subheader("All requests", anchor=False)
        st.html(_earlier(earlier).code)
    else:
        two = desk.state.terms.rollback_people > 1
        now = "asks for two people" if two else "lets one person roll back alone"
        frame.nothing("group", "No rollback was asked for", f"The policy in force {now}. Requests "
                      "and their answers appear here.")  # fmt: skip


def _card(desk: Desk, waiting: Waiting) -> None:
    """Who asked, when and why; the two answers; the last result."""
    asked = waiting.asked
    st.subheader("Waits for a second person", anchor=False)
    st.html(fields(_facts(desk, waiting)).code)
    for why in dict.fromkeys(filter(None, (waiting.cannot_accept, waiting.cannot_decline))):
        st.html(tag("div", icon("lock") + text(f" {why}"), "pl-orange").code)
    if not waiting.cannot_decline:
        _answers(asked, waiting)
    if not waiting.as_asked:
        st.button("Ask again", icon=":material/refresh:", key="ask_again", on_click=_ask_again,
                  args=(asked.to_seq,))  # fmt: skip


def _facts(desk: Desk, waiting: Waiting) -> list[tuple[str, Html | str]]:
    asked = waiting.asked
    line = event_line(desk, asked.to_seq)
    at = f"{when.exact(line.at_us)} · {line.type}" if line else "before everything"
    able = ", ".join(waiting.acceptors) or "any other person"
    said: list[tuple[str, Html | str]] = [("Comment", asked.comment)] if asked.comment else []
    return [
        ("Asked by", f"{asked.asked_by}, {when.clock(asked.asked_at_us)}"),
        ("Back to", text(f"event {asked.to_seq:,}") + tag("div", plain(at), "pl-muted")),
        ("Reason", asked.reason_code.replace("-", " ")),
        *said,
        ("May accept", able),
    ]


def _answers(asked: Asked, waiting: Waiting) -> None:
    st.text_input(
        "Comment", key="answer_comment", max_chars=500,
        placeholder="Optional" if waiting.own else "What you looked at; needed to decline",
    )  # fmt: skip
    typed = ""
    if not waiting.cannot_accept:
        typed = st.text_input(f"Type {asked.to_seq} to accept", key="answer_typed")
    said = str(st.session_state.get("answer_comment") or "").strip()
    with st.container(horizontal=True, gap="small"):
        if not waiting.own:
            st.button(
                "Accept and roll back", key="accept", icon=":material/undo:", type="primary",
                disabled=bool(waiting.cannot_accept) or typed.strip() != str(asked.to_seq),
                on_click=_answer, args=(asked.rollback_id,), kwargs={"accept": True},
            )  # fmt: skip
        st.button(
            "Take back" if waiting.own else "Decline", key="decline", icon=":material/cancel:",
            disabled=not waiting.own and not said,
            on_click=_answer, args=(asked.rollback_id,), kwargs={"accept": False},
        )  # fmt: skip


def _answer(rollback_id: str, *, accept: bool) -> None:
    """Callback: carry the answer out."""
    place = session.workplace()
    command = actions.AnswerRollBack(
        session.actor(), rollback_id, accept, str(st.session_state.get("answer_comment") or ""),
        str(st.session_state.get("answer_typed") or ""),
    )  # fmt: skip
    with place.lock:
        came_to = actions.answer(place.ledger, place.settler, command)
    if isinstance(came_to, actions.Done):
        st.session_state["answer_comment"] = st.session_state["answer_typed"] = ""
    st.session_state[history.TABS] = TAB  # also when nothing waits any more
    result.keep(history.PAGE, came_to)


def _ask_again(to_seq: int) -> None:
    """Callback: the form, with the same version."""
    st.session_state[history.TARGET] = to_seq
    st.session_state[history.TABS] = history.BACK


def _earlier(asked: Sequence[Asked]) -> Html:
    """Every request with its answer and the events that are its receipt."""
    columns = [Column("Asked"), Column("By"), Column("Back to", "right"), Column("Why", wide=True),
               Column("Outcome"), Column("Answered by"), Column("Events", "right")]  # fmt: skip
    return table(columns, [_line(one) for one in asked])


def _line(one: Asked) -> Row:
    answer = tag("div", plain(f"Answer: {one.answer}"), "pl-muted") if one.answer else Html("")
    comment = f": {one.comment}" if one.comment else ""
    events = f"{one.first_seq:,} to {one.last_seq:,}" if one.last_seq > one.first_seq else ""
    return [
        span(when.clock(one.asked_at_us), "pl-nowrap"),
        plain(one.asked_by, limit=34),
        f"{one.to_seq:,}",
        text(plain(one.reason_code.replace("-", " ") + comment)) + answer,
        badge(*_STATUS[one.status]),
        plain(one.answered_by, limit=34) or "–",
        events or (f"{one.first_seq:,}" if one.first_seq else f"{one.asked_seq:,}"),
    ]
