"""Times as the viewer reads them: in their zone, labelled; UTC when it is unknown."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone() -> tzinfo:
    """The browser's zone."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def moment(at_us: int) -> datetime:
    """Microseconds since 1970 UTC as a time in the viewer's zone."""
    return datetime.fromtimestamp(at_us / 1e6, tz=zone())


def clock(at_us: int) -> str:
    """``10 Mar 09:06``; the year only when it is not this one."""
    at = moment(at_us)
    year = "" if at.year == datetime.now(tz=zone()).year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def hour(at_us: int) -> str:
    """``09:06``, for what lies minutes ahead."""
    return f"{moment(at_us):%H:%M}"


def exact(at_us: int) -> str:
    """``2026-03-10 09:06:12 CET``."""
    return f"{moment(at_us):%Y-%m-%d %H:%M:%S %Z}"


def ago(at_us: int) -> str:
    """``3 min ago``: one unit is enough."""
    seconds = max(0, datetime.now(tz=UTC).timestamp() - at_us / 1e6)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"
