"""`python -m benchmarks [NAME …]`: run every benchmark, or those named, and print one table."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure

NOT_BENCHMARKS = {"__main__", "figures"}


def main() -> int:
    """Run them one after the other, so that none disturbs another; 1 when a budget is missed."""
    found = [each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)])]
    names = sorted(set(found) - NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}; none means all")
    chosen = parser.parse_args().names or names
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        parser.error(f"There is no benchmark named {', '.join(unknown)}. Choose from {', '.join(names)}.")
    figures: list[Figure] = []
    for name in chosen:
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "main"):
            continue
        print(f"… {name}", file=sys.stderr, flush=True)
        figures += module.main()
    print(_table(figures))
    missed = [each.name for each in figures if not each.met]
    if missed:
        print(f"\n{len(missed)} of {len(figures)} figures miss their budget: {', '.join(missed)}")
    return 1 if missed else 0


def _table(figures: Sequence[Figure]) -> str:
    rows = [("name", "figure", "budget", "met")]
    rows += [(each.name, each.figure, each.budget, "yes" if each.met else "NO") for each in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
