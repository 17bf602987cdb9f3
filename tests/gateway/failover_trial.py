"""Asks through a pool over real loopback HTTP while a fault begins at its first source: for the test and the bench."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import aiohttp

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import Gateway, HttpTransport
from crypto_dt_source.gateway.source import Source
from crypto_dt_source.model.ask import Ask, BookAsk, Capability, GlobalAsk, TradesAsk
from crypto_dt_source.model.errors import AllProvidersFailed
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Limit

AMPLE = (Limit(10_000_000, 60),)
"""Failover is measured here, not budgets: those would make the first source step aside."""
BITCOIN = Pair("BTC", "USDT")
ASKS: dict[Capability, Ask] = {
    Capability.BOOK: BookAsk(BITCOIN, 20),
    Capability.TRADES: TradesAsk(BITCOIN, 50),
    Capability.GLOBAL: GlobalAsk(),
}
ROUND = 20
"""Asks of one fresh gateway, the fault beginning among the first half. As many healthy ones go before: from them the first
source's p95 is known, as it is in a service that runs, and they are the measure of the others."""


class Fault(NamedTuple):
    """A fault of the simulator. `how`: `slow` (no answer in time), `error` (an immediate one), or `data` (an answer that
    is whole, for pricing to judge)."""

    name: str
    kind: str
    how: str
    params: dict[str, Any] = {}  # noqa: RUF012 - never changed


FAULTS = (
    Fault("hang", "hang", "slow"),
    Fault("delay 1 s", "delay", "slow", {"ms": 1000}),
    Fault("slow body 5 s", "slow_body", "slow", {"ms": 5000}),
    Fault("reset", "reset", "error"),
    Fault("429 with Retry-After", "429", "error", {"retry_after": 30}),
    Fault("429 without Retry-After", "429_bare", "error"),
    Fault("418", "418", "error"),
    Fault("451", "451", "error"),
    Fault("403 challenge page", "403_challenge", "error"),
    Fault("500", "5xx", "error", {"status": 500}),
    Fault("503", "5xx", "error", {"status": 503}),
    Fault("rate limit inside a 200", "error_200", "error", {"error": "rate_limited_in_200"}),
    Fault("unknown symbol", "error_200", "error", {"error": "unknown_symbol"}),
    Fault("html", "html", "error"),
    Fault("truncated", "truncated", "error"),
    Fault("wrong schema", "wrong_schema", "error"),
    Fault("missing symbols", "missing_symbols", "error", {"symbols": ["BTC"]}),
    Fault("frozen", "frozen", "data"),
    Fault("power of ten", "power_of_ten", "data"),
    Fault("inverted", "inverted", "data"),
    Fault("swapped", "swapped", "data"),
    Fault("clock skew", "clock_skew", "data"),
)


@dataclass
class Outcome:
    """Milliseconds of each ask, healthy ones apart; who answered under the fault; the asks that nobody answered."""

    healthy_ms: list[float] = field(default_factory=list)
    fault_ms: list[float] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class Control:
    """The simulator's control panel."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._panel = f"{address}/__sim__"
        self._session = session

    async def set_fault(self, provider: str, fault: Fault, **options: Any) -> None:
        body = {"provider": provider, "fault": fault.kind, "params": fault.params, **options}
        async with self._session.post(f"{self._panel}/faults", json=body) as response:
            assert response.status == 201, await response.text()

    async def clear(self) -> None:
        async with self._session.delete(f"{self._panel}/faults") as response:
            assert response.status == 200

    async def requests(self) -> dict[str, int]:
        """Requests seen so far, by provider."""
        async with self._session.get(f"{self._panel}/log", params={"since": str(10**17)}) as response:
            counted: dict[str, int] = (await response.json())["counters"]["requests"]
            return counted


def gateway(address: str) -> Gateway:
    """A fresh gateway whose every keyless provider is the simulator's."""
    entries = {
        name: replace(entry, limits=AMPLE) for name, entry in catalog.load().items() if entry.status == "live"
    }
    clock = SystemClock()
    urls = {name: f"{address}/{name}" for name in entries}
    return Gateway(entries, HttpTransport(clock), clock, base_urls=urls)


async def ask(gw: Gateway, capability: Capability) -> tuple[str, float]:
    """Who answered, and the milliseconds it took. Raises AllProvidersFailed."""
    what = ASKS[capability]

    def ask_for(source: Source) -> Ask:
        return what

    begun = gw._clock.monotonic()
    answer = await gw.ask(capability, ask_for)
    elapsed_ms = (gw._clock.monotonic() - begun) * 1000
    if not answer.records:
        raise AllProvidersFailed(f"{answer.provider} had no record")
    return answer.provider, elapsed_ms


async def one_round(
    control: Control, fault: Fault, capability: Capability, draw: random.Random, outcome: Outcome
) -> None:
    """Healthy asks, then ROUND more during which the fault begins at a random instant, in the middle of an ask too."""
    gw = gateway(control.address)
    first = gw.offering(capability)[0].entry.id
    clock = SystemClock()
    try:
        await ask(gw, capability)
        healthy = [(await ask(gw, capability))[1] for _ in range(ROUND)]
        outcome.healthy_ms += healthy
        span_s = sum(healthy) / len(healthy) / 1000 * ROUND / 2

        async def strike() -> None:
            await clock.sleep(draw.uniform(0, span_s))
            await control.set_fault(first, fault)

        striking = asyncio.create_task(strike())
        for _ in range(ROUND):
            try:
                provider, elapsed_ms = await ask(gw, capability)
            except AllProvidersFailed as error:
                outcome.failed.append(f"{error.message} {error.details}")
            else:
                outcome.fault_ms.append(elapsed_ms)
                outcome.answered[provider] = outcome.answered.get(provider, 0) + 1
        await striking
    finally:
        await gw.close()
        await control.clear()


async def trial(
    control: Control, fault: Fault, capability: Capability, asks: int, draw: random.Random
) -> Outcome:
    """At least `asks` asks under one fault, in rounds."""
    outcome = Outcome()
    for _ in range(-(-asks // ROUND)):
        await one_round(control, fault, capability, draw, outcome)
    return outcome


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]
