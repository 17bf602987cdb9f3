"""Spot exchanges read through the exchange library (ccxt), for those without an adapter of their own.

The entry says what the exchange can do: `library_id`, and in its tables `quotes.all`, `quotes.one`, `quotes.rolling`, `candles.intervals`, `candles.max_rows`,
`book.depths`, `trades.max_rows`, `markets.call`,
`markets.name`, `markets.options`, `markets.untold`,
`markets.plain_numbers`. ccxt is imported when the first of them is asked.

https://docs.ccxt.com/#/README?id=public-api
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...model.answer import Record
from ...model.ask import Ask, BookAsk, CandlesAsk, Capability, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import INTERVAL_MS, Candle, floor_open
from ...model.errors import NotOffered, PayloadChanged, SymbolNotListed
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..catalog import Entry
from ..entry_fields import check_library_tables
from ..exchange_calls import Library, Markets, pair_of
from ..kit import (
    UNREADABLE_SHARE,
    Adapter,
    Endpoint,
    Reply,
    Request,
    is_closed,
    number,
    positive,
    span,
    window,
)

SIDES = ("buy", "sell")
BOOK_MAX = 1000
TRADES_MAX = 100
CANDLES_MAX = 100
"""Rows of one call where the entry does not say how many the exchange gives."""


@dataclass(frozen=True)
class _Exchange:
    """The endpoints of one entry. Its methods run in threads."""

    entry: Entry
    library: Library

    def table(self, capability: str) -> Mapping[str, Any]:
        return self.entry.tables.get(capability, {})

    # --- what is asked --------------------------------------------------------------------------------------------

    def work(self, ask: Ask) -> Callable[[Any], Any]:
        """The call of ccxt that answers `ask`."""
        if isinstance(ask, QuotesAsk):
            return self._quotes_work(ask)
        if isinstance(ask, CandlesAsk):
            return self._candles_work(ask)
        if isinstance(ask, BookAsk):
            depth = self._depth(ask.depth)
            return lambda x: x.fetch_order_book(_symbol(x, ask.pair), depth)
        if isinstance(ask, TradesAsk):
            limit = min(ask.limit, int(self.table("trades").get("max_rows", TRADES_MAX)))
            return lambda x: x.fetch_trades(_symbol(x, ask.pair), None, limit)
        return lambda x: list(x.markets.values())

    def _quotes_work(self, ask: QuotesAsk) -> Callable[[Any], Any]:
        one = self.table("quotes").get("one", True)
        if len(ask.pairs) == 1 and one:
            return lambda x: {"": x.fetch_ticker(_symbol(x, ask.pairs[0]))}
        if not self.table("quotes").get("all"):
            raise NotOffered("answers one pair a call; name the pairs")
        return lambda x: x.fetch_tickers()

    def _candles_work(self, ask: CandlesAsk) -> Callable[[Any], Any]:
        rows = self.max_rows
        bounds = span(ask, rows)
        count = min(ask.limit, rows)
        if bounds is None:
            return lambda x: x.fetch_ohlcv(_symbol(x, ask.pair), ask.interval, None, count)
        step = -(-(bounds[1] - bounds[0]) // INTERVAL_MS[ask.interval])
        return lambda x: x.fetch_ohlcv(_symbol(x, ask.pair), ask.interval, bounds[0], max(1, min(step, rows)))

    def _depth(self, depth: int) -> int | None:
        """The least of the depths the exchange takes that is enough, or its largest; None where it takes none."""
        depths: Sequence[int] = self.table("book").get("depths", ())
        if not depths:
            return None
        if len(depths) == 1:
            return min(depth, depths[0])
        return next((d for d in depths if d >= depth), depths[-1])

    @property
    def max_rows(self) -> int:
        return int(self.table("candles").get("max_rows", CANDLES_MAX))

    def _now(self, ask: Ask, reply: Reply | None) -> int | None:
        if isinstance(ask, CandlesAsk):
            if ask.end_ms is not None:
                return ask.end_ms
            return None if reply is None else reply.received_ms
        return self.library.seen_ms if reply is None else reply.received_ms

    # --- the conversation -----------------------------------------------------------------------------------------

    def request(self, ask: Ask) -> Request:
        """The first request: of the list of pairs, where it is not there."""
        found = self._ahead(ask, None)
        if found is None:
            raise NotOffered("needs no request")
        return found

    def next(self, reply: Reply, ask: Ask, previous: Request) -> Request | None:
        """What is asked after a reply that was not the answer yet."""
        if self.library.has_ended(previous):
            return None
        found = self._ahead(ask, reply)
        return None if found == previous else found

    def _ahead(self, ask: Ask, reply: Reply | None) -> Request | None:
        """What has to be asked now, as far as is known."""
        now, lists = self._now(ask, reply), self._lists(ask)
        found = self.library.run(self.work(ask), now_ms=now, lists=lists, assumed=self._assumed(ask, False))
        return found if isinstance(found, Request) else None

    def _assumed(self, ask: Ask, foreign: bool) -> Markets | None:
        """The asked pairs as a list of pairs: where the entry spells them, and under a body from elsewhere (`foreign`)."""
        spelled = self.table("markets").get("name")
        if self._lists(ask) or not (spelled or foreign):
            return None
        return _assumed(self.library, ask, spelled or "{B}{Q}")

    def parse(self, reply: Reply, ask: Ask) -> Iterable[Record]:
        """The records of the answer; none of a reply that is only on the way to it."""
        bad: list[str] = []

        def work(exchange: Any) -> tuple[Any, Any]:
            found = self.work(ask)(exchange)
            bad.extend(exchange.driven_bad)
            return exchange.markets, found

        assumed = self._assumed(ask, reply.asked is None)
        now = self._now(ask, reply)
        found = self.library.run(work, reply=reply, now_ms=now, lists=self._lists(ask), assumed=assumed)
        if isinstance(found, Request):
            return []
        self.library.end(reply.asked)
        markets, answer = found
        if not _whole(answer, ask):
            raise PayloadChanged("nothing of what was asked is in the body", path="$")
        return self._records(reply, ask, markets, answer, bad)

    @staticmethod
    def _lists(ask: Ask) -> bool:
        return not isinstance(ask, QuotesAsk | CandlesAsk | BookAsk | TradesAsk)

    def _records(
        self, reply: Reply, ask: Ask, markets: Mapping[str, Any], answer: Any, bad: Sequence[str]
    ) -> list[Record]:
        if isinstance(ask, CandlesAsk):
            return [*self._candles(reply, ask, answer)]
        if isinstance(ask, BookAsk):
            return [self._book(reply, ask, markets, answer)]
        if isinstance(ask, QuotesAsk):
            rows = _shown(list(answer.values()), "last", "bid", "ask", "baseVolume")
            records: list[Record] = [*self._quotes(reply, ask, markets, rows)]
        elif isinstance(ask, TradesAsk):
            rows = _shown(answer, "price")
            records = [*self._trades(reply, ask, markets, rows)]
        else:
            return [*self._instruments(reply, answer)]
        if len(bad) > UNREADABLE_SHARE * max(len(rows), len(bad)):
            raise PayloadChanged(f"{len(bad)} of {len(rows)} rows cannot be read ({bad[0]})", path="$")
        return [*records, *(Unreadable(*text.split(": ", 1)) for text in bad)]

    # --- what is read ---------------------------------------------------------------------------------------------

    def _quotes(
        self, reply: Reply, ask: QuotesAsk, markets: Mapping[str, Any], rows: Iterable[Any]
    ) -> Iterable[Quote]:
        wanted = set(ask.pairs)
        # Where it is not sure that they are of 24 hours, and not of the day, they are not given.
        rolling = self.table("quotes").get("rolling", False)
        for row in rows:
            market = markets.get(row["symbol"] or "")
            price = positive(row["last"])
            pair = None if market is None else pair_of(market)
            if market is None or pair is None or price is None or not self._active(market):
                continue
            # No volume in 24 h: the price is older than a day.
            if (wanted and pair not in wanted) or row["baseVolume"] == 0:
                continue
            yield Quote(
                self.entry.id,
                str(market["id"]),
                pair.base,
                pair.quote,
                price,
                positive(row["bid"]),
                positive(row["ask"]),
                number(row["baseVolume"]),
                number(row["quoteVolume"]),
                _change(row) if rolling else None,
                positive(row["high"]) if rolling else None,
                positive(row["low"]) if rolling else None,
                _event(row["timestamp"], reply),
                reply.received_ms,
            )

    def _candles(self, reply: Reply, ask: CandlesAsk, rows: Sequence[Any]) -> Iterable[Candle]:
        read = [candle for row in rows if (candle := _candle(row, ask.interval, reply)) is not None]
        candles = [c for c in read if c.open_ms == floor_open(c.open_ms, ask.interval)]
        if rows and not read:
            raise PayloadChanged("no candle has a time and prices", path="$")
        if read and not candles:
            raise NotOffered(f"its {ask.interval} candles begin at other times than UTC's")
        return window(candles, ask.start_ms, ask.end_ms, ask.limit)

    def _book(self, reply: Reply, ask: BookAsk, markets: Mapping[str, Any], found: Any) -> OrderBook:
        market = markets[_key(ask.pair)]
        sides = {
            side: sorted(
                (level for row in found[side] if (level := _level(row)) is not None), reverse=side == "bids"
            )
            for side in ("bids", "asks")
        }
        if not (sides["bids"] or sides["asks"]):
            raise PayloadChanged("the book has no level", path="$")
        return OrderBook(
            self.entry.id,
            str(market["id"]),
            ask.pair.base,
            ask.pair.quote,
            tuple(sides["bids"]),
            tuple(sides["asks"]),
            _event(found["timestamp"], reply),
            reply.received_ms,
        )

    def _trades(
        self, reply: Reply, ask: TradesAsk, markets: Mapping[str, Any], rows: Iterable[Any]
    ) -> Iterable[Trade]:
        name = str(markets[_key(ask.pair)]["id"])
        for row in rows:
            price, size = positive(row["price"]), positive(row.get("amount"))
            moment = _event(row["timestamp"], reply)
            if price is None or size is None or moment is None:
                continue
            side = row.get("side")
            yield Trade(
                self.entry.id,
                name,
                ask.pair.base,
                ask.pair.quote,
                row.get("id") or None,
                price,
                size,
                side if side in SIDES else None,
                moment,
            )

    def _active(self, market: Mapping[str, Any]) -> bool:
        """Whether a pair can be traded; where the list of pairs does not tell (`markets.untold`), it can."""
        return market.get("active") is not False or bool(self.table("markets").get("untold"))

    def _instruments(self, reply: Reply, rows: Iterable[Mapping[str, Any]]) -> Iterable[Instrument]:
        for market in rows:
            pair = pair_of(market)
            if pair is not None:
                yield Instrument(
                    self.entry.id, str(market["id"]), pair.base, pair.quote, self._active(market)
                )


def _key(pair: Pair) -> str:
    """ccxt's symbol of a spot pair."""
    return f"{pair.base}/{pair.quote}"


