"""Claim 4: for each fault on the first source of a pool at a random instant, 200 asks: no failed client request; added
time at p99 at most 250 ms for a hang, 20 ms for an immediate error; hedges at most 5 % more upstream calls in health; the
breaker sends exactly one half-open probe.

The real gateway asks the real simulator, which runs in a process of its own, over loopback HTTP. Each fault begins in
the middle of 20 asks of a fresh gateway that knows its sources from 20 healthy ones, again and again until the asks are
made: the first asks under a fault, which alone are slow, are therefore far more than one in a hundred. Added time is the
p99 of the asks during which the fault began, less the p99 of as many healthy ones of the same gateways.

Faults that slow a source down (hang, delay, slow body) are held to the hang's bound. `--capability` asks another pool than
the order books'; `--asks` sets the asks of each fault.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "gateway")]

from failover_trial import FAULTS, Control, Fault, ask, gateway, percentile, trial  # noqa: E402

from crypto_dt_source.cli.simulate import simulator  # noqa: E402
from crypto_dt_source.clock import SystemClock  # noqa: E402
from crypto_dt_source.gateway.health import FIRST_REST_S  # noqa: E402
from crypto_dt_source.model.ask import Capability  # noqa: E402
from crypto_dt_source.telemetry import configure  # noqa: E402

from .report import claim  # noqa: E402

TARGET_MS = {"slow": 250.0, "error": 20.0, "data": 20.0}
CALLERS = 50
HANG = FAULTS[0]


async def faults(control: Control, capability: Capability, asks: int, draw: random.Random) -> bool:
    """Every fault: the asks that failed, and the time added."""
    ok, failed, done = True, 0, 0
    for fault in FAULTS:
        outcome = await trial(control, fault, capability, asks, draw)
        failed += len(outcome.failed)
        done += len(outcome.failed) + len(outcome.fault_ms)
        healthy = percentile(outcome.healthy_ms, 0.99)
        p99 = percentile(outcome.fault_ms, 0.99)
        target = TARGET_MS[fault.how]
        ok &= claim(
            f"{capability.value}: {fault.name}: added at p99 "
            f"(p50 {percentile(outcome.fault_ms, 0.5):.1f} ms after {percentile(outcome.healthy_ms, 0.5):.1f} ms, "
            f"p99 {p99:.1f} ms, {len(outcome.failed)} failed)",
            p99 - healthy,
            "ms",
            "healthy p99",
            healthy,
            None,
            f"<= {target:g} ms",
            p99 - healthy <= target and not outcome.failed,
        )
    name = f"{capability.value}: failed of {done} asks under {len(FAULTS)} faults"
    return ok & claim(name, failed, "asks", "asks", done, None, "0", failed == 0)


async def health(control: Control, capability: Capability, asks: int, tail: Fault | None) -> bool:
    """Upstream calls of healthy asks; with `tail`, one answer in ten of the first source is late."""
    gw = gateway(control.address)
    first = gw.offering(capability)[0].entry.id
    for _ in range(20):
        await ask(gw, capability)
    if tail is not None:
        await control.set_fault(first, tail, p=0.1)
    before = sum((await control.requests()).values())
    for _ in range(asks):
        await ask(gw, capability)
    calls = sum((await control.requests()).values()) - before
    await gw.close()
    await control.clear()
    more = 100 * (calls - asks) / asks
    what = "in health" if tail is None else "with one answer in ten 60 ms late"
    return claim(
        f"{capability.value}: upstream calls more than asks, {what} "
        f"({gw.hedges.hedges} hedges, {gw.hedges.takeovers} takeovers)",
        more,
        "%",
        "asks",
        asks,
        calls / asks,
        "<= 5 %",
        more <= 5,
    )


async def probes(control: Control, capability: Capability) -> bool:
    """Requests a hanging first source sees when its breaker's rest is over and 50 callers come at once."""
    gw = gateway(control.address)
    first = gw.offering(capability)[0].entry.id
    breaker = gw.source(first).breaker
    for _ in range(10):
        await ask(gw, capability)
    await control.set_fault(first, HANG)
    while breaker.state == "closed":
        await ask(gw, capability)
    opened = (await control.requests())[first]
    clock = SystemClock()
    await asyncio.gather(*(ask(gw, capability) for _ in range(CALLERS)))
    resting = (await control.requests())[first] - opened
    await clock.sleep(FIRST_REST_S)
    times = [ms for _, ms in await asyncio.gather(*(ask(gw, capability) for _ in range(CALLERS)))]
    times += [ms for _, ms in await asyncio.gather(*(ask(gw, capability) for _ in range(CALLERS)))]
    seen = (await control.requests())[first] - opened - resting
    await gw.close()
    await control.clear()
    ok = claim(
        f"{capability.value}: requests to an open breaker's host",
        resting,
        "",
        "callers",
        CALLERS,
        None,
        "0",
        resting == 0,
    )
    name = f"{capability.value}: half-open probes (the slowest of the callers waited {max(times):.0f} ms)"
    return ok & claim(name, seen, "", "callers", 2 * CALLERS, None, "1", seen == 1)


async def run(capabilities: Sequence[Capability], asks: int, seed: int) -> bool:
    late = Fault("late", "delay", "slow", {"ms": 60})
    ok = True
    async with simulator(seed) as address, aiohttp.ClientSession() as session:
        control = Control(address, session)
        for capability in capabilities:
            draw = random.Random(seed)
            ok &= await faults(control, capability, asks, draw)
            ok &= await health(control, capability, 5 * asks, None)
            ok &= await health(control, capability, 2 * asks, late)
            ok &= await probes(control, capability)
    return ok


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.failover")
    parser.add_argument("--asks", type=int, default=200, help="asks under each fault (default 200)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--capability",
        action="append",
        choices=["book", "trades", "global"],
        help="the pool that is asked, may be repeated (default book)",
    )
    options = parser.parse_args(argv)
    configure("ERROR")
    chosen = [Capability(name) for name in options.capability or ["book"]]
    return 0 if asyncio.run(run(chosen, options.asks, options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
