"""Who may import whom, how long a file may be, and what governance needs to start."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import grimp
import pytest
from grimp import ImportGraph
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("governance", "agent", "dashboard")
SOURCES = (*PACKAGES, "tests", "docs", "benchmarks")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
# Fixtures that tell one long story, line by line; splitting them would hide it.
LONG_FILES = {"tests/dashboard/population.py"}

VERIFY_MAY_USE = {f"governance.{name}" for name in ("canonical", "errors", "merkle", "notes")}


@cache
def graph() -> ImportGraph:
    return grimp.build_graph(
        *PACKAGES, include_external_packages=True, exclude_type_checking_imports=True,
        cache_dir=None,
    )  # fmt: skip


def files() -> Iterator[Path]:
    for package in SOURCES:
        yield from sorted((ROOT / package).rglob("*.py"))


def upward(found: ImportGraph) -> set[tuple[str, str]]:
    """Imports from a lower package into a higher one."""
    order = {"governance": 0, "agent": 1, "dashboard": 2}
    wrong = set()
    for module in found.modules:
        here = order.get(module.split(".")[0])
        for imported in found.find_modules_directly_imported_by(module) if here is not None else ():
            there = order.get(imported.split(".")[0])
            if there is not None and here is not None and there > here:
                wrong.add((module, imported))
    return wrong


def test_import_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts of ``pyproject.toml``; the one inside governance is exhaustive."""
    monkeypatch.chdir(ROOT)
    output = io.StringIO()
    with redirect_stdout(output):
        status = lint_imports(cache_dir=None)
    assert status == 0, output.getvalue()
    assert "0 broken" in output.getvalue()


def test_imports_go_one_way() -> None:
    assert upward(graph()) == set()
    bent = grimp.build_graph(*PACKAGES, cache_dir=None)
    bent.add_import(importer="governance.ledger", imported="agent.program")
    assert upward(bent) == {("governance.ledger", "agent.program")}


def test_the_checker_trusts_nothing_of_what_it_checks() -> None:
    used = {name for name in graph().find_upstream_modules("governance.verify", as_package=True)
            if name.startswith("governance")}  # fmt: skip
    assert {name for name in used if not name.startswith("governance.verify.")} == VERIFY_MAY_USE
    ledger = graph().find_upstream_modules("governance.ledger")
    assert "governance.sealing" in ledger  # control: the query does find indirect imports


def test_the_linter_notices_a_new_module(tmp_path: Path) -> None:
    """A copy of governance with one module more must fail the exhaustive contract."""
    (tmp_path / "governance").mkdir()
    for path in (ROOT / "governance").rglob("*.py"):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    start = settings.index('[[tool.importlinter.contracts]]\nname = "layers inside governance"')
    end = settings.index("[[tool.importlinter.contracts]]", start + 1)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["governance"]\n'
        "include_external_packages = true\nexclude_type_checking_imports = true\n\n"
        + settings[start:end]
    )

    def lint() -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports;"
            "sys.exit(lint_imports(cache_dir=None))"
        )
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert lint().returncode == 0
    (tmp_path / "governance" / "helpers.py").write_text("")
    failed = lint()
    assert failed.returncode == 1
    assert "helpers" in failed.stdout


_WITHOUT = """
import importlib, pkgutil, sys
BLOCKED = {"torch", "streamlit", "transformers", "peft", "faiss", "safetensors", "bm25s",
           "agent", "dashboard"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Blocker())
try:
    import torch
except ImportError:
    print("blocked")
import governance
names = [m.name for m in pkgutil.walk_packages(governance.__path__, "governance.")]
for name in names:
    importlib.import_module(name)
from governance.ledger import Ledger
with Ledger.in_memory() as ledger:
    print(len(names), ledger.verify().ok)
"""


def test_governance_starts_without_machine_learning_or_screens() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    blocked, summary = done.stdout.splitlines()
    assert blocked == "blocked"
    count, holds = summary.split()
    assert int(count) > 30
    assert holds == "True"


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = node.body
    first = body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(text: str) -> list[str]:
    return [
        f"{node.name}: {function_lines(node)} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and function_lines(node) > MAX_FUNCTION_LINES
    ]


def test_files_and_functions_stay_short() -> None:
    long_files, long_functions, seen = [], [], 0
    for path in files():
        name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        seen += 1
        if len(text.splitlines()) > MAX_FILE_LINES and name not in LONG_FILES:
            long_files.append(name)
        long_functions += [f"{name} {found}" for found in too_long(text)]
    assert seen > 100
    assert long_files == []
    assert long_functions == []
    body = "\n".join(["    x = 1"] * (MAX_FUNCTION_LINES + 1))
    assert too_long(f"def f():\n{body}\n") == ["f: 61 lines"]
    assert too_long('def f():\n    """Long.\n' + "\n" * 100 + '    """\n    x = 1\n') == []


def test_there_is_no_catch_all_module() -> None:
    names = {path.stem for path in files()}
    assert "ledger" in names
    assert not names & {"utils", "util", "common", "helpers", "misc"}
