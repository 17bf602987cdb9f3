"""Assets no venue quotes: asked of the aggregators when someone wants them, many in one call, each once for everybody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, NamedTuple, cast

from ..clock import Clock
from ..gateway.source import Source
from ..model.answer import Record
from ..model.ask import Ask, Capability, QuotesAsk
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed
from ..model.quote import Quote
from .allowance import STRANGERS, Allowance

if TYPE_CHECKING:
    from .runtime import Runtime

GATHER_S = 0.02
"""How long the first of a batch waits for others."""
BATCH = 100
RETRY_S = 60.0
"""An asset that was asked for is not asked for again sooner; one that nobody knew rests twice as long each time."""
LONGEST_S = 3600.0
FAILED_S = 5.0
"""The same when nobody answered."""
RENEW_EVERY_S = 240.0
"""Prices that went stale are asked for together, this often: their age stays near the five minutes a quote counts."""
REMEMBERED = 10_000
BATCHES_PER_S, BATCHES_AT_ONCE = 1 / 30, 20.0
"""Batches people cause, so that asking for one unknown asset after the other does not use up a month's calls."""
RENEWED = 200
"""Assets of one renewal in the background."""
WAITING = 2_000
"""Assets waiting at once; more are refused until a batch is done."""

Fetch = Callable[[Sequence[Asset]], Awaitable[frozenset[str]]]


class _Tried(NamedTuple):
    until: float
    failure: AllProvidersFailed | None
    rest_s: float = 0.0


