"""Claim 5: with 10 000 clients over 24 simulated hours no upstream ever has cause for a 429, its monthly limits included,
and one upstream call serves at least 1 000 client requests.

The real Runtime with its jobs runs against the simulator in one process (`bench/simulated.py`). The simulator meters
every request on arrival against the published limits, with sliding windows of its own; its `limit_breaches` are the
verdict. Each client asks once every 5 seconds for something drawn from a mix (`bench/crowd.py`), assets by a Zipf law.

What is performed and what is only counted:

- Asks for prices of assets that were quoted within five minutes are counted; one a simulated minute is performed, to
  show that they reach no upstream. Those that name any other asset are performed twice a minute.
- Identical asks within two seconds, the age at which an order book is renewed, are performed once and counted with
  their multiplicity. Identical candle asks are performed once for each candle that closes and once in ten minutes:
  else they are reads of the store, and what they may renew behind is bounded by an allowance that the order-book asks
  of the same clients use up anyway. Pages and searches, kept for minutes, once in half a minute.

`--hostile` replaces the mix by clients that ask for distinct symbols, intervals, ranges and texts only: no ratio is
claimed there, only that no limit is broken and that every answer is data or a documented error.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from crypto_dt_source.providers import catalog
from crypto_dt_source.services.runtime import Runtime

from .crowd import Crowd
from .report import claim
from .simulated import SimTransport, service

CLIENTS = 10_000
EVERY_S = 5.0
MONTH_S, DAY_S = 2_592_000, 86_400
TARGET = 1000.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the data lies: waiting for a real disk would be a third of a simulated day."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated time showed. `month`: by scope the share of its published month that is used up."""

    hours: float
    requests: int
    calls: int
    breaches: dict[str, int]
    refused: int
    month: dict[str, float]
    crowd: Crowd
    transport: SimTransport
    wall_s: float
    cpu_s: float

    @property
    def busiest(self) -> tuple[str, float]:
        """The scope that has used most of its month, and how much of it a month of such days would use. What is left
        of a day is counted as a whole one: people may use up a day's part in its first hours."""
        scope = max(self.month, key=lambda name: self.month[name])
        return scope, self.month[scope] * MONTH_S / (DAY_S * ceil(self.hours / 24))

    @property
    def ratio(self) -> float:
        return self.requests / max(1, self.calls)


async def simulate(
    hours: float,
    *,
    keys: bool,
    clients: int = CLIENTS,
    every_s: float = EVERY_S,
    hostile: int = 0,
    **values: Any,
) -> Outcome:
    """Run the service for `hours` of its clock. `hostile`: so many distinct asks a second instead of the mix; `values` are settings."""
    began, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="cdts-budgets-", dir=MEMORY) as folder:
        async with service(Path(folder), keys=keys, **values) as (rt, sim, clock, transport):
            await clock.advance(30)
            crowd = Crowd(rt, clock, clients / every_s)
            for n in range(int(hours * 3600)):
                if n and n % 7200 == 0:
                    told = f"{n // 3600} h, {sum(transport.calls.values()):,} calls, {dict(sim.log.limit_breaches)}"
                    print(told, file=sys.stderr, flush=True)
                if hostile:
                    crowd.hostile_second(hostile)
                else:
                    crowd.second(n)
                await clock.advance(1)
            await crowd.rest()
            calls = sum(transport.calls.values())
            refused = sum(count for (_, status), count in transport.statuses.items() if status in (418, 429))
            return Outcome(
                hours,
                sum(crowd.asked.values()),
                calls,
                dict(sim.log.limit_breaches),
                refused,
                _months(rt),
                crowd,
                transport,
                time.perf_counter() - began,
                time.process_time() - cpu,
            )


def _months(rt: Runtime) -> dict[str, float]:
    """By scope the share of each published month that is used up."""
    return {line.scope: line.used / line.amount for line in rt.gateway.budgets() if line.per_s >= MONTH_S}


def table(outcome: Outcome) -> str:
    """Calls of each provider, what they cost, and the limits they were held to."""
    rows = [f"{'provider':18} {'calls':>8} {'calls/min':>10}  published limits"]
    entries = catalog.load()
    for provider, calls in sorted(outcome.transport.calls.items(), key=lambda item: -item[1]):
        limits = ", ".join(f"{limit.amount} in {limit.per_s} s" for limit in entries[provider].limits)
        rows.append(f"{provider:18} {calls:8,} {calls / outcome.hours / 60:10.2f}  {limits}")
    for scope, share in sorted(outcome.month.items()):
        rows.append(f"month of {scope}: {share:.2%} used")
    crowd = outcome.crowd
    rows.append("asked:     " + ", ".join(f"{kind} {count:,}" for kind, count in crowd.asked.most_common()))
    rows.append(
        "performed: " + ", ".join(f"{kind} {count:,}" for kind, count in crowd.performed.most_common())
    )
    rows.append("failed:    " + ", ".join(f"{code}: {count:,}" for code, count in crowd.failed.most_common()))
    rows.append(
        "answers:   " + ", ".join(f"{code}: {count:,}" for code, count in crowd.answers.most_common())
    )
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every target is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.budgets", description=__doc__.split("\n\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="simulated hours; 24 is the claim's size")
    parser.add_argument("--keyless", action="store_true", help="without the keyed upstreams")
    parser.add_argument(
        "--hostile", type=int, default=0, metavar="N", help="N distinct asks a second, no mix"
    )
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between two asks of one client")
    chosen = parser.parse_args(argv)
    # Most objects live for a second or for the whole day: looking through all of them often finds nothing.
    gc.set_threshold(200_000, 20, 100)
    outcome = asyncio.run(
        simulate(chosen.hours, keys=not chosen.keyless, every_s=chosen.every, hostile=chosen.hostile)
    )
    print("\n\n".join(__doc__.split("\n\n")[2:4]))
    print(table(outcome))
    size = f"{chosen.hours:g} h, {outcome.requests:,} requests"
    wall, busiest = outcome.wall_s, outcome.busiest
    good = [
        claim("upstream limits broken", sum(outcome.breaches.values()), "requests", size, None, None, "0", not outcome.breaches),
        claim("answers 429 or 418", outcome.refused, "answers", size, None, None, "0", outcome.refused == 0),
        claim(
            f"a month of such days, {busiest[0]}", busiest[1], "of what is published", "", None, None, "at most 1",
            busiest[1] <= 1,
        ),
        claim(
            "undocumented answers", len(outcome.crowd.undocumented), "asks", "performed", None, None, "0",
            not outcome.crowd.undocumented,
        ),
    ]  # fmt: skip
    for text in outcome.crowd.undocumented[:5]:
        print("  ", text)
    if not chosen.hostile:
        good.append(
            claim(
                "client requests", outcome.requests, "requests", "upstream calls", outcome.calls, outcome.ratio,
                f"ratio at least {TARGET:g}", outcome.ratio >= TARGET,
            )
        )  # fmt: skip
    print(f"{wall:.0f} s of wall time, {outcome.cpu_s:.0f} s of it on the processor")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
