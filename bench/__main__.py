"""Every benchmark of this folder, one after the other, each in a process of its own: `python -m bench [NAME...]`.

A benchmark is a module here with a `main`. Arguments after `--` go to each of them.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """Modules of this folder that define `main`, by reading them: importing one may cost seconds."""
    found = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.name.startswith("_"):
            continue
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in body):
            found.append(path.stem)
    return found


def run(name: str, extra: Sequence[str]) -> tuple[int, float]:
    """Exit status and seconds of one benchmark."""
    print(f"== {name}", flush=True)
    begun = time.perf_counter()
    status = subprocess.call([sys.executable, "-m", f"bench.{name}", *extra], cwd=FOLDER.parent)
    return status, time.perf_counter() - begun


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every benchmark met its targets, 1 when one did not, 2 for a name that is no benchmark."""
    given = list(sys.argv[1:] if argv is None else argv)
    extra = given[given.index("--") + 1 :] if "--" in given else []
    known = names()
    parser = argparse.ArgumentParser(prog="python -m bench", epilog=f"benchmarks: {', '.join(known)}")
    parser.add_argument("name", nargs="*")
    chosen = parser.parse_args(given[: given.index("--")] if "--" in given else given).name or known
    if unknown := sorted(set(chosen) - set(known)):
        print(f"there is no benchmark {unknown[0]!r}; there is {', '.join(known)}", file=sys.stderr)
        return 2
    results = {name: run(name, extra) for name in chosen}
    print("== summary")
    for name, (status, seconds) in results.items():
        verdict = {0: "met", 1: "TARGET MISSED"}.get(status, f"DID NOT RUN (exit {status})")
        print(f"{name:24} {seconds:7.1f} s  {verdict}")
    return 1 if any(status for status, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
