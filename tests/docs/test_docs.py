"""Documentation that is checked: references are current, links resolve, commands exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer

from governance.cli import app, load_commands

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"),
     *ROOT.glob("examples/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)  # fmt: skip


def regenerate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("regenerate_docs", ROOT / "docs/regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["events.md", "commands.md", "policies.md"])
def test_generated_references_are_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == regenerate().PAGES[name](), "run: python docs/regenerate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _commands() -> set[str]:
    load_commands()
    found: set[str] = set()

    def walk(group: object, prefix: str) -> None:
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            found.add(f"{prefix}{name}")
            if hasattr(command, "commands"):
                walk(command, f"{prefix}{name} ")

    walk(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_code_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("a changelog may name what has gone")
    known = _commands()
    text = page.read_text(encoding="utf-8")
    used = re.findall(r"(?:^|`)palimpsest ([a-z]+)(?: ([a-z]+))?", text, flags=re.MULTILINE)
    for first, second in used:
        assert first in known, f"{page.name}: palimpsest {first}"
        if any(name.startswith(f"{first} ") for name in known) and second:
            assert f"{first} {second}" in known, f"{page.name}: palimpsest {first} {second}"


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert {"run", "test", "dashboard"} <= used
    assert used <= targets
