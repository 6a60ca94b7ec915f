"""``policy``: read the rules, run their cases, put another policy in force."""

from __future__ import annotations

from typing import Annotated

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
