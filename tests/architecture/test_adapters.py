"""No adapter is ever added to another, and no card is learned under one (DESIGN section 7)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MERGING = {"add_weighted_adapter", "merge_and_unload", "merge_adapter", "merge", "unmerge_adapter"}
SERVING = {"serve", "serving", "with_adapter", "servable"}
LEARNING = ("agent/program.py", "agent/extraction.py")


def _called(text: str) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def test_no_code_path_adds_or_subtracts_adapters() -> None:
    assert _called("model.merge_and_unload()") & MERGING
    for file in sorted((ROOT / "agent").rglob("*.py")):
        used = _called(file.read_text("utf-8")) & MERGING
        assert not used, f"{file.relative_to(ROOT)} uses {used}"


def test_e2_extraction_and_verification_run_with_the_adapter_off() -> None:
    assert _called((ROOT / "agent/target.py").read_text("utf-8")) & SERVING
    verifiers = [*(ROOT / "governance/verifiers").glob("*.py")]
    for file in [*(ROOT / name for name in LEARNING), *verifiers]:
        used = _called(file.read_text("utf-8")) & SERVING
        assert not used, f"{file.relative_to(ROOT)} uses {used}"
