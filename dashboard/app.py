"""Router of the dashboard: pages, sidebar, and what is shown when a home cannot be.

palimpsest dashboard --home HOME
streamlit run dashboard/app.py -- --home HOME
"""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from dashboard import actions, session
from dashboard.components import frame
from dashboard.views import adapters, drift, overview, review, timeline
from governance.errors import PalimpsestError

ASSETS = Path(__file__).parent / "assets"
_LOG = logging.getLogger(__name__)


def pages(start: str = "overview") -> dict[str, list[st.Page]]:
    """All pages by section; ``start`` is the one at the root address."""
    made = {
        name: st.Page(show, title=title, icon=f":material/{icon}:", default=name == start,
                      url_path=None if name == start else name)
        for name, show, title, icon in (
            ("overview", overview.show, "Overview", "space_dashboard"),
            ("review", review.show, "Review queue", "rate_review"),
            ("timeline", timeline.show, "Timeline and rollback", "history"),
            ("adapters", adapters.show, "Adapters", "tune"),
            ("drift", drift.show, "Document drift", "trending_down"),
        )
    }  # fmt: skip
    frame.remember_pages(made)
    return {
        "Learning": [made["overview"], made["review"], made["timeline"]],
        "Measured": [made["adapters"], made["drift"]],
    }


def run(start: str = "overview") -> None:
    """Draw the page that the address names."""
    st.set_page_config(
        page_title="Palimpsest", page_icon=str(ASSETS / "icon.svg"), layout="wide",
        menu_items={"About": "Palimpsest: see, approve, measure and take back what agents learn."},
    )  # fmt: skip
    st.logo(frame.logo(ASSETS), size="large")
    st.html(ASSETS / "style.css")
    page = st.navigation(pages(start))
    try:
        place = session.workplace()
        actions.let_act(place.ledger)
        page.run()
        frame.sidebar(place)
    except PalimpsestError as error:
        frame.show_problem(error)
    except Exception as error:  # noqa: BLE001  # the one place for what nobody foresaw
        _LOG.exception("page %s failed", page.url_path)
        frame.show_failure(error)


if __name__ == "__main__":
    run()
