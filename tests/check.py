"""The whole gate behind ``make check``: ``python -m tests.check [STEP …]``.

Steps run in order and stop at the first failure; without arguments all of them run.
"""

from __future__ import annotations

import subprocess
import sys
import time

STEPS: dict[str, list[list[str]]] = {
    "lint": [
        ["ruff", "format", "--check", "--quiet", "."],
        ["ruff", "check", "--quiet", "."],
    ],
    "types": [["mypy"]],
    "imports": [["importlinter"]],
    "tests": [["pytest", "-q", "-m", "not long", "-n", "2", "--dist", "loadfile"]],
}


def _command(parts: list[str]) -> list[str]:
    if parts[0] == "importlinter":
        program = (
            "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
        )
        return [sys.executable, "-c", program]
    return [sys.executable, "-m", *parts]


def main(names: list[str]) -> int:
    """Run the named steps; the exit status of the first that fails, else 0."""
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"unknown step {unknown[0]!r}; steps are {', '.join(STEPS)}", file=sys.stderr)
        return 2
    for name in names or STEPS:
        for parts in STEPS[name]:
            started = time.monotonic()
            status = subprocess.run(_command(parts), check=False).returncode
            verdict = "ok" if status == 0 else f"failed ({status})"
            print(f"{name}: {verdict} in {time.monotonic() - started:.0f} s", flush=True)
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
