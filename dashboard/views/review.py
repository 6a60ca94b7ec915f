"""Review queue: what an agent wants to remember, beside its evidence, and the decision."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.components import decision, entry, frame, queue
from dashboard.queries.desk import Desk
from dashboard.queries.entries import EntryDetail, QueuePage, audit_trail, entry_detail, queue_page

PAGE_SIZE = 14


def show() -> None:
    """Draw the page."""
    desk = session.desk()
    frame.page_title("Review queue")
    chosen = queue.filters()
    page = queue_page(desk, chosen, page=int(st.session_state.get("queue_page") or 1),
                      size=PAGE_SIZE)  # fmt: skip
    detail = _focused(desk, page)
    left, right = st.columns([5, 9], gap="medium")
    with left:
        if page.items:
            queue.entries(page, detail.item.entry_id if detail else "")
        else:
            _empty(desk)
    with right:
        if detail is None:
            decision.last_result()
        else:
            _entry(desk, detail, [item.entry_id for item in page.items])


def _focused(desk: Desk, page: QueuePage) -> EntryDetail | None:
    """The entry of the address or of the last click; else the first of the list."""
    wanted = st.session_state.get(decision.FOCUS) or st.query_params.get("entry", "")
    detail = entry_detail(desk, wanted) if wanted else None
    if wanted and detail is None:
        frame.notice("link_off", "The link names an entry that this memory does not hold.")
    if detail is None and page.items:
        detail = entry_detail(desk, page.items[0].entry_id)
    if detail is not None:
        st.session_state[decision.FOCUS] = st.query_params["entry"] = detail.item.entry_id
    return detail


def _empty(desk: Desk) -> None:
    if not desk.entries():
        frame.nothing(
            "inbox",
            "Nothing was proposed yet",
            "What an agent wants to remember waits here until policy or you decide.",
        )
        return
    frame.nothing("inbox", "Nothing matches", "Every entry that waits was decided, or the "
                  "filters hide it.")  # fmt: skip
    st.button("Clear filters", icon=":material/filter_alt_off:", on_click=queue.clear_filters)


def _entry(desk: Desk, detail: EntryDetail, listed: list[str]) -> None:
    st.html(entry.heading(detail).code)
    st.html(entry.content(detail).code)
    decision.bar(detail, listed)
    st.html(entry.evidence(detail.evidence).code)
    checks, trail, use, link = st.tabs(
        ["Checks", "Audit trail", "Where it is used", "Link"], on_change="rerun", key="entry_tab"
    )
    if checks.open:
        checks.html(entry.checks(detail.checks).code)
    if trail.open:
        trail.html(entry.trail(audit_trail(desk, detail.item.entry_id)).code)
    if use.open:
        use.html(entry.use(detail).code)
    if link.open:
        link.code(f"/review?entry={detail.item.entry_id}", language=None)