def _symbol(exchange: Any, pair: Pair) -> str:
    """Raises SymbolNotListed."""
    key = _key(pair)
    if key not in exchange.markets:
        raise SymbolNotListed(f"{key} is not listed")
    return key


def _shown(rows: Sequence[Any], *names: str) -> Sequence[Any]:
    """The rows. Raises PayloadChanged where none of them has any of these: ccxt makes empty rows of a body it does not
    know."""
    if rows and not any(number(row.get(name)) is not None for row in rows for name in names):
        raise PayloadChanged("no row can be read", path="$")
    return rows


def _whole(answer: Any, ask: Ask) -> bool:
    """Whether ccxt made of the body what was asked for, with no row left open."""
    if isinstance(answer, dict):
        # A book is a dictionary too, and its number may be None.
        return isinstance(ask, BookAsk) or None not in answer.values()
    return isinstance(answer, list) and None not in answer


def _candle(row: Sequence[Any], interval: str, reply: Reply) -> Candle | None:
    open_ms, (first, high, low, last) = row[0], map(number, row[1:5])
    if not isinstance(open_ms, int) or first is None or high is None or low is None or last is None:
        return None
    closed = is_closed(open_ms, interval, reply.received_ms)
    return Candle(open_ms, first, high, low, last, number(row[5]), None, None, closed)


