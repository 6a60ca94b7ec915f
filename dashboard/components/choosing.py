"""Which step of which relay is looked at: by selector, or by a click on the map."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.components import charts
from dashboard.queries import drift
from dashboard.queries.desk import Desk
from dashboard.text import plain

MAP: Final = "drift_map"
_DOCUMENT: Final = "document"
_STEP: Final = "step"
_SEEN: Final = "drift_seen"


def follow_click(picked: object, rows: tuple[drift.RelayRow, ...]) -> None:
    """A click on the map moves the two selectors; each click counts once."""
    chosen = getattr(picked, "selection", {}).get("step") or []
    if not chosen or st.session_state.get(_SEEN) == chosen[0]:
        return
    st.session_state[_SEEN] = dict(chosen[0])
    names = {charts.short_name(row.document): row.document for row in rows}
    document = names.get(str(chosen[0].get("document")))
    if document:
        st.session_state[_DOCUMENT] = document
        st.session_state[_STEP] = int(chosen[0]["k"])


def choose_step(
    desk: Desk, rows: tuple[drift.RelayRow, ...]
) -> tuple[str, list[drift.StepRow], int]:
    """Document and interaction; the selectors and the map move each other."""
    names = {row.document: row.relay_id for row in rows}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        document = st.selectbox(
            "Document", list(names), key=_DOCUMENT, format_func=plain, width=290
        )
        steps = list(drift.steps(desk, names[str(document)]))
        ks = [step.k for step in steps]
        if ks and st.session_state.get(_STEP) not in ks:
            st.session_state[_STEP] = ks[-1]
        k = st.segmented_control("Interaction (k)", ks, key=_STEP, required=bool(ks))
    return names[str(document)], steps, ks.index(int(k)) if k in ks else -1
