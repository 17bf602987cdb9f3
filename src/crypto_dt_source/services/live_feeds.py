"""Which streams are read, and what is asked of each: the largest assets always, others while somebody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import cast

from ..gateway.feed import Feed
from ..gateway.feed_events import Status
from ..gateway.sockets import Connector
from ..model.ask import CandlesAsk
from ..model.asset import Asset, Instrument
from ..model.candle import MINUTE_MS, Candle
from ..model.errors import CdtsError, UpstreamError
from ..model.quote import Pair
from ..providers import catalog
from ..providers.catalog import Entry
from ..providers.streaming import Opening, Stream, Topic
from ..store import SeriesKey
from ..store.repos import candles as candle_repo
from ..stream import Event, Hub
from ..telemetry import logger
from . import collect, persist
from .board import CRYPTO_QUOTES
from .live import LiveMarket, symbol_of
from .live_candles import Series, closed_candle
from .live_channels import ChannelTeller
from .runtime import Runtime

log = logger("live")
LOOK_S = 1.0
"""How often it is looked whether other assets are listened to."""
LISTED_S = 3.0
"""How long a look waits for a venue's list of pairs."""
LINGER_S = 60.0
"""An asset nobody listens to any more is streamed for so long still."""
MOST_ASKED = 500
"""Assets beyond the top that are streamed at a time."""
CLEARLY = 1.5
"""How many times the volume of the pair that is streamed another one must have to take its place."""
CANDLE_WAIT_S = 2.0
"""How long after a minute's end the venue is asked for its own candle of it."""
TOKEN_S = 2.0
"""How long an address of a stream is waited for, where the venue's API gives it."""
TOKEN_KEPT_S = 12 * 3600.0
"""An address that was given is good for 24 h (https://www.kucoin.com/docs-new/websocket-api/base-info/introduction); it is
used again for half of that when no other can be had."""
BY_SYMBOL = ("prices", "trades", "candles")


