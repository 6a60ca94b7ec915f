"""Overview: is learning healthy, and what needs a person?"""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.components import charts, frame, summary
from dashboard.components.html import text
from dashboard.queries.overview import overview


def show() -> None:
    """Draw the page."""
    desk = session.desk()
    place = session.workplace()
    frame.page_title("Overview", summary.integrity_line(place.verified, place.ledger.head))
    if not desk.rows():
        frame.nothing(
            "hourglass_empty", "Nothing was learned here yet",
            "`palimpsest run WORKSPACE --home HOME` takes an agent through its transcripts; "
            "what it learns appears here.",
        )  # fmt: skip
        return
    now = overview(desk)
    st.html(summary.figures(now).code)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.subheader("What needs you", anchor=False)
        _needs(now.needs)
        st.subheader("Entries", anchor=False)
        st.html(summary.entry_table(now.table).code)
    with right:
        st.subheader("Answers by memory", anchor=False)
        if now.run is None:
            frame.nothing(
                "quiz",
                "No questions were answered yet",
                "`palimpsest run` asks the workspace's questions under four arms.",
            )
        else:
            st.html(summary.run_line(now.run).code)
            st.altair_chart(charts.arms(now.run.arms), theme=None, alt="Mean F1 of each arm")
        st.subheader("Last decisions", anchor=False)
        st.html(summary.decisions(now.decisions).code)


def _needs(needs: tuple[summary.Need, ...]) -> None:
    if not needs:
        frame.nothing("task_alt", "Nothing waits for you", "No entry is in review, every shard "
                      "serves an adapter, and no document lost content.")  # fmt: skip
        return
    with st.container(key="needs"):
        for need in needs:
            symbol = summary.NEED_ICON[need.severity]
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                frame.link(need.page, need.title, symbol=symbol, entry_id=need.entry_id)
                st.html(summary.muted(text(need.detail)).code, width="content")
