"""How a state looks, everywhere the same: word, icon, colour."""

from __future__ import annotations

from typing import Final

from dashboard.components.html import Colour, Html, badge

STATUS: Final[dict[str, tuple[str, str, Colour]]] = {
    "proposed": ("Proposed", "edit_note", "gray"),
    "verified": ("Verified", "rule", "gray"),
    "waiting": ("Waiting", "schedule", "orange"),
    "approved": ("Approved", "check", "green"),
    "active": ("In force", "check_circle", "green"),
    "superseded": ("Superseded", "history", "gray"),
    "expired": ("Expired", "timer_off", "gray"),
    "rejected": ("Rejected", "cancel", "red"),
    "quarantined": ("Quarantined", "shield", "violet"),
    "revoked": ("Revoked", "block", "red"),
    "erased": ("Erased", "ink_eraser", "gray"),
}
"""Entry status → word, icon, colour."""

ADAPTER: Final[dict[str, tuple[str, str, Colour]]] = {
    "trained": ("Trained", "model_training", "gray"),
    "certified": ("Certified", "verified", "blue"),
    "refused": ("Refused", "block", "red"),
    "active": ("Served", "check_circle", "green"),
    "withdrawn": ("Withdrawn", "history", "gray"),
}
VERDICT: Final[dict[str, tuple[str, str, Colour]]] = {
    "regressed": ("Regressed", "trending_down", "red"),
    "not learned": ("Not learned", "error", "orange"),
    "learned": ("Learned", "school", "green"),
    "kept": ("Kept", "drag_handle", "gray"),
    "wrong before": ("Wrong before", "remove", "gray"),
    "known": ("Known before", "done_all", "gray"),
}
RISK: Final[dict[str, tuple[str, str, Colour]]] = {
    "high": ("High", "priority_high", "red"),
    "medium": ("Medium", "warning", "orange"),
    "low": ("Low", "arrow_downward", "gray"),
}
OUTCOME: Final[dict[str, tuple[str, str, Colour]]] = {
    "pass": ("passed", "check", "green"),
    "fail": ("failed", "close", "red"),
    "error": ("did not run", "warning", "red"),
}
KIND: Final = {"fact": "Fact", "card": "Card", "case": "Case", "subtask": "Subtask", "tool": "Tool"}
CHECKS: Final = {
    "schema": "Well formed",
    "provenance": "Provenance",
    "grounding": "Grounded in its evidence",
    "sensitive": "No secret",
    "personal": "No personal data",
    "instruction": "Not an instruction",
    "duplicate": "Not a duplicate",
    "restatement": "Not a refused value reworded",
    "conflict": "No conflict",
    "tombstone": "Never refused before",
    "outcome": "Reward is not self-made",
}
"""Verifier → what passing it means."""

CHANNEL: Final = {"external": "text memory", "parametric": "weights"}


def status_badge(status: str, *, waiting: bool = False) -> Html:
    """The badge of an entry; waiting says more than verified."""
    word, symbol, colour = STATUS["waiting" if waiting and status == "verified" else status]
    return badge(word, symbol, colour)


def adapter_badge(status: str) -> Html:
    """The badge of a build."""
    return badge(*ADAPTER.get(status, (status, "help", "gray")))


def verdict_badge(verdict: str) -> Html:
    """The badge of a probe."""
    return badge(*VERDICT[verdict])


def risk_badge(band: str, risk_ppm: int) -> Html:
    """Risk as word and number."""
    word, symbol, colour = RISK[band]
    return badge(f"{word} risk {risk_ppm / 1_000_000:.2f}", symbol, colour)
