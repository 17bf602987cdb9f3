"""ccxt pro's and cryptofeed's readers of the same frames, as their own receive loops call them, without a network.

ccxt pro: `Client.handle_message`, which takes a message of aiohttp, unzips and decodes it and hands it to the exchange's
`handle_message`; markets are set beforehand. Its receive loop makes a task for each message on top of it: that is left out,
and so is waking whoever waits in `watch_…`. cryptofeed: `Feed.message_handler`, awaited, with callbacks that only count;
symbols are set beforehand, and books are not asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.quote import Quote

from .stream_frames import Recording, records_of

CCXT_NAMES = {"coinbase_exchange": "coinbaseexchange", "crypto_com": "cryptocom"}
CRYPTOFEED_NAMES = {
    "binance": "Binance", "okx": "OKX", "bybit": "Bybit", "bitstamp": "Bitstamp", "bitfinex": "Bitfinex",
    "kucoin": "KuCoin", "gate": "Gateio", "crypto_com": "CryptoDotCom", "htx": "Huobi",
}  # fmt: skip
"""Its Coinbase speaks another venue's format (Advanced Trade), its Kraken the first version of the socket API."""
URLS = {"bybit": "wss://stream.bybit.com/v5/public/spot"}
"""Where the address says what a name means."""

KUCOIN_TOKEN = {
    "data": {"token": "none", "instanceServers": [{"endpoint": "wss://kucoin", "pingInterval": 18_000}]}
}

Record = Quote | Trade


class Ccxt:
    """One venue of ccxt pro. Must be made while a loop runs; `close` at the end."""

    name = "ccxt pro"

    def __init__(self, recording: Recording, known: Sequence[Record]) -> None:
        import ccxt.pro

        venue = recording.venue
        self._recording = recording
        self._exchange = getattr(ccxt.pro, CCXT_NAMES.get(venue, venue))({"enableRateLimit": False})
        self._exchange.set_markets([self._market(record) for record in {r.symbol: r for r in known}.values()])
        self._client = self._exchange.client(URLS.get(venue, f"wss://{venue}"))
        self._client.gunzip = recording.zipped
        self.reads(self.messages(recording.opening()))

    def _market(self, record: Record) -> dict[str, Any]:
        symbol, base, quote = record.symbol, record.base, record.quote
        market: dict[str, Any] = self._exchange.safe_market_structure(
            {
                "id": symbol, "lowercaseId": symbol.lower(), "symbol": f"{base}/{quote}", "base": base, "quote": quote,
                "baseId": base, "quoteId": quote, "type": "spot", "spot": True, "active": True,
                "swap": False, "future": False, "option": False, "contract": False,
                "info": {"wsname": f"{base}/{quote}"},
            }
        )  # fmt: skip
        return market

    def messages(self, frames: Sequence[str | bytes]) -> list[Any]:
        """Frames as aiohttp hands them on."""
        from aiohttp import WSMessage, WSMsgType

        return [
            WSMessage(WSMsgType.TEXT if isinstance(frame, str) else WSMsgType.BINARY, frame, None)
            for frame in frames
        ]

    def reads(self, messages: Sequence[Any]) -> None:
        """Read every message."""
        handle = self._client.handle_message
        for message in messages:
            handle(message)

    def agrees(self, frame: str | bytes, record: Record) -> bool:
        """Whether it reads the same last price in a frame."""
        told: list[Any] = []
        resolve = self._client.resolve
        self._client.resolve = lambda result, name: told.append(result)
        try:
            self.reads(self.messages([frame]))
        finally:
            self._client.resolve = resolve
        return any(_price(result, record) == record.price for result in told)

    async def close(self) -> None:
        """End what it began."""
        await self._exchange.close()


def _price(result: Any, record: Record) -> float | None:
    """The last price in what ccxt tells whoever waits."""
    if isinstance(record, Quote):
        told = result if isinstance(result, dict) else {}
        # One ticker, or several by symbol.
        price = (
            told["last"] if "last" in told else next((r["last"] for r in told.values() if "last" in r), None)
        )
    else:
        row = result[len(result) - 1] if isinstance(result, list) and len(result) else {}
        price = row.get("price")
    return None if price is None else float(price)


class Cryptofeed:
    """One connection of a venue of cryptofeed. Must be made while a loop runs."""

    name = "cryptofeed"

    def __init__(self, recording: Recording, known: Sequence[Record]) -> None:
        import cryptofeed.exchanges
        from cryptofeed.defines import TICKER, TRADES
        from cryptofeed.symbols import Symbols

        logging.getLogger("feedhandler").setLevel(logging.CRITICAL)
        made = getattr(cryptofeed.exchanges, CRYPTOFEED_NAMES[recording.venue])
        names = {f"{r.base}-{r.quote}": r.symbol for r in known}
        if recording.venue == "bybit":  # tells spot from contracts of the same name
            names = {f"{r.base}-{r.quote}": f"{r.base}/{r.quote}" for r in known}
        Symbols.set(made.id, names, {"instrument_type": dict.fromkeys(names, "spot")})
        if recording.venue == "kucoin":  # asks for a token when it is made
            made.http_sync = SimpleNamespace(write=lambda *_, **__: KUCOIN_TOKEN)
        self.count = 0
        callbacks = {TICKER: self._take, TRADES: self._take}
        channels = [name for name in (TICKER, TRADES) if name in made.websocket_channels]
        self._feed = made(symbols=list(names), channels=channels, callbacks=callbacks)
        self._connection = SimpleNamespace(
            uuid="one", address=URLS.get(recording.venue, "wss://venue"), subscription=self._feed.subscription
        )
        self._opening = [f for f in recording.opening() if any(f'"symbol":"{r.symbol}"' in f for r in known)]

    async def _take(self, record: Any, received: float) -> None:
        self.count += 1
        self._newest = record

    async def open(self) -> Cryptofeed:
        """Read what opens a connection."""
        await self.reads(self._opening)
        return self

    async def reads(self, frames: Sequence[str | bytes]) -> None:
        """Read every frame."""
        handle, connection, clock = self._feed.message_handler, self._connection, time.time
        for frame in frames:
            await handle(frame, connection, clock())

    async def agrees(self, frame: str | bytes, record: Record) -> bool:
        """Whether it reads the same price in a frame; its tickers have the best bid alone."""
        from cryptofeed.exceptions import MissingSequenceNumber, UnsupportedSymbol

        before = self.count
        try:
            await self.reads([frame])
        except (LookupError, ValueError, TypeError, AttributeError, MissingSequenceNumber, UnsupportedSymbol):
            return False
        if self.count == before:
            return False
        told = self._newest
        return float(told.bid if isinstance(record, Quote) else told.price) == (
            record.bid if isinstance(record, Quote) else record.price
        )


def known_in(recording: Recording, frames: Sequence[str]) -> list[Record]:
    """The last record of each frame, each read by a new session of ours."""
    return [records_of(recording.session(), recording.wire([frame])[0])[-1] for frame in frames]
