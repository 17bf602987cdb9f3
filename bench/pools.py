"""What ordering an ask by pools costs, against the plain order of ranks in the same run.

    python -m bench.pools [--rounds 4000]

The sources are all of the catalogue that offer order books without a key. Plain is what the gateway did before there were
pools: the sources by rank, in a queue. The rest is what a pool adds to it for each strategy: arranging the queue and taking
a turn for the call that is sent, and noting how the ask ended where the first of them failed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import Gateway
from crypto_dt_source.gateway.source import Source
from crypto_dt_source.model.answer import Tried
from crypto_dt_source.model.ask import BookAsk, Capability
from crypto_dt_source.model.pool import STRATEGIES, Pool
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.kit import Reply, Request

from .report import claim

BATCH = 50
UNTOUCHED_US, STRATEGY_US = 10.0, 200.0
"""Targets: microseconds added to an ask. An upstream takes a thousand times that."""
ASK = BookAsk(Pair("BTC", "USD"))


class Nobody:
    """A transport that is never asked."""

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        raise AssertionError("no call is sent here")

    async def close(self) -> None:
        return None


def gateway() -> Gateway:
    """Every entry that needs no key, with latencies as a day of asks leaves them."""
    made = Gateway(catalog.load(), Nobody(), SystemClock())
    for number, source in enumerate(made.sources.values()):
        for sample in range(64):
            source.health.succeeded(Capability.BOOK, 20.0 + number % 7 + sample % 5, 0)
    return made


def queue_of(sources: Sequence[Source]) -> deque[tuple[Source, Any]]:
    return deque((source, ASK) for source in sources)


def plain(gw: Gateway) -> None:
    """The order of ranks alone."""
    queue_of(gw.ranked(Capability.BOOK))


def ordered(gw: Gateway, *, failed: bool) -> None:
    """The same, lined up by pools; the first source answers, or the second after the first `failed`."""
    sources = gw.ranked(Capability.BOOK)
    line = gw.pools.line(Capability.BOOK, sources)
    queue = line.arrange(queue_of(sources), ())
    first, second = queue[0][0].entry.id, queue[1][0].entry.id
    line.sent(first)
    tried = [Tried(first, None, 1.0)]
    if failed:
        line.sent(second)
        tried = [Tried(first, "upstream_timeout", 1.0), Tried(second, None, 1.0)]
    gw.pools.ended(line, tried, tried[-1].provider)


def took_us(work: Callable[[], None], rounds: int) -> float:
    """Microseconds of one, in the batch that was least disturbed."""
    times = []
    for _ in range(max(1, rounds // BATCH)):
        begun = time.perf_counter_ns()
        for _ in range(BATCH):
            work()
        times.append((time.perf_counter_ns() - begun) / BATCH / 1000)
    return min(times)


def measure(rounds: int) -> bool:
    """A claim for each strategy."""
    gw = gateway()
    count = len(gw.ranked(Capability.BOOK))
    cases: list[tuple[str, list[Pool], bool]] = [("no pool changed", [], False)]
    cases += [
        (strategy, [Pool("exchanges", "Exchanges", "exchanges", strategy)], False) for strategy in STRATEGIES
    ]
    cases.append(("priority, the first one failed", [Pool("exchanges", "Exchanges", "exchanges")], True))
    ok = True
    for name, pools, failed in cases:
        gw.pools.take_up(pools, [])
        ordered(gw, failed=failed)
        reference = took_us(lambda: plain(gw), rounds)
        whole = took_us(lambda failed=failed: ordered(gw, failed=failed), rounds)  # type: ignore[misc]
        target = STRATEGY_US if pools else UNTOUCHED_US
        ok &= claim(
            f"order of {count} sources: {name}: added by pools",
            whole - reference,
            "µs",
            "order of ranks",
            reference,
            whole / reference,
            f"<= {target:g} µs",
            whole - reference <= target,
        )
    return ok


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pools")
    parser.add_argument("--rounds", type=int, default=4000, help="orders of each kind (default 4000)")
    options = parser.parse_args(argv)
    gc.disable()
    return 0 if measure(options.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
