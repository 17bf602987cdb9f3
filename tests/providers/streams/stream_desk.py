"""What the tests of single streams share: a session and the venue's side of it, and frames no parser may swallow."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import (
    Alive,
    Answer,
    Channel,
    Ending,
    Event,
    Gap,
    Refused,
    Stream,
    Subscribed,
    Topic,
)
from crypto_dt_source.sim.streaming import SimStream
from crypto_dt_source.sim.venue import SimTicker, SimTrade

NOW = 1_790_000_000_000
TICKER = SimTicker(66_000.5, 66_000.0, 66_001.0, 60_000.0, 67_000.0, 59_000.0, 12.5, 787_500.0, 10.0)
HOSTILE = (
    None,
    True,
    "",
    "NaN",
    "inf",
    "-1",
    -1,
    0,
    1e308,
    10**30,
    "x" * 300,
    "\u202e",
    [],
    {},
    [[]],
    "1970-01-01T00:00:00Z",
)


def sale(number: int, side: str = "buy") -> SimTrade:
    """A trade of this number, so many ms after a minute ago."""
    return SimTrade(number, 66_000.25, 0.125, side, NOW - 60_000 + number)


class StreamDesk:
    """One session of a stream and the simulator's side of it, listing `pairs`."""

    def __init__(self, name: str, stream: Stream, sim: SimStream, *pairs: Pair) -> None:
        self.name = name
        self.stream = stream
        self.pairs = pairs
        self.session = stream.session(name)
        self.venue = sim.session(lambda pair: pair in pairs)
        self.sent: list[str] = []

    def read(self, frame: Any) -> list[Event]:
        """Events of one frame: text, bytes, or what is to be JSON."""
        if not isinstance(frame, str | bytes):
            frame = json.dumps(frame, separators=(",", ":"))
        return records(self.session.read(frame, NOW))

    def talk(self, frames: list[str]) -> list[Event]:
        """Sends frames to the venue and reads its answers, and so on with what they answer, to the end."""
        events: list[Event] = []
        stamp = self.stream.stamp
        while frames:
            if stamp is not None:
                frames = [stamp(frame, NOW) for frame in frames]
            self.sent += frames
            heard = [e for f in frames for got in self.venue.received(f, NOW) for e in self.read(got)]
            frames = [event.frame for event in heard if isinstance(event, Answer)]
            events += heard
        return events

    def asks(self, *topics: Topic) -> list[Event]:
        return self.talk(self.session.subscribe(topics))

    def ticker(self, number: int, ticker: SimTicker = TICKER, pair: Pair | None = None) -> list[Event]:
        """Events of the venue's ticker frame, a second later for each number."""
        at = NOW - 60_000 + number * 1000
        return self.read(self.venue.ticker(pair or self.pairs[0], ticker, at, number))

    def trade(self, number: int, side: str = "buy", pair: Pair | None = None) -> list[Event]:
        """Events of the venue's frame with the trade of this number."""
        return self.read(self.venue.trade(pair or self.pairs[0], sale(number, side), NOW, number))


def records(events: list[Event]) -> list[Event]:
    """The same events, records among them known to be in normal form."""
    for event in events:
        if isinstance(event, Quote | Trade):
            assert violation(event, NOW) is None
        else:
            assert isinstance(event, Subscribed | Refused | Gap | Answer | Alive | Ending)
    return events


def recorded(wire: Path, name: str) -> list[str]:
    return [line for line in (wire / "ws" / f"{name}.ndjson").read_text().splitlines() if line]


def both(*pairs: Pair) -> list[Topic]:
    channels: tuple[Channel, Channel] = ("ticker", "trades")
    return [Topic(channel, pair) for pair in pairs for channel in channels]


