"""Which streams are read, and what is asked of each: the largest assets always, others while somebody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from itertools import islice

from ..gateway.feed import Feed
from ..gateway.feed_events import Status
from ..gateway.sockets import Connector, check_told
from ..model.asset import Asset, Instrument
from ..model.errors import CdtsError, UpstreamError
from ..model.quote import Pair
from ..providers import catalog
from ..providers.catalog import Entry
from ..providers.streaming import Opening, Stream, Topic
from ..stream import Hub
from ..telemetry import logger
from . import collect
from .board import CRYPTO_QUOTES
from .endless import Endless
from .live import LiveMarket, symbol_of
from .live_channels import ChannelTeller
from .live_closing import CandleCloser
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
TRADED_TOP = 10
"""The largest assets of the top, whose trades are always streamed."""
CLEARLY = 1.5
"""How many times the volume of the pair that is streamed another one must have to take its place."""
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
        self._urls = urls
        self._asked: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        """When somebody last listened, by symbol: to anything, and to trades or candles."""
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._lists: dict[str, tuple[Sequence[Instrument], frozenset[Pair]]] = {}
        self._endless = Endless(rt.clock, "live", "the live market crashed")
        self._unreachable: set[str] = set()
        self.feeds: dict[str, Feed] = {}
        state = rt.sessions.state
        state.of["trades"] = live.recent_trades
        state.of["candles"] = live.candle_of
        self._teller = ChannelTeller(rt, state)
        self._closer = CandleCloser(rt, live.candles, hub)
        self._take_up()

    def _take_up(self) -> None:
        """A feed for each entry with a stream that has none, also for one that came back to the catalogue."""
        rt = self._rt
        for entry in streaming(rt):
            if entry.id in self.feeds or entry.id in self._unreachable:
                continue
            chosen = not entry.ws_url or entry.id in self._urls
            if not chosen and (why := rt.gateway.policy.reach.closed(entry.ws_url)) is not None:
                log.info("a stream cannot be reached from here", provider=entry.id, reason=why)
                self._unreachable.add(entry.id)
                continue
            stream = catalog.stream(entry.stream)
            opening = _opening(rt, entry, stream, self._urls.get(entry.id, entry.ws_url))
            self.feeds[entry.id] = Feed(entry.id, stream, opening, self._connector, rt.clock, self._live.take)

    def start(self) -> None:
        """Begin to stream and to publish."""
        for name, work in (
            ("publishes prices", self._live.run),
            ("asks streams", self._follow),
            ("closes candles", self._closer.run),
            ("tells channels", self._teller.run),
        ):
            self._endless.begin(name, work)

    async def stop(self) -> None:
        """End everything."""
        await self._endless.stop()
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
            self._take_up()
            assets = self._wanted()
            shown = self._shown.keys()
            # Together: a venue whose list of pairs takes long keeps no other waiting for its first quote.
            await asyncio.gather(*(self._want(provider, assets, shown) for provider in self.feeds))
            await self._rt.clock.sleep(LOOK_S)

    async def _want(self, provider: str, assets: Sequence[Asset], shown: Set[str]) -> None:
        feed = self.feeds.get(provider)
        if feed is None:
            return
        listing = asyncio.ensure_future(self._topics(provider, assets, shown, feed.stream))
        try:
            # One that takes longer is taken up at the next look: the list is kept.
            done, _ = await asyncio.wait({listing}, timeout=LISTED_S)
        finally:
            listing.cancel()
        if not done:
            await asyncio.wait({listing})
            return
        try:
            gone = feed.want(listing.result())
            if gone:
                self._live.dropped(provider, gone)
        except CdtsError as error:
            log.debug("a venue's pairs are not known", provider=provider, reason=error.message)

    def _wanted(self) -> list[Asset]:
        """The largest assets, then those that are or were just listened to."""
        rt, now = self._rt, self._rt.clock.monotonic()
        for channel in BY_SYMBOL:
            for ticker in self._hub.wanted(channel):
                self._asked[ticker] = now
                if channel != "prices":
                    self._shown[ticker] = now
        for listened in (self._asked, self._shown):
            for ticker in [t for t, at in listened.items() if now - at > LINGER_S]:
                del listened[ticker]
        found = {asset.id: asset for asset in islice(rt.resolver.ranked(), self._top)}
        for ticker in sorted(self._asked, key=lambda t: -self._asked[t])[:MOST_ASKED]:
            by_id = rt.resolver.by_id(ticker)
            for asset in rt.resolver.by_ticker(ticker)[:1] or ([by_id] if by_id else []):
                found.setdefault(asset.id, asset)
        return list(found.values())

    async def _topics(
        self, provider: str, assets: Sequence[Asset], shown: Set[str], stream: Stream
    ) -> list[Topic]:
        """Tickers of every asset the venue lists, of the pair that counts in its price; trades of those somebody sees or
        just saw the trades or candles of (`shown`), and of the largest ten. None of a venue that is switched off."""
        source = self._rt.gateway.sources.get(provider)
        if source is None or not source.enabled:
            return []
        pairs = await self._listed(provider)
        most = min(TRADED_TOP, self._top)
        tickers: list[Topic] = []
        trades: list[Topic] = []
        for place, asset in enumerate(assets):
            pair = self._pair(provider, asset, pairs)
            if pair is None:
                continue
            if "ticker" in stream.channels:
                tickers.append(Topic("ticker", pair))
            if (
                symbol_of(self._rt.resolver, asset) in shown
                or place < most
                or "ticker" not in stream.channels
            ):
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
            if not url:
                check_told(opening.url, (source.base_url, entry.base_url), rt.gateway.policy.reach)
            held[:] = [(now, opening)]
        except UpstreamError:
            # The API may be resting while the stream is back: an address that was given not long ago still opens it.
            if not held or now - held[0][0] > TOKEN_KEPT_S:
                raise
            opening = held[0][1]
        # Where the operator points the stream elsewhere, the token still comes from the REST address.
        return opening._replace(url=f"{url}?{opening.url.partition('?')[2]}") if url else opening

    return fixed if stream.token is None else told
