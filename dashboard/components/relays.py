"""Drift: figures, the step of a relay, its element changes and its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dashboard.components.entry import inline, summary_of
from dashboard.components.html import (
    Colour,
    Column,
    Html,
    Row,
    Tile,
    badge,
    box,
    icon,
    spaced,
    span,
    table,
    tag,
    text,
    tiles,
)
from dashboard.queries.drift import DriftSummary, Losses, StepRow
from dashboard.text import counted, plain
from governance.events import ElementChange
from governance.textdiff import word_diff

_OPERATION: Final[dict[str, tuple[str, str, Colour]]] = {
    "delete": ("Lost", "remove", "red"),
    "insert": ("Added", "add", "orange"),
    "substitute": ("Changed", "edit", "red"),
    "move": ("Moved", "swap_vert", "orange"),
    "duplicate": ("Doubled", "content_copy", "orange"),
    "format": ("Format only", "format_shapes", "gray"),
}


def figures(now: DriftSummary, alert_ppm: int) -> Html:
    """Mean at the last k, what was applied, what was critical, the worst document."""
    mean = "–" if now.mean_ppm is None else f"{now.mean_ppm / 10_000:.1f} %"
    below = now.mean_ppm is not None and now.mean_ppm < alert_ppm
    mark = (
        span(icon("warning") + text("below the alert line"), "pl-red")
        if below
        else text("above the alert line")
    )
    applied = "–" if now.applied_ppm is None else f"{now.applied_ppm / 10_000:.0f} %"
    worst = now.worst
    final = f"{worst.final_ppm / 10_000:.1f} %" if worst and worst.final_ppm is not None else "–"
    return tiles(
        [
            Tile(f"Mean RS@{now.k}", mean, counted(now.documents, "document"), (mark,)),
            Tile(
                "Worst document",
                final,
                "",
                (text(plain(worst.document, limit=34)) if worst else text("–"),),
            ),
            Tile(
                "Edits really applied", applied, "", (text("a step that does nothing is no pass"),)
            ),
            Tile(
                "Critical losses",
                str(now.critical),
                f"in {counted(now.critical_documents, 'document')}",
                (text(f"{counted(now.errors, 'error')} in steps"),),
            ),
        ]
    )


def step_line(step: StepRow) -> Html:
    """Instruction and result of one edit."""
    state = (
        badge("Applied", "check", "green") if step.applied else badge("Not applied", "close", "red")
    )
    score = "" if step.score_ppm is None else f"RS {step.score_ppm / 10_000:.1f} %"
    parts = [state, tag("strong", f"k = {step.k}"), text(step.direction), text(score)]
    if step.error:
        parts.append(span(step.error, "pl-red"))
    line = tag("div", spaced(parts), "pl-line")
    return line + tag("div", icon("chat") + text(f" {step.instruction}"), "pl-muted")


def lost(found: Losses | None, step: StepRow) -> Html:
    """What is different from the original by now."""
    if found is None:
        return tag("div", "The original is gone; nothing can be compared.", "pl-muted")
    if found.error:
        return tag("div", icon("error") + text(f" Not readable any more: {found.error}"), "pl-red")
    if not found.changes:
        return tag("div", icon("check") + text(" No element differs."), "pl-muted")
    facts = ", ".join(plain(fact) for fact in step.lost)
    gone = tag("div", icon("warning") + text(f" Facts lost: {facts}"), "pl-red")
    return changes(found.changes) + (gone if facts else Html(""))


def done(step: StepRow) -> Html:
    """What this step itself changed."""
    if step.changes:
        return changes(step.changes)
    words = " Nothing could be compared." if step.error else " This step changed no element."
    return tag("div", icon("remove") + text(words), "pl-muted")


def changes(found: Sequence[ElementChange]) -> Html:
    """Element by element: what happened, where, before and after."""
    columns = [
        Column("Change"),
        Column("Where"),
        Column("Before", wide=True),
        Column("After", wide=True),
    ]
    rows: list[Row] = [
        [
            _operation(change.operation),
            plain(change.location, limit=60),
            plain(change.before or "–", limit=160),
            plain(change.after or "–", limit=160),
        ]
        for change in found
    ]
    return table(columns, rows, height="17rem")


def _operation(name: str) -> Html:
    word, symbol, colour = _OPERATION[name]
    return badge(word, symbol, colour)


def difference(before: str, after: str, title: str) -> Html:
    """The document with what went struck out and what came underlined."""
    diff = word_diff(before, after)
    return box(
        tag("strong", title) + span(summary_of(diff), "pl-muted"), inline(diff), "pl-document"
    )


def explain(documents: Sequence[str]) -> Html:
    """How to read the page."""
    return text(
        f"Reconstruction score after k interactions (RS@k); a round trip is two. "
        f"{counted(len(documents), 'document')}, mean in bold."
    )