def many(count: int, quote: str) -> list[Topic]:
    """So many topics of made-up pairs, both channels of each."""
    return both(*(Pair(f"COIN{number}", quote) for number in range(count // 2)))


def confirmed(events: list[Event]) -> set[Topic]:
    return {topic for event in events if isinstance(event, Subscribed) for topic in event.topics}


def refused(events: list[Event]) -> set[Topic]:
    return {topic for event in events if isinstance(event, Refused) for topic in event.topics}


def counted_trades(desk: StreamDesk, pair: Pair) -> None:
    """Trades whose ids follow each other: a jump is a gap of so many, duplicates and older ones are nothing."""
    (first,) = desk.trade(7)
    (second,) = desk.trade(8, "sell")
    assert (first.side, second.side) == ("buy", "sell")
    gap, third = desk.trade(12)
    assert gap == Gap(Topic("trades", pair), 3)
    assert desk.trade(12) == desk.trade(9) == []
    (fourth,) = desk.trade(13)
    ids = [int(trade.trade_id) for trade in (first, second, third, fourth)]
    assert [number - ids[0] for number in ids] == [0, 1, 5, 6]
    desk.talk(desk.session.unsubscribe([Topic("trades", pair)]))
    assert len(desk.trade(40)) == 1  # what is asked for anew begins anew


def newest_ticker(desk: StreamDesk) -> Quote:
    """The first of some tickers, of which duplicates and older ones are nothing."""
    (quote,) = desk.ticker(5)
    assert desk.ticker(5) == desk.ticker(4) == []
    assert len(desk.ticker(6)) == 1
    assert isinstance(quote, Quote)
    return quote


def damaged(desk: StreamDesk, frame: str | bytes, *values: str) -> None:
    """Cut short it raises PayloadChanged; with one of `values` turned into an object too, and that names where."""
    text = frame if isinstance(frame, str) else frame.decode()
    assert desk.read(text)
    for broken in (text[: len(text) // 2], text[:-1], "<html>down</html>", "", "[" * 50_000, "\ud800"):
        with pytest.raises(PayloadChanged) as caught:
            desk.read(broken)
        assert caught.value.path.startswith("$")
    with pytest.raises(PayloadChanged):
        desk.read(b"\xff" + text.encode())
    for value in values:
        assert value in text
        with pytest.raises(PayloadChanged) as caught:
            desk.read(text.replace(value, '{"no":"number"}', 1))
        assert caught.value.path.startswith("$.")


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(node, dict):
        return found + [p for key in node for p in places(node[key], (*path, key))]
    if isinstance(node, list):
        return found + [p for index, item in enumerate(node) for p in places(item, (*path, index))]
    return found


@st.composite
def mutated(draw: st.DrawFn, frames: list[str]) -> str:
    """One of the frames with a value replaced, taken away or its text damaged."""
    frame = draw(st.sampled_from(frames))
    how = draw(st.sampled_from(("value", "missing", "cut", "character")))
    if how == "cut":
        return frame[: draw(st.integers(0, len(frame)))]
    if how == "character":
        at = draw(st.integers(0, len(frame) - 1))
        return frame[:at] + draw(st.sampled_from('"{}[],:0\x00é')) + frame[at + 1 :]
    try:
        payload = json.loads(frame)
    except ValueError:  # `pong`
        return frame
    path = draw(st.sampled_from(places(payload) or [()]))
    holder = payload
    for key in path[:-1]:
        holder = holder[key]
    if path and how == "missing":
        del holder[path[-1]]
    elif path:
        holder[path[-1]] = draw(st.sampled_from(HOSTILE))
    return json.dumps(payload, separators=(",", ":"))


def survives(desk: StreamDesk, frame: str) -> None:
    """Nothing but events in normal form or PayloadChanged comes of it."""
    with contextlib.suppress(PayloadChanged):
        desk.read(frame)


def as_told(quote: Quote, pair: Pair) -> None:
    """The quote is of this pair, at what the simulator's TICKER says."""
    assert (quote.base, quote.quote) == pair
    assert (quote.price, quote.base_volume) == (TICKER.last, TICKER.base_volume)
    assert (quote.high, quote.low) == (TICKER.high, TICKER.low)
    assert quote.change_pct == pytest.approx(TICKER.change_pct, abs=0.01)
    assert quote.event_ms == NOW - 55_000
    assert quote.received_ms == NOW
