"""How a run looks on a terminal: progress bars while it works, tables when it is done.

Memory text is data here, too: everything that came from a source is printed as plain text,
never as markup.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from agent.answering import Answered
from agent.summary import Summary
from agent.workspace import Workspace

_NOTE_WIDTH = 60
_ADAPTER_ROWS = 12
_ARM_NAMES = {
    "none": "no memory",
    "external": "external",
    "parametric": "parametric",
    "both": "both",
}


class RunConsole:
    """Progress on standard error, results on standard output. A context manager."""

    def __init__(self, *, quiet: bool) -> None:
        self._errors = Console(stderr=True, highlight=False)
        self._out = Console(highlight=False)
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("[bold]{task.description:<8}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._errors,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    # --- Observer ----------------------------------------------------------------------

    def stage(self, name: str, total: int) -> None:
        """See ``agent.run.Observer``."""
        self._finish()
        self._name = name
        self._task = self._progress.add_task(name, total=total, note="")
        if not self._quiet and self._progress.disable:
            self._errors.print(f"{name}: {total} step(s)", markup=False)

    def step(self, note: str = "") -> None:
        """See ``agent.run.Observer``."""
        if self._task is not None:
            self._progress.update(self._task, advance=1, note=_shortened(note))

    def note(self, text: str) -> None:
        """See ``agent.run.Observer``."""
        if self._task is not None:
            self._progress.update(self._task, note=_shortened(text))

    def _finish(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, note="")

    # --- results -----------------------------------------------------------------------

    def problems(self, workspace: Workspace) -> None:
        """What of the workspace was left out, on standard error, also when quiet."""
        for problem in workspace.problems:
            self._errors.print(f"left out: {problem}", markup=False, style="yellow")

    def summary(self, summary: Summary, home: Path) -> None:
        """The run's results as tables."""
        self._finish()
        for table in (_memory(summary), _adapters(summary), _arms(summary), _relays(summary)):
            if table.row_count:
                self._out.print(table)
        verified = "[green]verified[/green]" if summary.verified else "[red]NOT VERIFIED[/red]"
        self._out.print(
            f"Ledger {verified}: {summary.head} events, root {summary.root[:16]}…  "
            f"model {escape(summary.model_id)} {summary.model_digest[:12]}  "
            f"{summary.seconds:.0f} s"
        )
        if summary.in_review:
            self._out.print(
                f"{summary.in_review} entries wait for a person: "
                f"palimpsest review list --home {escape(str(home))}"
            )


def show_answer(answered: Answered) -> None:
    """One answer, with what was put before the model for it."""
    console = Console(highlight=False)
    console.print(answered.answer, style="bold", markup=False)
    recalled = answered.recalled
    for text in answered.notes:
        console.print(f"  recalled  {text}", markup=False)
    if recalled.adapter_digest:
        score = (recalled.router_score_ppm or 0) / 1_000_000
        console.print(
            f"  adapter   {recalled.adapter_digest[:12]} of {recalled.shard_id} "
            f"(router {score:.2f})",
            markup=False,
        )
    if not recalled.entries and not recalled.adapter_digest:
        console.print("  nothing was recalled", style="dim")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _NOTE_WIDTH else f"{line[: _NOTE_WIDTH - 1]}…"


def _memory(summary: Summary) -> Table:
    table = Table(title="Memory", title_justify="left", title_style="bold")
    table.add_column("Entries by status")
    table.add_column("Entries by kind")
    table.add_row(
        "\n".join(f"{count:>4} {status}" for status, count in summary.by_status.items()),
        "\n".join(f"{count:>4} {kind}" for kind, count in summary.by_kind.items()),
    )
    return table


def _adapters(summary: Summary) -> Table:
    table = Table(title="Adapters served", title_justify="left", title_style="bold")
    for name in ("Shard", "Version", "Cards absorbed", "Digest"):
        table.add_column(name)
    for one in summary.adapters[:_ADAPTER_ROWS]:
        absorbed = f"{one['certified_cards']} of {one['cards']}"
        table.add_row(str(one["shard"]), str(one["version"]), absorbed, str(one["digest"])[:12])
    hidden = len(summary.adapters) - _ADAPTER_ROWS
    if hidden > 0:
        table.add_row(f"and {hidden} more", "", "", "")
    return table


def _arms(summary: Summary) -> Table:
    table = Table(title="Answers, context cleared", title_justify="left", title_style="bold")
    table.add_column("Memory")
    for name in ("n", "Exact match", "95 % interval", "Token F1", "95 % interval"):
        table.add_column(name, justify="right")
    for arm, score in summary.arms.items():
        table.add_row(
            _ARM_NAMES[arm],
            str(score.n),
            f"{score.em:.2f}",
            f"{score.ci[0]:.2f} – {score.ci[1]:.2f}",
            f"{score.f1:.2f}",
            f"{score.f1_ci[0]:.2f} – {score.f1_ci[1]:.2f}",
        )
    return table


def _relays(summary: Summary) -> Table:
    table = Table(
        title="Documents after edits there and back", title_justify="left", title_style="bold"
    )
    steps = sorted({k for one in summary.relay for k in one.rs})
    table.add_column("Document")
    for k in steps:
        table.add_column(f"RS@{k}", justify="right")
    for name in ("Applied", "Critical", "Errors"):
        table.add_column(name, justify="right")
    for one in summary.relay:
        scores = [f"{one.rs[k]:.3f}" if k in one.rs else "" for k in steps]
        table.add_row(
            escape(PurePosixPath(one.document).name),
            *scores,
            f"{one.applied:.0%}",
            str(one.critical),
            str(one.errors),
        )
    return table