def _level(row: Sequence[Any]) -> Level | None:
    price, size = positive(row[0]), positive(row[1])
    return None if price is None or size is None else Level(price, size)


def _change(row: Mapping[str, Any]) -> float | None:
    """Percent. From the price 24 hours ago where there is one: what ccxt calls a percentage is a fraction of some."""
    last, before = positive(row["last"]), positive(row["open"])
    return number(row["percentage"]) if last is None or before is None else (last / before - 1) * 100


def _event(moment: Any, reply: Reply) -> int | None:
    """The exchange's own time. Where it gives none ccxt may take the time of the reply: that is none."""
    return moment if isinstance(moment, int) and moment != reply.received_ms else None


def _assumed(library: Library, ask: Ask, spelled: str) -> Markets:
    """A list of the asked pairs alone, each under the name `spelled`."""
    pairs = ask.pairs if isinstance(ask, QuotesAsk) else (ask.pair,)  # type: ignore[union-attr]
    rows = {
        _key(p): {
            **library.plain_market(),
            "id": spelled.format(B=p.base, Q=p.quote, b=p.base.lower(), q=p.quote.lower()),
            "symbol": _key(p),
            "base": p.base,
            "quote": p.quote,
            "baseId": p.base,
            "quoteId": p.quote,
            "type": "spot",
            "spot": True,
            "active": True,
        }
        for p in pairs
    }
    return Markets(rows, {row["id"]: [row] for row in rows.values()}, 0)


def of(entry: Entry) -> Adapter:
    """The adapter of an entry with a `library_id`; does not import ccxt. Raises CatalogError naming the field that is
    wrong."""
    check_library_tables(entry)
    markets = entry.tables.get("markets", {})
    library = Library(
        entry.library_id,
        entry.base_url,
        markets_call=markets.get("call", ""),
        options=markets.get("options", {}),
        plain_numbers=markets.get("plain_numbers", False),
    )
    exchange = _Exchange(entry, library)
    candles = entry.tables.get("candles", {})
    endpoints = {
        capability: Endpoint(
            exchange.request,
            exchange.parse,
            next=exchange.next,
            intervals={i: i for i in candles.get("intervals", ())}
            if capability is Capability.CANDLES
            else {},
            max_rows=exchange.max_rows if capability is Capability.CANDLES else BOOK_MAX,
            window=candles.get("window", True),
            per_pair=capability is Capability.QUOTES and not entry.tables.get("quotes", {}).get("all"),
            threaded=True,
        )
        for capability in entry.offers
    }
    return Adapter("exchange_library", endpoints, library.explain)
