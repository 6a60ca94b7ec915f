"""Every way in is known: what proposes memory, and what else writes. A new one fails here.

Each table names what the code holds now; the test reads the code and compares. Whoever adds a
door adds it here, says what it is for, and proves it in ``tests/contracts/test_doors.py``.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from governance.cli import app, load_commands
from governance.service.routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]

PROPOSERS: Final = {
    "agent.gateway.Gateway.propose": "what the agent learned",
    "governance.corrections._proposed": "what a person says is right instead",
    "governance.corrections.reinstate": "what a revoked entry had superseded",
    "governance.review.reconsider": "an undecided entry, verified again; nothing new",
    "governance.sharing.share": "a copy for another scope",
    "governance.transfer._import": "a line of a file",
}
"""Where an ``EntryProposed`` is made. ``Desk.propose`` of the service parses one instead."""

WRITERS: Final = {
    "memory": ("run", "import", "share", "correct", "revoke"),
    "decides": (
        "review approve", "review reject", "review quarantine", "review many", "review withdraw",
        "signer sign",
    ),
    "queue": ("review claim", "review release", "review assign", "review comment"),
    "takes back": (
        "rollback", "rollback accept", "rollback decline", "erase request", "erase approve",
        "erase decline", "erase complete", "prune", "hold place", "hold lift",
    ),
    "hands out": ("export", "access", "adapter export"),
    "weights": ("adapter import", "consolidate"),
    "who may": (
        "principal add", "token issue", "token revoke", "role grant", "role withdraw",
        "signer register", "signer withdraw", "key rotate",
    ),
    "the home": ("init", "freeze", "thaw", "policy activate", "policy report", "rebuild"),
    "serves others": ("serve", "dashboard"),
    "asks": ("ask",),
}  # fmt: skip
"""Commands that open a ledger for writing, by what they write. ``revoke --reinstate`` proposes;
``adapter import`` takes only what exactly the approved cards of a shard give, ``consolidate``
learns cards in service again."""

WITHOUT_LEDGER: Final = frozenset({
    "policy show", "policy test", "proof-check", "signer new", "witness accept", "witness cosign",
    "witness init", "witness show",
})  # fmt: skip
"""Commands that open no ledger at all."""

WRITING_ROUTES: Final = {
    "/v1/append": "events, each held against the token; a proposal is refused",
    "/v1/proposals": "an entry, verified and decided on by the service",
    "/v1/keys/rotate": "another signing key",
    "/v1/projections/rebuild": "projections, made again from the log",
}
READING_POSTS: Final = frozenset({
    "/v1/keyed", "/v1/events", "/v1/last-steps", "/v1/mentions", "/v1/headers", "/v1/verify",
})  # fmt: skip

ACTIONS: Final = {
    "decide": "approve, reject, quarantine", "withdraw": "one's own last decision",
    "claim": "keep an entry to oneself", "take_back": "revoke", "roll_back": "roll back or ask to",
    "answer": "accept or decline a rollback", "let_act": "approvals whose time has come",
}  # fmt: skip
"""What the dashboard can do. None of it writes memory: comments and reasons only."""


def assert_known(found: Collection[str], table: Collection[str], what: str) -> None:
    new, gone = sorted(set(found) - set(table)), sorted(set(table) - set(found))
    assert not new, f"new {what}, not in the table of {Path(__file__).name}: {', '.join(new)}"
    assert not gone, f"{what} in the table but no longer in the code: {', '.join(gone)}"


# --- reading the code -------------------------------------------------------------------


@cache
def tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8"))


def modules(*packages: str) -> Iterator[str]:
    for package in packages:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function and method with its dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield f"{prefix}.{child.name}", child
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from functions(child, f"{prefix}.{child.name}")


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call and the name that is called, as it is written."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call):
            yield ast.unparse(inner.func), inner


def proposers(module: str, code: ast.Module) -> list[str]:
    """Where an ``EntryProposed`` is made, under whatever name it was imported."""
    names = {
        (alias.asname or alias.name)
        for node in ast.walk(code)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "EntryProposed"
    }
    built = {"model_validate", "model_validate_json", "model_construct"}
    made = []
    for name, function in functions(code, module):
        for called, _ in calls(function):
            head, _, last = called.rpartition(".")
            if called in names or last == "EntryProposed" or (head in names and last in built):
                made.append(name)
    return made


def opens(module: str, function: str, seen: set[tuple[str, str]]) -> set[str]:
    """How a function opens ledgers, followed through what it calls: ``read``, ``write``."""
    if (module, function) in seen:
        return set()
    seen.add((module, function))
    defined = {one.name: one for one in tree(module).body if isinstance(one, ast.FunctionDef)}
    if function not in defined:
        return set()
    found: set[str] = set()
    imported = origins(tree(module))
    for called, call in calls(defined[function]):
        options = {one.arg: ast.unparse(one.value) for one in call.keywords}
        if called == "open_ledger":
            found.add("write" if options.get("write", "False") != "False" else "read")
        elif called == "Ledger.open":
            found.add("read" if options.get("read_only") == "True" else "write")
        elif called == "ensure":  # starts a service, which owns the home
            found.add("write")
        elif called in imported:
            found |= opens(*imported[called], seen)
        else:
            found |= opens(module, called, seen)
    return found


def origins(code: ast.Module) -> dict[str, tuple[str, str]]:
    """Local name → module and name, of what is imported from our packages."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(code)
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.split(".")[0] in {"governance", "agent", "dashboard"}
        if (ROOT / Path(*node.module.split("."))).with_suffix(".py").is_file()
        for alias in node.names
    }


