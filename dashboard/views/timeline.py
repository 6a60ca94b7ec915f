"""Timeline and rollback: what happened when, and how to go back."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.components import charts, frame, history, requests
from dashboard.queries.desk import Desk
from dashboard.queries.requests import waiting
from dashboard.queries.timeline import buckets
from governance.errors import PalimpsestError
from governance.rollback import RollbackPlan, plan_rollback


def show() -> None:
    """Draw the page."""
    desk = session.desk()
    head = desk.ledger.head.seq
    frame.page_title("Timeline and rollback")
    if not desk.rows():
        frame.nothing(
            "history",
            "Nothing has happened yet",
            "Every change of the memory appears here, and any version can be restored.",
        )
        return
    target = history.target(head)
    at_us = desk.projection.at_us(target) if 0 < target < head else None
    st.altair_chart(charts.timeline(buckets(desk.rows()), at_us), theme=None,
                    alt="Events over time by family")  # fmt: skip
    asked = waiting(desk)
    if asked is not None:
        requests.notice(asked)
    back, answer, log = st.tabs(
        [history.BACK, requests.TAB, history.LOG], on_change="rerun", key=history.TABS,
        default=requests.TAB if asked else history.BACK,
    )  # fmt: skip
    if back.open:
        with back:
            _roll_back(desk, target)
    if answer.open:
        with answer:
            requests.page(desk, asked)
    if log.open:
        with log:
            history.events(desk, target)


def _roll_back(desk: Desk, target: int) -> None:
    left, right = st.columns([4, 9], gap="medium")
    plan = _plan(desk, target)
    with left:
        st.subheader("Roll back to", anchor=False)
        history.last_result()
        history.form(desk, plan)
    with right:
        st.subheader("What would change", anchor=False)
        if plan is None:
            return
        if target == desk.ledger.head.seq:
            frame.nothing(
                "history",
                "This is the present version",
                "Choose an earlier event number to see what going back would change.",
            )
        else:
            history.preview(desk, plan)


def _plan(desk: Desk, target: int) -> RollbackPlan | None:
    try:
        return plan_rollback(desk.ledger, target, scope=desk.scope)
    except PalimpsestError as error:
        frame.notice("block", f"{error}. {error.hint}")
        return None
