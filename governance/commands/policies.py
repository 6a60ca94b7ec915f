"""``policy``: read the rules, run their cases, put another policy in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    HomeOption,
    JsonOption,
    open_ledger,
    parse_actor,
    print_json,
)

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.simulate import Replayed, Simulation
    from governance.worth import Share, Worth

app = typer.Typer()
policy_app = typer.Typer(no_args_is_help=True)
app.add_typer(policy_app, name="policy", help="Rules that decide what may be learned.")

PolicyName = Annotated[str, typer.Argument(help="Name of a shipped policy, or a .yaml file.")]


@policy_app.command("show")
def show_policy(name: PolicyName = "default", *, as_json: JsonOption = False) -> None:
    """The rules of a policy, strictest outcome first as they are applied."""
    from governance.commands import render  # noqa: PLC0415
    from governance.policy import load_policy  # noqa: PLC0415

    policy = load_policy(name)
    if as_json:
        print_json({"name": policy.name, "version": policy.version, "digest": policy.digest,
                    "description": policy.description,
                    "rules": [rule.model_dump(mode="json") for rule in policy.rules]})  # fmt: skip
        return
    console = render.console()
    console.print(render.plain(f"{policy.name} v{policy.version}  {policy.digest}", "bold"))
    console.print(render.plain(policy.description))
    rows = [
        (rule.outcome, rule.id, " ".join(rule.when.split()), rule.message, rule.clause)
        for rule in policy.rules
    ]
    console.print(render.table("", ("Outcome", "Rule", "When", "Message", "Clause"), rows))
    console.print("No rule holds, or a rule cannot be evaluated: deny.", style="dim")


@policy_app.command("test")
def run_cases(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Policies; default: all that are shipped.", show_default=False),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Run the cases beside each policy; exit code 4 when a decision is not as expected."""
    from governance.commands import render  # noqa: PLC0415
    from governance.errors import PolicyError  # noqa: PLC0415
    from governance.policy import load_policy, shipped_policies  # noqa: PLC0415
    from governance.policy_cases import evaluate_cases, rules_without_case  # noqa: PLC0415

    results, uncovered = [], []
    for name in names or shipped_policies():
        policy = load_policy(name)
        found = evaluate_cases(policy)
        results += found
        uncovered += [f"{policy.name}: {rule}" for rule in rules_without_case(policy, found)]
    wrong = [result for result in results if not result.ok]
    if as_json:
        print_json({"cases": len(results), "wrong": [str(one.path) for one in wrong],
                    "rules_without_case": uncovered})  # fmt: skip
    else:
        rows = [
            (one.decision.policy, one.path.stem, f"{one.expected} by {one.case.rule}",
             f"{one.decision.outcome} by {one.decision.rule_id}", one.case.about)
            for one in wrong
        ]  # fmt: skip
        if rows:
            columns = ("Policy", "Case", "Expected", "Decided", "About")
            render.console().print(render.table("", columns, rows))
        typer.echo(f"{len(results) - len(wrong)} of {len(results)} cases as expected")
        for rule in uncovered:
            typer.echo(f"no case for {rule}")
    if wrong:
        raise typer.Exit(PolicyError.exit_code)