def imports(code: ast.Module) -> Iterator[str]:
    """Modules, and what is imported from them, with dots."""
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def proved() -> list[str]:
    """Commands that ``tests/contracts/test_doors.py`` goes through."""
    [table] = [
        node.value for node in tree("tests.contracts.test_doors").body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "DOORS"
    ]  # fmt: skip
    assert isinstance(table, ast.Dict)
    names = [ast.literal_eval(key) for key in table.keys if key is not None]
    return [name for name in names if not name.startswith("proposals of")]


def commands() -> dict[str, tuple[str, str]]:
    """Every command → module and name of the function behind it."""
    load_commands()

    def leaves(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:  # click's or typer's
        for name, command in group.commands.items():
            path = f"{prefix} {name}".strip()
            if hasattr(command, "commands"):
                yield from leaves(command, path)
            if not hasattr(command, "commands") or command.invoke_without_command:
                yield path, inspect.unwrap(command.callback)

    found = leaves(typer.main.get_command(app), "")
    return {name: (function.__module__, function.__name__) for name, function in found}


# --- the doors --------------------------------------------------------------------------


def test_every_place_that_proposes_memory_is_known() -> None:
    found = [
        name for module in modules("governance", "agent", "dashboard")
        for name in proposers(module, tree(module))
    ]  # fmt: skip
    assert_known(found, PROPOSERS, "proposers of memory")
    hidden = (
        "from governance.events import EntryProposed as E\n"
        "class Quiet:\n    def slip(self):\n        return E.model_validate({})\n"
    )
    assert proposers("dashboard.quiet", ast.parse(hidden)) == ["dashboard.quiet.Quiet.slip"]
    with pytest.raises(AssertionError, match=r"new proposers of memory.*dashboard\.quiet\.Quiet"):
        assert_known([*found, "dashboard.quiet.Quiet.slip"], PROPOSERS, "proposers of memory")


def test_every_command_that_writes_is_known_and_all_others_only_read() -> None:
    known = commands()
    opened = {name: opens(*where, set()) for name, where in known.items()}
    writing = [name for name, ways in opened.items() if "write" in ways]
    table = [name for names in WRITERS.values() for name in names]
    assert len(table) == len(set(table))
    assert_known(writing, table, "writing commands")
    without = [name for name, ways in opened.items() if not ways]
    assert_known(without, WITHOUT_LEDGER, "commands without a ledger")
    assert opened["log"] == {"read"}
    assert_known(WRITERS["memory"], {name.split()[0] for name in proved()}, "ways in of memory")
    with pytest.raises(AssertionError, match=r"new writing commands.*: rumour"):
        assert_known([*writing, "rumour"], table, "writing commands")


def test_every_route_that_writes_is_known() -> None:
    posts = [route.path for route in ROUTES if route.method != "GET"]
    assert_known(posts, [*WRITING_ROUTES, *READING_POSTS], "routes that take a body")
    assert not set(WRITING_ROUTES) & READING_POSTS
    answers = {route.path: route.answer for route in ROUTES}
    written = {"append", "propose", "rotate", "rebuild"}
    for path, answer in answers.items():
        called = set() if answer is None else {
            name.rpartition(".")[2] for name, _ in calls(ast.parse(inspect.getsource(answer)))
        }  # fmt: skip
        # The append has no answer here: the gate passes it to ``Desk.append``.
        assert (answer is None or bool(called & written)) == (path in WRITING_ROUTES), path


def test_every_action_of_the_dashboard_is_known_and_nothing_else_there_writes() -> None:
    found = [
        one.name for one in tree("dashboard.actions").body
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")
        if any(arg.arg == "ledger" for arg in one.args.args)
    ]  # fmt: skip
    assert_known(found, ACTIONS, "actions of the dashboard")
    writers = {
        "governance.corrections", "governance.sharing", "governance.transfer", "governance.review",
        "governance.reviewers", "governance.housekeeping", "governance.erasure",
    }  # fmt: skip
    users = {module for module in modules("dashboard") if writers & set(imports(tree(module)))}
    elsewhere = {
        module for module in modules("dashboard")
        if any(name.endswith("ledger.append") for name, _ in calls(tree(module)))
    }  # fmt: skip
    assert users == {"dashboard.actions"}
    assert elsewhere == set()
