"""``state``, ``diff --versions`` and ``rebuild``: the memory as it stood, and made again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    ScopeOption,
    open_ledger,
    parse_scope,
    print_json,
)
from governance.errors import ChainError, LedgerError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from governance.commands.options import Json
    from governance.events import Scope
    from governance.history import EntryChanged, VersionDiff
    from governance.state import State

app = typer.Typer()


@app.command()
def state(
    *,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", min=0, help="Version: the number of an event. Default: now.",
            show_default=False,
        ),
    ] = None,
    scope: ScopeOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """The memory as it stood right after an event: entries, counts, adapters served."""
    with open_ledger(home) as ledger:
        found = ledger.state if at is None else ledger.state_at(at)
        reader = parse_scope(scope)
        if as_json:
            print_json(_state_data(found, reader))
        else:
            _print_state(found, reader)


@app.command()
def rebuild(*, home: HomeOption = DEFAULT_HOME) -> None:
    """Drop everything that can be made from the events, make it again, and compare.

    Exit code 3 when it was not what the events say; it is right afterwards. Works on a home
    that is refused because its projections were changed.
    """
    from governance.events import PAYLOADS  # noqa: PLC0415  # keeps `--help` instant
    from governance.ledger import Ledger, OwnedLog  # noqa: PLC0415

    with Ledger.open(home, doing="palimpsest rebuild", distrust=True) as ledger:
        log, head = ledger.log, ledger.head.seq
        if isinstance(log, OwnedLog):
            before = log.replaced  # opening without trust has made them again
            after = log.projected()
        else:
            before = list(log.mentions(1, head, types=PAYLOADS))
            ledger.rebuild_projections()
            after = list(log.mentions(1, head, types=PAYLOADS))
    missing, extra = Counter(after) - Counter(before), Counter(before) - Counter(after)
    if missing or extra:
        raise ChainError(
            f"the projections were not what the events say: {missing.total()} missing, "
            f"{extra.total()} too many",
            hint="they are right now; somebody changed the database, or it is a defect",
        )
    typer.echo(f"rebuilt: {len(after)} projections from {head} events, equal to what was there")


def diff_versions(home: Path, first: str, second: str, scope: str | None, *, as_json: bool) -> None:
    """What ``diff --versions FIRST SECOND`` prints.

    Raises:
        LedgerError: not two versions of this ledger, the earlier one first.
    """
    from governance.history import diff_states  # noqa: PLC0415

    with open_ledger(home) as ledger:
        before, after = (ledger.state_at(_version(text)) for text in (first, second))
        found = diff_states(before, after, parse_scope(scope))
        if as_json:
            print_json(_diff_data(found))
        else:
            _print_diff(found)


def _version(text: str) -> int:
    if not text.isdecimal():
        raise LedgerError(
            f"{text!r} is not a version",
            hint="a version is the number of an event; 0 is before all",
        )
    return int(text)


# --- data -------------------------------------------------------------------------------


def _state_data(found: State, reader: Scope | None) -> dict[str, Json]:
    from governance.commands.describe import entry_data  # noqa: PLC0415
    from governance.history import census  # noqa: PLC0415

    entries = [e for e in found.entries.values() if reader is None or reader.sees(e.scope)]
    shards = [s for s in found.shards.values() if reader is None or reader.sees(s.scope)]
    return {
        "version": found.seq,
        "frozen": found.frozen,
        "active_policy": found.active_policy,
        "counts": {
            str(scope): {str(status): count for status, count in sorted(counts.items())}
            for scope, counts in census(found, reader).items()
        },
        "entries": [entry_data(entry) for entry in entries],
        "shards": [
            {"shard_id": s.shard_id, "scope": str(s.scope), "adapter": s.active} for s in shards
        ],
    }


def _diff_data(found: VersionDiff) -> dict[str, Json]:
    from governance.events import text_of  # noqa: PLC0415

    return {
        "before": found.before,
        "after": found.after,
        "entries": [
            {
                "entry_id": one.after.entry_id,
                "scope": str(one.after.scope),
                "appeared": one.appeared,
                "status_before": one.before.status if one.before else None,
                "status_after": one.after.status,
                "text_before": text_of(one.before.body) if one.before else None,
                "text_after": text_of(one.after.body),
            }
            for one in found.entries
        ],
        "shards": [
            {"shard_id": s.shard_id, "scope": str(s.scope), "before": s.before, "after": s.after}
            for s in found.shards
        ],
    }


# --- tables -----------------------------------------------------------------------------


def _print_state(found: State, reader: Scope | None) -> None:
    from governance.commands import render  # noqa: PLC0415
    from governance.events import text_of  # noqa: PLC0415
    from governance.history import census  # noqa: PLC0415

    console = render.console()
    console.print(render.plain(f"Version {found.seq}", "bold"))
    for scope, counts in census(found, reader).items():
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        console.print(render.plain(f"{scope}: {told}"))
    rows = [
        (entry.entry_id, render.status(entry.status), str(entry.version), str(entry.scope),
         render.short(text_of(entry.body)))
        for entry in found.entries.values()
        if reader is None or reader.sees(entry.scope)
    ]  # fmt: skip
    if rows:
        columns = ("Entry", "Status", "Version", "Scope", "Text")
        console.print(render.table("Entries", columns, rows))
    served = [
        (shard.shard_id, str(shard.scope), (shard.active or "none")[:12])
        for shard in found.shards.values()
        if reader is None or reader.sees(shard.scope)
    ]
    if served:
        console.print(render.table("Adapters", ("Shard", "Scope", "Serves"), served))
    if not rows:
        console.print("no entries", style="dim")


def _print_diff(found: VersionDiff) -> None:
    from governance.commands import render  # noqa: PLC0415

    console = render.console()
    console.print(render.plain(f"Version {found.before}  →  version {found.after}", "bold"))
    if found.entries:
        rows = [
            (one.after.entry_id, one.before.status if one.before else "(not there)",
             render.status(one.after.status), _text(one))
            for one in found.entries
        ]  # fmt: skip
        console.print(render.table("Entries", ("Entry", "Before", "After", "Text"), rows))
    if found.shards:
        moved = [
            (s.shard_id, (s.before or "none")[:12], (s.after or "none")[:12])
            for s in found.shards
        ]  # fmt: skip
        console.print(render.table("Adapters served", ("Shard", "Before", "After"), moved))
    if not found.entries and not found.shards:
        console.print("no difference", style="dim")


def _text(change: EntryChanged) -> Text:
    from governance.commands import render  # noqa: PLC0415
    from governance.events import text_of  # noqa: PLC0415
    from governance.textdiff import word_diff  # noqa: PLC0415

    if change.before is None or not change.text_changed:
        return render.short(text_of(change.after.body))
    return render.diff_text(word_diff(text_of(change.before.body), text_of(change.after.body)))
