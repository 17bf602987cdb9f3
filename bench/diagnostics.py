"""Claim 2 of running itself: of the faults in `diagnosed_faults`, each injected into a running service, at least 28 of any
30 are detected with the right cause, what the diagnosis may put right is put right within 60 s, and none is made worse.

Right cause: the finding of that cause is among those that were not there before. Made worse: after the fixes something is
found that was not found before them, or a table has fewer rows. A dry run must change nothing. `--only PART` runs the faults
whose name holds it. Full and read-only disks need a file system of their own: where this process may not mount one it starts
itself again in a name space where it may (`unshare -rm`); where that is not possible either these two count as missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from crypto_dt_source.telemetry import configure

from .diagnosed import Outcome, keys_of, may_mount, trial, world
from .diagnosed_faults import FAULTS
from .report import claim

LEAST_SHARE = 28 / 30
FIX_S = 60.0
INSIDE = "CDTS_BENCH_INSIDE"


async def trials(only: str) -> list[Outcome]:
    """Every fault, one after the other, each in a service of its own."""
    async with world(None) as clean:
        usual = keys_of(await clean.diagnose())
    found = []
    for fault in FAULTS:
        if only not in fault.name:
            continue
        try:
            done = await trial(fault, usual)
        except subprocess.CalledProcessError:
            done = Outcome(fault, told="not injected: no file system may be mounted here")
        found.append(done)
        print(_line(done), flush=True)
    return found


def _line(done: Outcome) -> str:
    said = "found" if done.detected else "MISSED"
    fix = f", fixed in {done.fix_s:.1f} s" if done.fixed else ", NOT FIXED" if done.fault.fixable else ""
    beside = f"; beside it {', '.join(done.beside)}" if done.beside else ""
    worse = f"; WORSE: {', '.join(done.worse)}" if done.worse else ""
    return f"  {done.fault.name}: {said} ({done.fault.finds}: {done.told[:90]}){fix}{beside}{worse}"


def told(found: Sequence[Outcome]) -> bool:
    """Print the claims; whether all hold."""
    detected = sum(done.detected for done in found)
    fixable = [done for done in found if done.fault.fixable]
    fixed = [done for done in fixable if done.fixed]
    slowest = max((done.fix_s for done in fixed), default=0.0)
    worse = sum(bool(done.worse) for done in found)
    acted = sum(not done.dry for done in found)
    share = detected / max(1, len(found))
    ok = claim(
        "faults detected with the right cause",
        detected,
        "faults",
        "injected",
        len(found),
        share,
        ">= 28 of 30",
        share >= LEAST_SHARE,
    )
    ok &= claim(
        "fixable faults fixed", len(fixed), "faults", "fixable", len(fixable), None, "all", fixed == fixable
    )
    ok &= claim("slowest fix", slowest, "s", "bound", FIX_S, None, "<= 60 s", slowest <= FIX_S)
    ok &= claim("faults made worse", worse, "faults", "injected", len(found), None, "0", worse == 0)
    return ok & claim("dry runs that did something", acted, "runs", "runs", len(found), None, "0", acted == 0)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every target was met."""
    parser = argparse.ArgumentParser(prog="python -m bench.diagnostics", description=__doc__)
    parser.add_argument("--only", default="")
    options = parser.parse_args(argv)
    if INSIDE not in os.environ and not may_mount() and shutil.which("unshare"):
        command = ["unshare", "-rm", sys.executable, "-m", "bench.diagnostics", "--only", options.only]
        inside = subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False)
        if inside.returncode in (0, 1):
            return inside.returncode
    configure("CRITICAL")
    return 0 if told(asyncio.run(trials(options.only))) else 1


if __name__ == "__main__":
    sys.exit(main())
