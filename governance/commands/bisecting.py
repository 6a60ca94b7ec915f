"""``bisect``: when did the memory begin to answer this wrongly, and because of what?"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
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
    progress,
)
from governance.errors import BisectError

if TYPE_CHECKING:
    from governance.bisect import Asked, Found, Probe, Suspect
    from governance.commands.options import Json
    from governance.events import Scope
    from governance.ledger import Ledger

app = typer.Typer()


@app.command()
def bisect(
    *,
    home: HomeOption = DEFAULT_HOME,
    question: Annotated[str, typer.Option("--question", help="What is answered wrongly.")] = "",
    expect: Annotated[
        list[str] | None, typer.Option("--expect", help="A right answer; may be given again.")
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option("--probe", help='JSON lines {"question": "…", "answers": ["…"]}; all right.'),
    ] = None,
    alarm: Annotated[
        str,
        typer.Option(
            "--alarm",
            help="A drift hold: is what it holds the cause? By itself, asks what was answered "
            "wrongly then.",
        ),
    ] = "",
    scope: ScopeOption = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--from",
            help="A version that was good; default: where the alarm's questions were last "
            "answered rightly, or 0.",
        ),
    ] = None,
    stop: Annotated[
        int | None,
        typer.Option("--to", help="A version that is bad; default: the alarm's, or the head."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the version that made an answer wrong, and the entry that did it.

    Asks the memory of about log₂ of the versions, appends nothing, and confirms by asking again
    without the entry it found.
    """
    from governance import bisect as searching  # noqa: PLC0415

    given = _given(question, expect or [], probe, needed=not alarm)
    with open_ledger(home) as ledger:
        hold = searching.alarm_of(ledger.state, alarm) if alarm else None
        held = searching.held_entries(ledger.state, hold) if hold is not None else ()
        found_at, asked = 0, given
        if hold is not None and not given:
            recorded = searching.alarm_questions(ledger, hold)
            found_at, asked = recorded.good, recorded.asked
        first = found_at if start is None else start
        end = (hold.seq if hold is not None else ledger.head.seq) if stop is None else stop
        candidates = searching.versions(ledger, first, end)
        where = parse_scope(scope) or (hold.scope if hold is not None else None)
        ask = _probe(ledger, _scope(ledger, where), asked)
        found = searching.search(candidates, lambda seq: ask(seq, ()))
        blamed = searching.suspects(ledger, found, end, ask) if found is not None else ()
    if as_json:
        print_json(_data(found, blamed, held, len(candidates), asked))
    else:
        _print(found, blamed, held, len(candidates))


def _given(
    question: str, expect: Sequence[str], probe: Path | None, *, needed: bool
) -> Sequence[Asked]:
    """What the caller wants asked; nothing where an alarm may say it."""
    from governance.bisect import Asked  # noqa: PLC0415

    if (question and probe is not None) or (needed and not question and probe is None):
        raise BisectError(
            "what should be asked?",
            hint="give --question with --expect, or --probe FILE, or --alarm ID",
        )
    if probe is None:
        if bool(expect) != bool(question):
            missing = "what is the right answer?" if question else "what should be asked?"
            raise BisectError(missing, hint="give --question with --expect")
        return [Asked(question, tuple(expect))] if question else []
    try:
        lines = [line for line in probe.read_text("utf-8").splitlines() if line.strip()]
        rows = [json.loads(line) for line in lines]
        found = [Asked(str(row["question"]), tuple(map(str, row["answers"]))) for row in rows]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise BisectError(
            f"{probe} holds no probes: {error}",
            hint='one JSON object a line: {"question": "…", "answers": ["…"]}',
        ) from error
    if not found:
        raise BisectError(f"{probe} is empty")
    return found


def _scope(ledger: Ledger, scope: Scope | None) -> Scope:
    if scope is not None:
        return scope
    scopes = {str(one.scope): one.scope for one in ledger.state.entries.with_status("active")}
    if len(scopes) > 1:
        raise BisectError(
            "this home holds several scopes, and a question is asked in one of them",
            hint=f"--scope {' or '.join(sorted(scopes))}",
        )
    from governance.events import Scope  # noqa: PLC0415

    return next(iter(scopes.values()), Scope())


def _probe(ledger: Ledger, scope: Scope, asked: Sequence[Asked]) -> Probe:
    from governance.drift.answers import exact_match  # noqa: PLC0415
    from governance.memory_target import load_target  # noqa: PLC0415

    for one in asked:
        progress(f"{one.question} (right: {' or '.join(one.answers)})")
    target = load_target(ledger)
    if target is None:
        raise BisectError(
            "no agent memory is installed, so nothing can be asked",
            hint="pip install 'palimpsest-ledger[agent]'",
        )

    def good(seq: int, without: Collection[str]) -> bool:
        right = all(
            exact_match(target.answer_at(seq, scope, question, without=without), answers)
            for question, answers in asked
        )
        left_out = f" without {', '.join(without)}" if without else ""
        progress(f"version {seq}{left_out}: {'good' if right else 'bad'}")
        return right

    return good


def _data(
    found: Found | None,
    blamed: Sequence[Suspect],
    held: Sequence[str],
    count: int,
    asked: Sequence[Asked],
) -> dict[str, Json]:
    return {
        "asked": [{"question": one.question, "answers": list(one.answers)} for one in asked],
        "first_bad": found.seq if found else None,
        "last_good": found.before if found else None,
        "versions": count,
        "evaluations": found.asked if found else 1,
        "suspects": [
            {
                "entry_id": one.entry.entry_id,
                "event": one.event.header.seq,
                "type": one.event.header.type,
                "text": _text(one),
                "author": str(one.entry.author),
                "decided_by": str(one.entry.decided_by) if one.entry.decided_by else None,
                "failed_checks": [r.verifier for r in one.entry.results if r.outcome != "pass"],
                "evidence": list(one.evidence),
                "confirmed": one.confirmed,
                "held_by_alarm": one.entry.entry_id in held,
            }
            for one in blamed
        ],
    }  # fmt: skip


def _text(suspect: Suspect) -> str:
    from governance.events import text_of  # noqa: PLC0415

    return text_of(suspect.entry.body)


def _print(found: Found | None, blamed: Sequence[Suspect], held: Sequence[str], count: int) -> None:
    from governance.commands import render  # noqa: PLC0415

    if found is None:
        typer.echo("the newest version answers as expected: nothing to find (1 evaluation)")
        return
    where = "it was bad from the first version on" if found.before is None else (
        f"version {found.before} is good"
    )  # fmt: skip
    typer.echo(
        f"version {found.seq} is bad, {where} ({found.asked} evaluations of {count} versions)"
    )
    verdicts = {True: "yes: without it the answer is right", False: "no", None: "taken away"}
    rows = [
        (one.entry.entry_id, one.event.header.type, render.short(_text(one)), str(one.entry.author),
         str(one.entry.decided_by or ""), render.short("; ".join(one.evidence)),
         verdicts[one.confirmed] + (", held" if one.entry.entry_id in held else ""))
        for one in blamed
    ]  # fmt: skip
    columns = ("Entry", "Event", "Text", "Author", "Decided by", "Evidence", "The cause?")
    render.console().print(render.table("", columns, rows))
    causes = [one.entry.entry_id for one in blamed if one.confirmed]
    for entry_id in causes:
        typer.echo(f"palimpsest revoke {entry_id} --dry-run shows what would go with it")
    if not causes:
        typer.echo("leaving out a single entry does not help: something else says the same")
