"""The clients of `bench/budgets.py`: what they ask, how often, and which of it is performed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, islice
from typing import Any

from crypto_dt_source.model.asset import Asset
from crypto_dt_source.model.candle import INTERVAL_MS
from crypto_dt_source.model.errors import CdtsError
from crypto_dt_source.services import asking, books, candles, market, search
from crypto_dt_source.services.runtime import Runtime

from .simulated import DayClock

ZIPF = 1.1
POPULAR, WITH_BOOK, WITH_CANDLES, RARE = 300, 25, 30, 20
INTERVALS = {"1h": 0.4, "1d": 0.3, "15m": 0.15, "5m": 0.1, "1m": 0.05}
MIX = {
    "prices": 0.74,
    "rare prices": 0.01,
    "candles": 0.09,
    "books": 0.04,
    "trades": 0.01,
    "market": 0.03,
    "coins": 0.03,
    "trending": 0.02,
    "categories": 0.01,
    "coin pages": 0.01,
    "search": 0.01,
}
TOGETHER_S = {"books": 2, "trades": 2, "candles": 2, "market": 2, "trending": 2, "coins": 2}
LATER_S, AGAIN_S = 30, 600
DOCUMENTED = {404, 422, 503, 504}

Perform = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Crowd:
    """The clients. `asked` counts requests by kind, `performed` those that ran, `answers` what came of them."""

    rt: Runtime
    clock: DayClock
    rate: float
    seed: int = 5
    asked: Counter[str] = field(default_factory=Counter)
    performed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    rare: list[Asset] = field(default_factory=list)
    listed: list[Asset] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _random: random.Random = field(init=False)
    _zipf: list[float] = field(init=False)
    _assets: list[Asset] = field(default_factory=list)
    _owed: dict[str, float] = field(default_factory=dict)
    _read: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _lane: list[tuple[str, int, Perform]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._zipf = list(accumulate(1 / (n + 1) ** ZIPF for n in range(2000)))
        self._assets = [a for a in islice(self.rt.resolver.ranked(), 2000) if a.kind == "coin"]
        self.rare = [a for a in self._assets if a.id not in self.rt.board.quotes][:RARE]
        self.listed = [a for a in self._assets if self.rt.board.pairs("binance", a.id)]

    def draw(self, most: int, count: int) -> list[Asset]:
        """`count` assets of the largest `most`, popular ones more often."""
        return self.draw_of(self._assets[:most], count)

    def draw_of(self, pool: Sequence[Asset], count: int) -> list[Asset]:
        """`count` of these, the first more often."""
        return self._random.choices(pool, cum_weights=self._zipf[: len(pool)], k=count)

    async def _perform(self, kind: str, times: int, perform: Perform) -> None:
        self.performed[kind] += 1
        try:
            await perform()
        except CdtsError as error:
            self.answers[f"{error.status} {error.code}"] += times
            self.failed[f"{kind}: {error.code}"] += times
            if error.status not in DOCUMENTED or not error.message:
                self.undocumented.append(f"{kind}: {error.status} {error.code}")
        else:
            self.answers["200"] += times

    async def _one_after_the_other(self, lane: Sequence[tuple[str, int, Perform]]) -> None:
        for kind, times, perform in lane:
            await self._perform(kind, times, perform)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.undocumented.append(repr(task.exception()))

    async def rest(self) -> None:
        """Let every ask under way end."""
        while self._tasks:
            await self.clock.advance(1)

    def second(self, n: int) -> None:
        """What the clients ask in one second."""
        for kind, share in MIX.items():
            owed = self._owed.get(kind, 0.0) + self.rate * share
            if n % TOGETHER_S.get(kind, LATER_S):
                self._owed[kind] = owed
                continue
            count = int(owed)
            self._owed[kind] = owed - count
            if count:
                self.asked[kind] += count
                self._ask(kind, count, n)
        lane, self._lane = self._lane, []
        if lane:
            self._start(self._one_after_the_other(lane))

    def _ask(self, kind: str, count: int, n: int) -> None:
        rt = self.rt
        if kind == "prices":
            # Everyone of the popular is asked for; those no one has quoted lately are the ones that can cost a call.
            since = self.clock.now_ms() - rt.freshness.prices * 1000
            touched = rt.board.touched
            names = [a.id for a in self._assets[:POPULAR] if touched.get(a.id, 0) < since]
            if n % 60 == 0:
                names.extend(a.id for a in self.draw(POPULAR, 5))
            self.answers["200"] += count - (1 if names else 0)
            if names:
                self._lane.append((kind, 1, partial(_prices, rt, names)))
            return
        whole: dict[str, Perform] = {
            "market": partial(market.global_market, rt),
            "coins": partial(market.coin_list, rt),
            "trending": partial(market.trending, rt),
            "categories": partial(market.categories, rt),
        }
        if kind in whole:
            self._lane.append((kind, count, whole[kind]))
        elif kind == "search":
            for text, times in Counter(self._random.choices(_TEXTS, k=count)).items():
                self._lane.append((kind, times, partial(search.find, rt, text)))
        elif kind == "candles":
            self._candles(count)
        else:
            of: dict[str, Callable[[Asset], Perform]] = {
                "rare prices": lambda a: partial(_prices, rt, [a.id]),
                "books": lambda a: partial(_book, rt, a),
                "trades": lambda a: partial(books.recent_trades, rt, a, None, limit=100),
                "coin pages": lambda a: partial(market.coin, rt, a),
            }
            pools = {
                "rare prices": self.rare,
                "books": self.listed[:WITH_BOOK],
                "trades": self.listed[: WITH_BOOK // 2],
            }
            for asset, times in Counter(self.draw_of(pools.get(kind, self.listed[:100]), count)).items():
                self._lane.append((kind, times, of[kind](asset)))

    def _candles(self, count: int) -> None:
        now = self.clock.now_ms()
        intervals = self._random.choices(list(INTERVALS), weights=list(INTERVALS.values()), k=count)
        drawn = Counter(zip(self.draw_of(self.listed[:WITH_CANDLES], count), intervals, strict=True))
        for (asset, interval), times in drawn.items():
            open_at = now // INTERVAL_MS[interval]
            seen, at_ms = self._read.get((asset.id, interval), (0, 0))
            if seen == open_at and now - at_ms < AGAIN_S * 1000:
                self.answers["200"] += times
                continue
            self._read[asset.id, interval] = (open_at, now)
            self._lane.append(("candles", times, partial(_candles, self.rt, asset, interval, 100)))

    def hostile_second(self, count: int) -> None:
        """Asks that have nothing in common."""
        pick = self._random
        for _ in range(count):
            kind = pick.choice(("prices", "book", "trades", "candles", "coin page", "search", "list"))
            asset = pick.choice(self.listed if pick.random() < 0.75 else self._assets)
            self.asked[kind] += 1
            self._start(self._perform(kind, 1, self._hostile(kind, asset)))

    def _hostile(self, kind: str, asset: Asset) -> Perform:
        rt, pick = self.rt, self._random
        quote = pick.choice((None, None, "USDT", "USD", "EUR", "BTC"))
        provider = pick.choice(list(rt.gateway.sources)) if pick.random() < 0.4 else None
        if kind == "prices":
            names = [a.id for a in pick.sample(self._assets, min(20, len(self._assets)))]
            return lambda: _prices(rt, names)
        if kind == "book":
            depth = pick.choice((5, 20, 50, 100, 500, 1000))
            return lambda: books.order_book(rt, asset, quote, depth=depth, provider=provider)
        if kind == "trades":
            return lambda: books.recent_trades(
                rt, asset, quote, limit=pick.choice((10, 1000)), provider=provider
            )
        if kind == "candles":
            interval = pick.choice(list(INTERVAL_MS))
            now = rt.clock.now_ms()
            start = now - pick.randrange(1, 2000) * INTERVAL_MS[interval]
            return lambda: candles.candles(
                rt, asset, quote, interval, limit=1000, start_ms=start, end_ms=None, provider=provider
            )
        if kind == "coin page":
            return lambda: market.coin(rt, asset)
        if kind == "search":
            text = "".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=6))
            return lambda: search.find(rt, text)
        page = pick.randrange(1, 80)
        return lambda: market.coin_list(rt, page)


_TEXTS = ("bit", "doge", "ether", "pepe", "usd", "meme", "chain", "moon", "inu", "zzz", "dao", "swap")


async def _prices(rt: Runtime, names: Sequence[str]) -> None:
    answer = await asking.prices(rt, names, "USD")
    if not answer.found and answer.errors:
        raise answer.errors[0][1]


async def _book(rt: Runtime, asset: Asset) -> None:
    await books.order_book(rt, asset, None, depth=20, provider=None)


async def _candles(rt: Runtime, asset: Asset, interval: str, limit: int) -> None:
    await candles.candles(rt, asset, None, interval, limit=limit, start_ms=None, end_ms=None, provider=None)
