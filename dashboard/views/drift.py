"""Document drift: what round trips of edits lose, and where."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.components import charts, choosing, frame, relays
from dashboard.queries import drift
from dashboard.queries.desk import Desk
from dashboard.queries.overview import DRIFT_ALERT_PPM


def show() -> None:
    """Draw the page."""
    desk = session.desk()
    rows = drift.relay_rows(desk)
    frame.page_title("Document drift", relays.explain([row.document for row in rows]))
    if not rows:
        frame.nothing("trending_down", "No relay was run yet",
                      "`palimpsest run` edits documents back and forth and compares each version "
                      "with the original.")  # fmt: skip
        return
    editors = drift.editors(desk)
    if len(editors) > 1:
        editor = st.segmented_control("Editor", editors, default=editors[0], required=True)
        rows = drift.relay_rows(desk, editor=str(editor))
    points = drift.points(desk, rows)
    st.html(relays.figures(drift.summary(desk, rows), DRIFT_ALERT_PPM).code)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.subheader("RS@k by document", anchor=False)
        st.altair_chart(charts.retention(points, DRIFT_ALERT_PPM / 1e6), theme=None)
    with right:
        st.subheader("Document by interaction", anchor=False)
        picked = st.altair_chart(
            charts.losses(points, [row.document for row in rows]), theme=None, key=choosing.MAP,
            on_select="rerun", selection_mode="step",
        )  # fmt: skip
        st.html('<div class="pl-muted pl-small">Worst on top. Click a cell to see the step.</div>')
        choosing.follow_click(picked, rows)
        relay_id, steps, index = choosing.choose_step(desk, rows)
        if steps:
            st.html(relays.step_line(steps[index]).code)
    if steps:
        _step(desk, relay_id, steps, index)


def _step(desk: Desk, relay_id: str, steps: list[drift.StepRow], index: int) -> None:
    step = steps[index]
    original = drift.original_text(desk, relay_id) or ""
    before = steps[index - 1].text if index else original
    whole, own = st.tabs(["Against the original", "What this step did"])
    whole.html(relays.lost(drift.losses(desk, relay_id, step.text), step).code)
    whole.html(relays.difference(original, step.text, "Text against the original").code)
    own.html(relays.done(step).code)
    own.html(relays.difference(before, step.text, "Text against the step before").code)
