"""The last receipt or refusal of a page, kept until the next command and shown beside it."""

from __future__ import annotations

import streamlit as st

from dashboard.actions import Done, Refused
from dashboard.components.html import icon, prose, tag, text


def keep(page: str, result: Done | Refused) -> None:
    """Show this from the next rerun on."""
    st.session_state[_key(page)] = result


def forget(page: str) -> None:
    """Show nothing any more."""
    st.session_state.pop(_key(page), None)


def show(page: str) -> Done | Refused | None:
    """Draw what the last command of ``page`` came to, and return it."""
    result: Done | Refused | None = st.session_state.get(_key(page))
    if isinstance(result, Refused):
        line = icon("block") + tag("strong", text(" Not done: ") + prose(result.words))
        hint = text(" ") + tag("span", prose(result.hint), "pl-muted")
        st.html(tag("div", line + hint, "pl-red", "pl-result").code)
    elif isinstance(result, Done):
        st.html(tag("div", icon("check") + text(f" {_receipt(result)}"), "pl-green",
                    "pl-result").code)  # fmt: skip
    return result


def _receipt(done: Done) -> str:
    single = done.first_seq == done.last_seq
    number = f"{done.first_seq:,}" if single else f"{done.first_seq:,} to {done.last_seq:,}"
    words = f"{done.words}, {'event' if single else 'events'} {number}."
    if done.settling:
        words += " Its adapter is being built."
    if done.undone_from is not None:
        words += f" It can be undone: roll back to event {done.undone_from:,}."
    return words


def _key(page: str) -> str:
    return f"{page}_result"
