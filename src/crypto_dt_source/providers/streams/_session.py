"""What the sessions of venues share: markets by their own names, what was asked and is not yet answered, and records in
normal form. Everything on the way of a frame is written for speed: this runs for every trade of every venue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from ...model.book import Trade
from ...model.bounds import FIRST_MS, FUTURE_MS, LAST_MS, is_id, is_ticker
from ...model.errors import PayloadChanged
from ...model.quote import Pair, Quote
from ..kit import MEMORY, path_of
from ..streaming import Channel, Event, Gap, Refused, Subscribed, Topic, ordered

T = TypeVar("T")
INF = float("inf")
REASON = 200
"""Characters kept of a venue's own words."""

Number = float | Literal[""] | None
"""A number, sent as text or not, or the venue's words for 'none'."""
Millis = Annotated[int, msgspec.Meta(ge=FIRST_MS, lt=LAST_MS)]
"""A time in ms UTC; one outside 2009 to 2100 is another unit, so another shape."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of a sequence, or an id that is one."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""An ISO 8601 time with its zone."""

# A namedtuple's own constructor is a Python function that packs its arguments into a tuple and does this: going round it
# takes a third off the time of a frame.
_tuple = tuple.__new__


class Market:
    """One market of a connection. `number` is the last one of its trades' sequence; `told` is the time or sequence of
    its last ticker, in the venue's unit."""

    __slots__ = ("base", "number", "pair", "quote", "symbol", "told")

    def __init__(self, symbol: str, pair: Pair) -> None:
        self.symbol = symbol
        self.pair = pair
        self.base, self.quote = pair
        self.number: int | None = None
        self.told: float = -INF

    def jump(self, number: int, count: int = 1) -> Gap | None:
        """Takes `number`, which is newer than the last one, as the last, and gives the gap before it. The record stands
        for `count` numbers, of which this is the highest."""
        last, self.number = self.number, number
        if last is None or last == number - count:
            return None
        step = ordered(last, number - count + 1)
        return Gap(Topic("trades", self.pair), step - 1) if step > 1 else None


