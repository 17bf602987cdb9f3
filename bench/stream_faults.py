"""Issue 5, claim 5: 500 upstream faults at random over all venues with a stream. The consensus never shows a stalled source
as fresh, every gap has its marker, every feed comes back within 5 s of the venue doing so.

The real feeds and the real consensus over the simulator's sockets in one process, on a clock that is moved
(`tests/services/feed_trial.py` says what is watched and how). `--faults` and `--seed` choose another trial.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "services")]

from feed_trial import BACK_S, trial  # noqa: E402

from crypto_dt_source.telemetry import configure  # noqa: E402

from .report import claim  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args(argv)
    configure("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        done = asyncio.run(trial(Path(folder), args.faults, args.seed))
    for wrong in done.wrong:
        print(wrong)
    back = sorted(outcome.back_s for outcome in done.outcomes)
    stalls = sum(map(len, done.live.stalls.values()))
    trades = sum(n for (_, topic), n in done.sim.sockets.jumps.items() if topic.channel == "trades")
    print(f"{done.clock.monotonic():.0f} simulated s, {done.live.prices} prices, {done.live.trades} trades")
    name = f"feeds: back after the venue, slowest (p50 {back[len(back) // 2]:.2f} s, {stalls} stalls)"
    ok = claim(name, back[-1], "s", "faults", len(back), None, f"<= {BACK_S:g} s", back[-1] <= BACK_S)
    name = f"feeds: stalled sources in prices, gaps without a marker of {trades}, stalls noticed late"
    return (
        0
        if claim(name, len(done.wrong), "cases", "faults", len(back), None, "0", not done.wrong) and ok
        else 1
    )


if __name__ == "__main__":
    raise SystemExit(main())
