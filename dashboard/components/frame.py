"""What surrounds every page: sidebar, designed error states, links between pages."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from dashboard import session
from dashboard.components import when
from dashboard.components.html import Html, empty, icon, joined, problem, prose, tag, text
from dashboard.queries import scopes
from dashboard.text import label, plain
from governance.errors import PalimpsestError, StoreBusyError, StoreError, VerificationError
from governance.ledger import verify_home

_PAGES = "pages"
_FINDINGS = 5


def remember_pages(pages: dict[str, st.Page]) -> None:
    """Keep the page objects, so that views can link to each other by name."""
    st.session_state[_PAGES] = pages


def link(page: str, words: str, *, symbol: str = "", entry_id: str | None = None) -> None:
    """A link to another page; ``words`` may be memory text."""
    st.page_link(
        st.session_state[_PAGES][page],
        label=label(words),
        icon=f":material/{symbol}:" if symbol else None,
        query_params={"entry": entry_id} if entry_id else None,
    )


def dark() -> bool:
    """True when the viewer's theme is dark."""
    return st.context.theme.type == "dark"


def logo(assets: Path) -> str:
    """The wordmark for the theme in use, outlined: image files cannot use page fonts."""
    return str(assets / ("logo_dark.svg" if dark() else "logo.svg"))


def sidebar(place: session.Workplace) -> None:
    """Scope, who is looking, and whether the record still proves itself."""
    with st.sidebar:
        names = [session.scope_name(scope) for scope in scopes(place.ledger)]
        if len(names) > 1:
            st.selectbox("Memory of", names, key=session.SCOPE_KEY, format_func=plain)
        lines = [] if len(names) > 1 else [icon("group_work") + text(f" {names[0]}")]
        lines.append(icon("account_circle") + text(f" {session.actor().id}"))
        lines.append(_integrity(place))
        st.html(tag("div", joined(tag("div", line) for line in lines), "pl-foot").code)
        if st.button("Verify again", icon=":material/verified_user:", type="tertiary"):
            place.verify()
            st.rerun()
        _settling(place)


def _integrity(place: session.Workplace) -> Html:
    checked, head = place.verified, place.ledger.head
    if checked is None:
        return icon("help") + text(" Not verified yet")
    if checked.problems:
        return tag("span", icon("gpp_bad") + text(" Verification failed"), "pl-red", "pl-strong")
    behind = head.seq - checked.seq
    newer = f", {behind} newer" if behind else ""
    return icon("verified_user") + text(f" Verified to event {checked.seq:,}{newer}")


def _settling(place: session.Workplace) -> None:
    """What the worker does after a decision; redrawn each second while it works."""
    if place.settler.progress.running:
        _watch(place)
        return
    _settled(place)


@st.fragment(run_every=1.0)
def _watch(place: session.Workplace) -> None:
    progress = place.settler.progress
    if not progress.running:
        st.rerun()
    seconds = int(time.time() - progress.started_at_s)
    st.status(label(progress.line or "Bringing the memory in line…"), state="running")
    st.html(tag("div", f"{seconds} s; decisions are already in force", "pl-foot").code)


def _settled(place: session.Workplace) -> None:
    progress = place.settler.progress
    if progress.problem:
        st.html(tag("div", icon("error") + text(f" {progress.problem}"), "pl-small", "pl-red").code)
        st.html(tag("div", progress.hint, "pl-foot").code)
    elif progress.finished_at_s:
        count = len(progress.settled)
        at = when.clock(int(progress.finished_at_s * 1e6))
        line = icon("check") + text(f" Memory in line at {at} ({count} shards)")
        st.html(tag("div", line, "pl-foot").code)


def page_title(title: str, note: Html | None = None) -> None:
    """Heading of a page and one line under it."""
    st.title(title, anchor=False)
    if note is not None:
        st.html(tag("div", note, "pl-muted", "pl-line").code)


def nothing(symbol: str, title: str, *lines: str) -> None:
    """An empty state."""
    st.html(empty(symbol, title, *lines).code)


def notice(symbol: str, words: str) -> None:
    """One line that explains something unexpected."""
    st.html(tag("div", icon(symbol) + text(f" {words}"), "pl-orange", "pl-small").code)


def show_problem(error: PalimpsestError) -> None:
    """A known problem: what it is, what it means, what to do."""
    titles: tuple[tuple[type[PalimpsestError], str], ...] = (
        (StoreBusyError, "Another process is using this home"),
        (VerificationError, "This record does not prove itself"),
        (StoreError, "There is no home to show"),
    )
    title = next(
        (words for kind, words in titles if isinstance(error, kind)), "This cannot be shown"
    )
    st.html(problem(title, str(error), error.hint).code)
    if isinstance(error, VerificationError):
        _findings()
    if st.button("Try again", icon=":material/refresh:"):
        st.rerun()


def show_failure(error: Exception) -> None:
    """Something nobody foresaw: its kind only, since its text may hold memory."""
    words = f"The page stopped with {type(error).__name__}. Nothing was decided by that."
    st.html(problem("Something went wrong", words, "The server's log has the details.").code)


def _findings() -> None:
    """What the independent checker says about a home that does not open."""
    st.html(tag("p", "Nothing is decided on a record that was altered: pages stay closed until "
                     "it is restored. The checker finds:", "pl-muted").code)  # fmt: skip
    try:
        problems = verify_home(session.home()).problems
    except PalimpsestError as error:
        problems = [str(error)]
    lines = [tag("li", found) for found in problems[:_FINDINGS]]
    if len(problems) > _FINDINGS:
        lines.append(tag("li", prose(f"and {len(problems) - _FINDINGS} more: `palimpsest verify`")))
    st.html(tag("ul", joined(lines)).code)