class VenueSession(ABC):
    """A connection's side of the conversation, as `streaming.Session` has it; venues fill in the frames."""

    def __init__(
        self, provider: str, symbol: Callable[[Pair], str], split: Callable[[str], Pair | None]
    ) -> None:
        self.provider = provider
        self._symbol = symbol
        self._split = split
        self._markets: dict[str, Market] = {}
        self._asked: dict[int, list[Topic]] = {}
        self._requests = 0

    # --- frames we send ---------------------------------------------------------------------------------------------

    @abstractmethod
    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""

    @abstractmethod
    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end them."""

    def ping(self) -> str | None:
        """The frame for `Stream.ping_every_s`; None unless the venue wants one."""
        return None

    def _request(self, topics: Sequence[Topic] = ()) -> int:
        """The number of a new request; its topics wait for their answer."""
        self._requests += 1
        if topics:
            self._asked[self._requests] = list(topics)
        for topic in topics:
            self._names(topic.pair)
        return self._requests

    def _names(self, pair: Pair) -> str:
        """The venue's name of a pair; frames that use it are then known to mean this pair."""
        symbol = self._symbol(pair)
        if symbol not in self._markets:
            self._markets[symbol] = Market(symbol, pair)
        return symbol

    def _forget(self, topics: Sequence[Topic]) -> None:
        """Where these sequences stood: what comes when they are asked for again begins anew."""
        for channel, pair in topics:
            market = self._markets.get(self._symbol(pair))
            if market is not None and channel == "trades":
                market.number = None
            elif market is not None:
                market.told = -INF

    # --- frames we get ----------------------------------------------------------------------------------------------

    def read(self, frame: str | bytes, received_ms: int) -> list[Event]:
        """What a frame says; see `streaming.Session.read`. Raises PayloadChanged."""
        try:
            return self._read(frame if isinstance(frame, str) else frame.decode(), received_ms)
        except msgspec.ValidationError as error:
            raise PayloadChanged(
                f"the frame does not have the expected shape: {error}", path=path_of(error)
            ) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise PayloadChanged(f"the frame is not JSON, or cut short: {error}", path="$") from None

    @abstractmethod
    def _read(self, frame: str, received_ms: int) -> list[Event]: ...

    def _learn(self, symbol: str) -> Market | None:
        """The market of a name nobody asked for, None where it is not one of base and quote."""
        pair = self._split(symbol)
        if pair is None or not (is_id(symbol) and is_ticker(pair.base) and is_ticker(pair.quote)):
            return None
        market = Market(symbol, pair)
        if len(self._markets) < MEMORY:
            self._markets[symbol] = market
        return market

    def _topic(self, channel: Channel, symbol: str) -> Topic | None:
        market = self._markets.get(symbol) or self._learn(symbol)
        return Topic(channel, market.pair) if market is not None else None

    # --- answers to what was asked ----------------------------------------------------------------------------------

    def _granted(self, request: int, topic: Topic | None = None) -> list[Event]:
        """The venue said yes to a request, or to one topic of it."""
        if topic is None:
            topics = self._asked.pop(request, [])
            return [Subscribed(tuple(topics))] if topics else []
        return [Subscribed((topic,))] if self._answered(request, topic) else []

    def _refused(self, request: int, reason: str, topic: Topic | None = None) -> list[Event]:
        """The venue said no to a request, or to one topic of it."""
        words = spoken(reason)
        if topic is None:
            return [Refused(tuple(self._asked.pop(request, [])), words)]
        self._answered(request, topic)
        return [Refused((topic,), words)]

    def _answered(self, request: int, topic: Topic) -> bool:
        waiting = self._asked.get(request, [])
        if topic not in waiting:
            return False
        waiting.remove(topic)
        if not waiting:
            del self._asked[request]
        return True

    # --- records ----------------------------------------------------------------------------------------------------

    def _quote(
        self,
        market: Market,
        price: Number,
        bid: Number,
        ask: Number,
        base_volume: Number,
        quote_volume: Number,
        change_pct: float | None,
        high: Number,
        low: Number,
        event_ms: int | None,
        received_ms: int,
    ) -> list[Event]:
        """The Quote in normal form; none where the price is missing, not positive, or of a time to come."""
        if (
            not price
            or not 0.0 < price < INF
            or (event_ms is not None and event_ms > received_ms + FUTURE_MS)
        ):
            return []
        return [
            _tuple(
                Quote,
                (
                    self.provider,
                    market.symbol,
                    market.base,
                    market.quote,
                    price,
                    bid if bid and 0.0 < bid < INF else None,
                    ask if ask and 0.0 < ask < INF else None,
                    base_volume if base_volume and 0.0 < base_volume < INF else none_or_0(base_volume),
                    quote_volume if quote_volume and 0.0 < quote_volume < INF else none_or_0(quote_volume),
                    change_pct if change_pct is not None and -INF < change_pct < INF else None,
                    high if high and 0.0 < high < INF else None,
                    low if low and 0.0 < low < INF else None,
                    event_ms,
                    received_ms,
                ),
            )
        ]

    def _trade(
        self,
        market: Market,
        trade_id: str,
        price: float,
        size: float,
        side: str,
        event_ms: int,
        received_ms: int,
    ) -> Trade | None:
        """The Trade in normal form; none where price or size is not positive, or the time is still to come."""
        if not (0.0 < price < INF and 0.0 < size < INF) or event_ms > received_ms + FUTURE_MS:
            return None
        return _tuple(
            Trade,
            (
                self.provider,
                market.symbol,
                market.base,
                market.quote,
                trade_id,
                price,
                size,
                side,
                event_ms,
            ),
        )


def none_or_0(value: Number) -> float | None:
    """0 is a value for a volume; anything else that is not positive and finite is none."""
    return 0.0 if value == 0 else None


def change(price: Number, opened: Number) -> float | None:
    """Percent from `opened` to `price`; None where either is missing."""
    return (price / opened - 1.0) * 100.0 if price and opened else None


def millis(moment: datetime, path: str) -> int:
    """Milliseconds UTC. Raises PayloadChanged for a time outside 2009 to 2100."""
    return whole_millis(moment.timestamp(), path)


def whole_millis(seconds: float, path: str) -> int:
    """Milliseconds of a Unix time. Raises PayloadChanged for one outside 2009 to 2100."""
    ms = round(seconds * 1000)
    if not FIRST_MS <= ms < LAST_MS:
        raise PayloadChanged("the time is out of range", path=path)
    return ms


def spoken(words: str) -> str:
    """A venue's own words as they may be shown: short, on one line, printable."""
    return "".join(c if c.isprintable() else " " for c in words[:REASON])


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def request_of(answer: str) -> int:
    """The number of a request in a venue's answer that sends it back as text; 0 for what none of ours looked like."""
    return int(answer) if answer.isascii() and answer.isdecimal() and len(answer) < 10 else 0


def text(payload: Any) -> str:
    """A frame to send."""
    return msgspec.json.encode(payload).decode()


def frames(shape: type[T]) -> Callable[[str], T]:
    """A decoder of frames; numbers may be sent as text."""
    return msgspec.json.Decoder(shape, strict=False).decode
