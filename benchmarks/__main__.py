"""``python -m benchmarks NAME [--quick] [--json]``: measure, and say against what.

Each benchmark is a module of this folder with ``run(quick: bool) -> dict[str, float]``; its
docstring says what each metric means. ``--quick`` measures smaller samples; full results and
the goals they are held to are kept in ``README.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path


def names() -> list[str]:
    """The benchmarks there are."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(one.name for one in found if not one.name.startswith("_"))


def main() -> int:
    """Run one benchmark; exit status 0 whatever the figures say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=names())
    parser.add_argument("--quick", action="store_true", help="smaller samples, under a minute")
    parser.add_argument("--json", action="store_true", help="one flat object {metric: number}")
    chosen = parser.parse_args()
    module = importlib.import_module(f"benchmarks.{chosen.name}")
    started = time.monotonic()
    figures: dict[str, float] = module.run(quick=chosen.quick)
    if chosen.json:
        print(json.dumps(figures, indent=2))
        return 0
    width = max(len(metric) for metric in figures)
    for metric, figure in figures.items():
        print(f"{metric:<{width}}  {figure:>12.4f}")
    scaled = ", smaller samples" if chosen.quick else ""
    print(f"({time.monotonic() - started:.0f} s{scaled})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