class LiveFeeds:
    """Owns the feeds of every venue in use that has a stream. `start` once, `stop` once."""

    def __init__(
        self,
        rt: Runtime,
        live: LiveMarket,
        hub: Hub,
        connector: Connector,
        *,
        top: int,
        urls: Mapping[str, str],
    ) -> None:
        self._rt = rt
        self._live = live
        self._hub = hub
        self._connector = connector
        self._top = top
        self._asked: dict[str, float] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._lists: dict[str, tuple[Sequence[Instrument], frozenset[Pair]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.feeds: dict[str, Feed] = {}
        state = rt.sessions.state
        state.of["trades"] = live.recent_trades
        state.of["candles"] = live.candle_of
        self._teller = ChannelTeller(rt, state)
        for entry in streaming(rt):
            chosen = not entry.ws_url or entry.id in urls
            if not chosen and (why := rt.gateway.policy.reach.closed(entry.ws_url)) is not None:
                log.info("a stream cannot be reached from here", provider=entry.id, reason=why)
                continue
            stream = catalog.stream(entry.stream)
            opening = _opening(rt, entry, stream, urls.get(entry.id, entry.ws_url))
            self.feeds[entry.id] = Feed(entry.id, stream, opening, connector, rt.clock, live.take)

    def start(self) -> None:
        """Begin to stream and to publish."""
        for name, work in (
            ("publishes prices", self._live.run()),
            ("asks streams", self._follow()),
            ("closes candles", self._close_candles()),
            ("tells channels", self._teller.run()),
        ):
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(_ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(feed.close() for feed in self.feeds.values()))
        await self._connector.close()

    def status(self) -> list[Status]:
        """How each feed does."""
        return [feed.status() for feed in self.feeds.values()]

    def healthy(self, provider: str) -> bool:
        """Whether a venue's stream delivers all that is wanted of it."""
        feed = self.feeds.get(provider)
        return feed is not None and feed.status().state == "live"

    async def drop(self, provider: str) -> None:
        """End a venue's stream, where there is one: it left the catalogue."""
        feed = self.feeds.pop(provider, None)
        if feed is not None:
            await feed.close()

    async def _follow(self) -> None:
        """Keep what is subscribed in step with who listens."""
        while True:
            assets = self._wanted()
            shown = self._hub.wanted("trades") | self._hub.wanted("candles")
            # Together: a venue whose list of pairs takes long keeps no other waiting for its first quote.
            await asyncio.gather(*(self._want(provider, assets, shown) for provider in self.feeds))
            await self._rt.clock.sleep(LOOK_S)

    async def _want(self, provider: str, assets: Sequence[Asset], shown: Set[str]) -> None:
        feed = self.feeds.get(provider)
        if feed is None:
            return
        listing = asyncio.ensure_future(self._topics(provider, assets, shown, feed.stream))
        # One that takes longer is taken up at the next look: the list is kept.
        done, _ = await asyncio.wait({listing}, timeout=LISTED_S)
        if not done:
            listing.cancel()
            await asyncio.wait({listing})
            return
        try:
            feed.want(listing.result())
        except CdtsError as error:
            log.debug("a venue's pairs are not known", provider=provider, reason=error.message)

    def _wanted(self) -> list[Asset]:
        """The largest assets, then those that are or were just listened to."""
        rt, now = self._rt, self._rt.clock.monotonic()
        for channel in BY_SYMBOL:
            for ticker in self._hub.wanted(channel):
                self._asked[ticker] = now
        for ticker in [t for t, at in self._asked.items() if now - at > LINGER_S]:
            del self._asked[ticker]
        found = {asset.id: asset for asset in islice(rt.resolver.ranked(), self._top)}
        for ticker in sorted(self._asked, key=lambda t: -self._asked[t])[:MOST_ASKED]:
            by_id = rt.resolver.by_id(ticker)
            for asset in rt.resolver.by_ticker(ticker)[:1] or ([by_id] if by_id else []):
                found.setdefault(asset.id, asset)
        return list(found.values())

    async def _topics(
        self, provider: str, assets: Sequence[Asset], shown: Set[str], stream: Stream
    ) -> list[Topic]:
        """Tickers of every asset the venue lists, of the pair that counts in its price; trades of those somebody sees the
        trades or candles of (`shown`), and of the largest ten. None of a venue that is switched off."""
        source = self._rt.gateway.sources.get(provider)
        if source is None or not source.enabled:
            return []
        pairs = await self._listed(provider)
        tickers: list[Topic] = []
        trades: list[Topic] = []
        for place, asset in enumerate(assets):
            pair = self._pair(provider, asset, pairs)
            if pair is None:
                continue
            if "ticker" in stream.channels:
                tickers.append(Topic("ticker", pair))
            if symbol_of(self._rt.resolver, asset) in shown or place < 10 or "ticker" not in stream.channels:
                trades.append(Topic("trades", pair))
        return tickers + trades

    async def _listed(self, provider: str) -> frozenset[Pair]:
        """A venue's pairs in use; made anew only from another list, of which there is one a day."""
        instruments = await collect.instruments(self._rt, provider)
        held = self._lists.get(provider)
        if held is None or held[0] is not instruments:
            held = (instruments, frozenset(Pair(i.base, i.quote) for i in instruments if i.active))
            self._lists[provider] = held
        return held[1]

    def _pair(self, provider: str, asset: Asset, listed: Set[Pair]) -> Pair | None:
        """The pair of an asset to stream: the one whose quote counts for the venue in the consensus, its most liquid
        against money; before the first poll the one in its usual quote currency. A choice stays until another pair is
        clearly more liquid."""
        held = {
            Pair(h.base, h.quote.currency): (h.quote.currency not in CRYPTO_QUOTES, h.quote.volume or 0.0)
            for h in self._rt.board.pairs(provider, asset.id)
        }
        known = {pair: standing for pair, standing in held.items() if pair in listed}
        before = self._pairs.get((provider, asset.id))
        if before in listed and before not in known:
            # Its stream stalled, so that it is off the board: it is wanted back.
            return before
        if known:
            best = max(known, key=lambda pair: (known[pair], pair))
            if before in known and known[before][0] == known[best][0]:
                best = best if known[best][1] > CLEARLY * known[before][1] else before
            self._pairs[provider, asset.id] = best
            return best
        usual = (Pair(asset.ticker, quote) for quote in self._rt.entries[provider].quotes_in)
        return next((pair for pair in usual if pair in listed), None)

    async def _close_candles(self) -> None:
        """Put the venue's own candle in the place of the one that was built, and publish it."""
        clock = self._rt.clock
        while True:
            await clock.sleep(LOOK_S)
            done, self._live.candles.closed = self._live.candles.closed, []
            wanted = [(t, s, at) for t, s, at in done if self._hub.listened("candles", t)]
            if not wanted:
                continue
            await clock.sleep(CANDLE_WAIT_S)
            await asyncio.gather(*(self._close_one(ticker, series, at) for ticker, series, at in wanted))

    async def _close_one(self, ticker: str, series: Series, open_ms: int) -> None:
        rt = self._rt
        ask = CandlesAsk(series.pair, "1m", open_ms, open_ms + MINUTE_MS, 1)
        try:
            answer = await rt.gateway.ask_one(series.provider, ask, background=True)
        except CdtsError as error:
            log.debug("no candle of the venue's own", provider=series.provider, reason=error.message)
            return
        found = [c for c in cast("tuple[Candle, ...]", answer.records) if c.open_ms == open_ms and c.closed]
        if not found:
            return
        with persist.best_effort():
            key = SeriesKey(series.provider, series.pair.base, series.pair.quote, "1m")
            await candle_repo.write(rt.store, key, found)
        rt.bus.publish(Event("candles", ticker, closed_candle(series, found[0]), rt.clock.now_ms()))


def _ended(task: asyncio.Task[None]) -> None:
    """These tasks end only when they are cancelled or have a bug."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("the live market crashed", task=task.get_name(), exc_info=error)


def streaming(rt: Runtime) -> Iterable[Entry]:
    """Entries in use that have a stream."""
    return [source.entry for source in rt.gateway.sources.values() if source.entry.stream]


def _opening(rt: Runtime, entry: Entry, stream: Stream, url: str) -> Callable[[], Awaitable[Opening]]:
    """Where to connect: the entry's address, or what the venue's REST API says."""

    async def fixed() -> Opening:
        return Opening(url)

    held: list[tuple[float, Opening]] = []

    async def told() -> Opening:
        assert stream.token is not None  # noqa: S101 - chosen below
        request, read = stream.token
        now = rt.clock.monotonic()
        try:
            source = rt.gateway.source(entry.id)
            opening = read(await source.plain(request, patience_s=TOKEN_S / 2, timeout_s=TOKEN_S))
            held[:] = [(now, opening)]
        except UpstreamError:
            # The API may be resting while the stream is back: an address that was given not long ago still opens it.
            if not held or now - held[0][0] > TOKEN_KEPT_S:
                raise
            opening = held[0][1]
        # Where the operator points the stream elsewhere, the token still comes from the REST address.
        return opening._replace(url=f"{url}?{opening.url.partition('?')[2]}") if url else opening

    return fixed if stream.token is None else told