@policy_app.command("activate")
def activate(
    name: PolicyName,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a policy decide from here on; the event keeps its whole text."""
    from governance.policy import load_policy  # noqa: PLC0415
    from governance.review import activate_policy  # noqa: PLC0415

    policy = load_policy(name)
    with open_ledger(home, write=True) as ledger:
        changed = activate_policy(ledger, policy, parse_actor(actor))
    if as_json:
        print_json({"name": policy.name, "digest": policy.digest, "changed": changed})
    else:
        state = "decides from here on" if changed else "was in force already"
        typer.echo(f"{policy.name} {policy.digest[:12]} {state}")


@policy_app.command("report")
def report(
    *,
    record: Annotated[
        bool, typer.Option("--record", help="Append what changed under the policy in force.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """What each verifier is worth, by what people decided: TPR, FPR and their difference.

    Reads every decision of the log. A verifier recorded as non-informative lets no rule allow
    an entry on its word until it is measured to be informative again.
    """
    from governance.commands import render  # noqa: PLC0415
    from governance.worth import measure, rate_verifiers  # noqa: PLC0415

    with open_ledger(home, write=record) as ledger:
        found = measure(ledger)
        recorded = rate_verifiers(ledger, actor=parse_actor(actor), news=1) if record else ()
        names = {digest: name for name, digest in ledger.state.policies.items()}
        barred = sorted(
            name for name, rating in ledger.state.verifiers.items()
            if rating.standing == "non-informative"
        )  # fmt: skip
    if as_json:
        print_json({
            "verifiers": [_worth_data(worth, names) for worth in found],
            "non_informative": barred,
            "recorded": [payload.model_dump(mode="json") for payload in recorded],
        })  # fmt: skip
        return
    rows = [
        (names.get(worth.policy, worth.policy[:12]), f"{worth.verifier} v{worth.version}",
         f"{worth.bad_flagged} of {worth.bad}", f"{worth.good_flagged} of {worth.good}",
         _percent(worth.tpr), _percent(worth.fpr), _percent(worth.gain), worth.standing)
        for worth in found
    ]  # fmt: skip
    columns = ("Policy", "Verifier", "Bad flagged", "Good flagged", "TPR", "FPR", "TPR − FPR",
               "Standing")  # fmt: skip
    console = render.console()
    if rows:
        console.print(render.table("", columns, rows))
        console.print("Shares in percent with 95 % intervals (Wilson; Newcombe).", style="dim")
    else:
        typer.echo("nobody has decided on an entry yet, so nothing can be said")
    for payload in recorded:
        typer.echo(f"recorded: {payload.verifier} is {payload.standing}")
    if barred:
        typer.echo(f"no rule may allow an entry on: {', '.join(barred)}")


@policy_app.command("simulate")
def simulate_policy(
    name: PolicyName,
    *,
    since: Annotated[
        int, typer.Option("--since", min=1, help="Only what was verified from this event on.")
    ] = 1,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Decide on every proposal of the log again under another policy; appends nothing.

    With the results, trust and counts that were recorded then.
    """
    from governance.policy import load_policy  # noqa: PLC0415
    from governance.simulate import simulate  # noqa: PLC0415

    policy = load_policy(name)
    with open_ledger(home) as ledger:
        found = simulate(ledger, policy, since=since)
    if as_json:
        print_json({
            "policy": found.policy, "digest": found.digest, "decided": found.decided,
            "unreadable": found.unreadable,
            "moves": [
                {"before": before, "after": after, "entries": count}
                for (before, after), count in sorted(found.moves.items())
            ],
            "changes": [_change_data(one) for one in found.changes],
        })  # fmt: skip
    else:
        _print_simulation(found)


_SHOWN = 50


def _print_simulation(found: Simulation) -> None:
    from governance.commands import render  # noqa: PLC0415

    console = render.console()
    console.print(render.plain(f"{found.policy} {found.digest[:12]}", "bold"))
    rows = [
        (before, after, str(count), "" if before == after else "changes")
        for (before, after), count in sorted(found.moves.items())
    ]
    if rows:
        console.print(render.table("", ("Then", "Under it", "Entries", ""), rows))
    changes = [
        (str(one.seq), one.entry_id, _verdict(one, then=True), _verdict(one, then=False))
        for one in found.changes[:_SHOWN]
    ]
    if changes:
        console.print(render.table("", ("Event", "Entry", "Then", "Under it"), changes))
    if len(found.changes) > _SHOWN:
        typer.echo(f"and {len(found.changes) - _SHOWN} more; --json lists all")
    typer.echo(f"{len(found.changes)} of {found.decided} proposals would be decided otherwise")
    if found.unreadable:
        typer.echo(f"{found.unreadable} proposals were erased and cannot be decided again")


def _verdict(one: Replayed, *, then: bool) -> str:
    verdict = one.before if then else one.after
    return "no policy" if verdict is None else f"{verdict.outcome} by {verdict.rule_id}"


def _change_data(one: Replayed) -> dict[str, Json]:
    return {
        "seq": one.seq, "entry": one.entry_id, "version": one.version, "kind": one.kind,
        "scope": str(one.scope),
        "before": one.before._asdict() if one.before is not None else None,
        "after": one.after._asdict(),
    }  # fmt: skip


def _worth_data(worth: Worth, names: dict[str, str]) -> dict[str, Json]:
    return {
        "verifier": worth.verifier, "version": worth.version, "policy": worth.policy,
        "policy_name": names.get(worth.policy), "bad": worth.bad,
        "bad_flagged": worth.bad_flagged, "good": worth.good,
        "good_flagged": worth.good_flagged, "tpr": _share_data(worth.tpr),
        "fpr": _share_data(worth.fpr), "gain": _share_data(worth.gain),
        "standing": worth.standing,
    }  # fmt: skip


def _share_data(share: Share) -> dict[str, Json]:
    return {key: round(value, 6) for key, value in share._asdict().items()}


def _percent(share: Share) -> str:
    return f"{100 * share.value:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"
