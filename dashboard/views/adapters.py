"""Adapters: what each shard serves, what a build changed in weights and answers."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.components import builds, charts, frame
from dashboard.queries.adapters import (
    BuildDetail,
    build_detail,
    build_rows,
    difference,
    shard_rows,
    waiting_cards,
)
from dashboard.queries.desk import Desk
from dashboard.text import plain

SCROLL_ABOVE = 5


def show() -> None:
    """Draw the page."""
    desk = session.desk()
    frame.page_title("Adapters")
    builds.bring_in_line(waiting_cards(desk), desk.scope)
    rows = shard_rows(desk)
    if not rows:
        frame.nothing("tune", "No adapter was built yet",
                      "Approved cards are trained into the adapter of their shard; then their "
                      "certificate appears here.")  # fmt: skip
        return
    with st.container(horizontal=True, gap="small"):
        shard = st.selectbox("Shard", [row.shard_id for row in rows], key="shard", width=220,
                             format_func=plain, bind="query-params")  # fmt: skip
        made = build_rows(desk, str(shard))
        names = {build.label: build.digest for build in made}
        served = next((b.label for b in made if b.status == "active"), made[0].label)
        chosen = st.selectbox("Version", list(names), index=list(names).index(served),
                              key=f"version_{shard}", width=250)  # fmt: skip
        others = [name for name in names if name != chosen]
        against = st.selectbox("Compare with", ["Base model", *others], key=f"against_{shard}",
                               width=250)  # fmt: skip
    build = build_detail(desk, names[str(chosen)])
    other = build_detail(desk, names[against]) if against in names else None
    if build is not None:
        _build(desk, build, other)
    if len(rows) > 1:
        st.subheader("All shards", anchor=False)
        st.html(builds.shards(rows).code)


def _build(desk: Desk, build: BuildDetail, other: BuildDetail | None) -> None:
    st.html(builds.figures(build, other).code)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        st.subheader("Weight change per layer", anchor=False)
        certificates = desk.projection.certificates
        if not build.cells:
            frame.nothing("grid_off", "No certificate yet", "The build was not measured.")
        elif other is not None:
            cells = difference(certificates[other.row.digest], certificates[build.row.digest])
            st.altair_chart(charts.weights(cells, compared=True), theme=None)
        else:
            st.altair_chart(charts.weights(build.cells, compared=False), theme=None)
    with right:
        st.subheader("Probe answers before and after", anchor=False)
        with st.container(
            height=470 if len(build.probes) > SCROLL_ABOVE else "content", border=False
        ):
            st.html(builds.probes(build.probes).code)
    cards, origin = st.tabs(["Cards", "How it was built"])
    cards.html(builds.cards(build.cards).code)
    origin.html(builds.origin(build).code)
