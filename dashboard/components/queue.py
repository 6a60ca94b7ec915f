"""The left pane of the queue: filters that live in the address, and the list."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.components import states, when
from dashboard.components.decision import focus
from dashboard.components.html import Html, tag, text
from dashboard.queries.entries import Filters, QueueItem, QueuePage
from dashboard.text import label

STATUSES: Final = {
    "Waiting": "waiting", "Quarantined": "quarantined", "In force": "active",
    "Approved": "approved", "Rejected": "rejected", "Revoked": "revoked", "All": "",
}  # fmt: skip
CHANNELS: Final = {"Any channel": "", "Text memory": "external", "Weights": "parametric"}
CHECKED: Final = {"Any check": "", "All passed": "passed", "Something failed": "failed",
                  "Not checked": "not checked"}  # fmt: skip
KINDS: Final = {word: kind for kind, word in states.KIND.items()}
_DOT: Final = {"high": ":red[:material/priority_high:]", "medium": ":orange[:material/warning:]",
               "low": ":gray[:material/remove:]"}  # fmt: skip


def filters() -> Filters:
    """One row: search, status, kind; rare ones in a popover. All bound to the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        find = st.text_input(
            "Find", key="find", placeholder="Text or entry id", label_visibility="collapsed",
            icon=":material/search:", width=210, bind="query-params",
        )  # fmt: skip
        status = st.segmented_control(
            "Status", list(STATUSES), default="Waiting", required=True, key="status",
            label_visibility="collapsed", bind="query-params",
        )  # fmt: skip
        kinds = st.pills(
            "Kind", list(KINDS), selection_mode="multi", key="kind", label_visibility="collapsed",
            bind="query-params",
        )  # fmt: skip
        with st.popover("More", icon=":material/tune:"):
            channel = st.radio("Channel", list(CHANNELS), key="channel", bind="query-params")
            check = st.radio("Checks", list(CHECKED), key="check", bind="query-params")
    return Filters(
        status=STATUSES.get(status or "Waiting", "waiting"),
        kinds=tuple(KINDS[word] for word in kinds or ()),
        channel=CHANNELS.get(channel or "", ""),
        check=CHECKED.get(check or "", ""),
        text=find or "",
    )


def clear_filters() -> None:
    """Callback: back to everything that waits. Popping a bound key would not clear it."""
    st.session_state["find"] = ""
    st.session_state["status"] = "Waiting"
    st.session_state["kind"] = []
    st.session_state["channel"] = "Any channel"
    st.session_state["check"] = "Any check"


def entries(page: QueuePage, focused: str) -> None:
    """The list: riskiest first, one button an entry, the focused one marked."""
    st.html(tag("div", _count(page), "pl-muted", "pl-small").code)
    with st.container(key="queue_list"):
        for item in page.items:
            if item.entry_id == focused:
                with st.container(key="queue_focus"):
                    _row(item)
            else:
                _row(item)
    if page.pages > 1:
        st.pagination(page.pages, key="queue_page", bind="query-params")


def _row(item: QueueItem) -> None:
    failed = ", ".join(item.failed)
    facts = f":orange[{label(failed, limit=24)}]" if failed else states.KIND[item.kind].lower()
    note = f":blue[{label(item.note, limit=24)}] · " if item.note else ""
    st.button(
        f"{_DOT[item.band]} **{label(item.title, limit=60)}** :gray[:small[{note}{facts} · "
        f"{item.risk_ppm / 1e6:.2f}]]",
        key=f"row_{item.entry_id}", type="tertiary", width="stretch",
        on_click=focus, args=(item.entry_id,),
    )  # fmt: skip


def _count(page: QueuePage) -> Html:
    oldest = f" · oldest {when.ago(page.oldest_at_us)}" if page.oldest_at_us else ""
    return text(f"{page.total:,} match · {page.high:,} at high risk{oldest}")
