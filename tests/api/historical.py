"""A service with history in its store, keys of every tier, and requests for exports made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from in_process import Service, service

from crypto_dt_source.model.candle import DAY_MS, HOUR_MS, Candle
from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.services import access
from crypto_dt_source.store import FeedRow, MarketRow, NewsRow, PriceRow, SeriesKey, Store
from crypto_dt_source.store.repos import candles, market, news, prices
from harness import START_MS

PATH = "/api/historical-data"
SERIES = SeriesKey("binance", "BTC", "USDT", "1h")
LAST = START_MS // HOUR_MS * HOUR_MS
CANDLES = [
    Candle(LAST - n * HOUR_MS, 1.5 + n, 9e9, 0.1, 0.1 + 0.2, None if n % 3 else n / 7, 7.0, n or None, n > 0)
    for n in range(100 * 24, -1, -1)
]
REPAIRED = CANDLES[-5]
"""The one that another venue supplied."""
QUERIES = {
    "prices": "dataset=prices&symbol=BTC",
    "ohlcv": "dataset=ohlcv&symbol=BTC",
    "news": "dataset=news",
    "market": "dataset=market",
}
KEYS: dict[str, str] = {}


async def fill(store: Store) -> None:
    """100 days of hourly candles, and a few rows of everything else."""
    at = START_MS - DAY_MS
    await candles.write(store, SERIES, [candle for candle in CANDLES if candle is not REPAIRED])
    await candles.write(store, SERIES, [REPAIRED], source="kraken")
    await prices.write_prices(
        store,
        [
            PriceRow("bitcoin", at, 67000.123, 1.5, 9, 0.01, "ok", "median/1"),
            PriceRow("bitcoin", at + 1, None, None, 2, 12.5, "no_consensus", "median/1"),
        ],
    )
    await market.write(
        store,
        [
            MarketRow(at, name, 67000.5, None, 3.1e12, 8e10, 51.5, None, 17000, -1.25)
            for name in ("coingecko", "coinlore")
        ],
    )
    articles = [
        NewsRow(
            f"id{n}", "feed", f"https://x.test/{n}", f"https://x.test/{n}", None, title, None, None, None, (),
            at + n, True, at + n, f"id{n}", assets,
        )
        for n, (title, assets) in enumerate([("=1+1", ("bitcoin", "ethereum")), ("plain", ("ethereum",)), ("x", ())])
    ]  # fmt: skip
    await news.take(store, FeedRow("feed", None, None, None, at, None), articles)
    score = Score("bullish", 0.7, 0.1, 0.2, 0.7, "positive", "embedded", "r1")
    await news.write_scores(store, [("id0", score, at)])


@asynccontextmanager
async def with_history(folder: Path) -> AsyncIterator[Service]:
    """A service with history, and a key of each tier in KEYS."""
    async with service(folder) as running:
        await fill(running.rt.store)
        for tier in ("free", "pro", "enterprise"):
            KEYS[tier], _ = await access.create(running.rt.access, tier, tier=tier)
        yield running


async def get(api: Service, query: str, tier: str = "enterprise") -> Any:
    return await api.get(f"{PATH}?{query}", x_api_key=KEYS[tier])


class Connection:
    """One request by hand: the client takes `patience` messages and then no more until `more` is released."""

    def __init__(self, api: Service, query: str, patience: int = 10_000) -> None:
        self.messages: list[Any] = []
        self.gone = asyncio.Event()
        self.more = asyncio.Semaphore(patience)
        self.full = asyncio.Event()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": query.encode(),
            "headers": [(b"x-api-key", KEYS["enterprise"].encode())],
            "client": ("192.0.2.1", 1),
            "server": ("service", 80),
            "scheme": "http",
            "root_path": "",
        }
        self.scope = scope
        self.task = asyncio.ensure_future(api.edge(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self.more.locked():
            self.full.set()
        await self.more.acquire()
        self.messages.append(message)

    @property
    def whole(self) -> bool:
        return len(self.messages) > 1 and not self.messages[-1].get("more_body", False)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)