class OnDemand:
    """One batch at a time. `fetch` puts what it finds on the board and gives its ids; it raises AllProvidersFailed when
    nobody answered.
    `packaged` says which assets may use the whole allowance. `close` ends a batch under way."""

    def __init__(
        self, fetch: Fetch, clock: Clock, packaged: Callable[[str], bool] = lambda asset_id: False
    ) -> None:
        self._fetch = fetch
        self._packaged = packaged
        self._clock = clock
        self._wanted: dict[str, Asset] = {}
        self._stale: dict[str, Asset] = {}
        self._tried: OrderedDict[str, _Tried] = OrderedDict()
        self._done: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._renew_at = 0.0
        self._allowance = Allowance(clock, BATCHES_PER_S, BATCHES_AT_ONCE)
        self.batches = 0

    async def want(self, assets: Sequence[Asset]) -> tuple[AllProvidersFailed | None, bool]:
        """Ask for assets nobody asked for lately and wait for the outcome; gives the failure when nobody could answer,
        and whether anybody was asked."""
        waited = False
        while fresh := [a for a in assets if self._may_ask(a.id)]:
            if waited and not any(a.id in self._wanted for a in fresh):
                break
            if len(self._wanted) < WAITING:
                self._wanted.update((a.id, a) for a in fresh)
            if self._done is None:
                self._done = asyncio.get_running_loop().create_future()
            done = self._done
            self._start()
            await asyncio.shield(done)
            waited = True
        tried = (self._tried.get(a.id) for a in assets)
        return next((t.failure for t in tried if t is not None and t.failure is not None), None), waited

    def renew(self, assets: Sequence[Asset]) -> None:
        """Ask again for assets whose price went stale, some minutes from now at most, without waiting."""
        for asset in assets:
            if len(self._stale) < WAITING and self._may_ask(asset.id):
                self._stale[asset.id] = asset
        if self._stale and self._clock.monotonic() >= self._renew_at:
            self._start()

    def due(self, assets: Iterable[Asset]) -> list[Asset]:
        """Those that may be asked for again now."""
        return [asset for asset in assets if self._may_ask(asset.id)]

    def note(self, batch: Iterable[Asset], found: frozenset[str]) -> None:
        """Take in the outcome of a batch that was asked for elsewhere."""
        for asset in batch:
            self._note(asset.id, asset.id in found)

    def _may_ask(self, asset_id: str) -> bool:
        tried = self._tried.get(asset_id)
        return tried is None or tried.until <= self._clock.monotonic()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="on-demand prices")

    async def _run(self) -> None:
        try:
            while self._wanted or self._clock.monotonic() >= self._renew_at:
                await self._clock.sleep(GATHER_S)
                # Half of the allowance is kept for assets everybody knows: one client can list thousands of others.
                known = [key for key in self._wanted if self._packaged(key)]
                if self._wanted and not self._allowance.spend(1.0 if known else STRANGERS):
                    self._refuse()
                    continue
                first = list(dict.fromkeys([*known, *self._wanted]))[:BATCH]
                batch = [self._wanted.pop(key) for key in first]
                batch += [self._stale.pop(key) for key in list(self._stale)[: BATCH - len(batch)]]
                done, self._done = self._done, None
                self._renew_at = self._clock.monotonic() + RENEW_EVERY_S
                try:
                    if batch:
                        await self._one(list({a.id: a for a in batch}.values()))
                finally:
                    if done is not None and not done.done():
                        done.set_result(None)
        finally:
            self._task = None
            if self._done is not None and not self._done.done():
                self._done.set_result(None)

    async def _one(self, batch: Sequence[Asset]) -> None:
        found: frozenset[str] = frozenset()
        failure: AllProvidersFailed | None = None
        self.batches += 1
        try:
            found = await self._fetch(batch)
        except AllProvidersFailed as error:
            failure = error
        now = self._clock.monotonic()
        for asset in batch:
            before = self._tried.get(asset.id)
            if failure is not None:
                self._remember(asset.id, _Tried(now + FAILED_S, failure, before.rest_s if before else 0.0))
            else:
                self._note(asset.id, asset.id in found)

    def _note(self, asset_id: str, found: bool) -> None:
        now = self._clock.monotonic()
        if found:
            self._remember(asset_id, _Tried(now + RETRY_S, None))
            return
        before = self._tried.get(asset_id)
        rest_s = min(max(RETRY_S, 2 * before.rest_s if before else 0.0), LONGEST_S)
        # To the next full minute: those that rest end it together, in one batch.
        self._remember(asset_id, _Tried((now + rest_s) // RETRY_S * RETRY_S + RETRY_S, None, rest_s))

    def _refuse(self) -> None:
        """No batch now: whoever waits is told to come back."""
        now = self._clock.monotonic()
        for asset_id in self._wanted:
            before = self._tried.get(asset_id)
            self._remember(asset_id, _Tried(now + FAILED_S, None, before.rest_s if before else 0.0))
        self._wanted.clear()
        done, self._done = self._done, None
        if done is not None and not done.done():
            done.set_result(None)

    def _remember(self, asset_id: str, tried: _Tried) -> None:
        self._tried[asset_id] = tried
        self._tried.move_to_end(asset_id)
        while len(self._tried) > REMEMBERED:
            self._tried.popitem(last=False)

    async def close(self) -> None:
        """Cancel the batch under way and wait for it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


async def renew_asked(rt: Runtime) -> int:
    """Ask again for assets someone asked for whose newest quote is past the price TTL, because no venue quotes them: of
    the scheduled work's share of the budgets, the longest unrenewed first, RENEWED at once. Gives how many were found.
    Raises AllProvidersFailed."""
    now = rt.clock.now_ms()
    stale: list[tuple[int, Asset]] = []
    for asset_id in rt.pricer.asked:
        asset = rt.resolver.by_id(asset_id)
        newest = max((held.quote.received_ms for held in rt.board.of(asset_id)), default=0)
        if asset is not None and now - newest >= rt.freshness.prices * 1000:
            stale.append((newest, asset))
    stale.sort(key=lambda pair: pair[0])
    batch = rt.on_demand.due(asset for _, asset in stale)[:RENEWED]
    if not batch:
        return 0
    found = await fetch_assets(rt, batch, background=True)
    rt.on_demand.note(batch, found)
    return len(found)


def _plenty(source: Source) -> float:
    """Calls a month, the most first: what is renewed all day must not use up the smallest quota."""
    return min((limit.amount for limit in source.entry.limits if limit.per_s > 86_400), default=inf)


async def fetch_assets(rt: Runtime, assets: Sequence[Asset], *, background: bool = False) -> frozenset[str]:
    """Quotes of these assets from the aggregators onto the board, each asked only for what is still missing (in the
    background whoever allows most calls first); gives the ids of those found. Raises AllProvidersFailed when nobody answered."""

    def ask_for(source: Source, *, missing: frozenset[Hashable]) -> Ask | None:
        if source.entry.kind != "aggregator":
            return None
        ids = [rt.resolver.native_id(str(asset), source.entry.source) for asset in sorted(map(str, missing))]
        known = tuple(i for i in ids if i is not None)
        return QuotesAsk(ids=known) if known else None

    def key_of(record: Record) -> Hashable | None:
        quote = cast(Quote, record)
        family = rt.gateway.source(quote.provider).entry.source
        asset = rt.resolver.native(family, quote.symbol)
        return asset.id if asset is not None else None

    ordered = rt.gateway.offering(Capability.QUOTES)
    if background:
        ordered.sort(key=_plenty, reverse=True)
    found, answers = await rt.gateway.gather_missing(
        Capability.QUOTES,
        [a.id for a in assets],
        ask_for,
        key_of,
        # People are answered by whom the pools choose.
        providers=[s.entry.id for s in ordered] if background else None,
        background=background,
    )
    for answer in answers:
        rt.board.update(answer.provider, cast("tuple[Quote, ...]", answer.records))
    return frozenset(map(str, found))
