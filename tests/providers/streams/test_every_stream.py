"""What holds of every venue's stream and of the simulator's side of it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_desk import NOW, TICKER, StreamDesk, both, confirmed, many

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers import streams
from crypto_dt_source.providers.kit import Request
from crypto_dt_source.providers.streaming import Alive, Answer, Event, Gap, Session, Stream, Topic
from crypto_dt_source.sim.streaming import SimStream
from each_case import each

NAMES = sorted(m.name for m in pkgutil.iter_modules(streams.__path__) if not m.name.startswith("_"))
BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "BTC")
MILLION = 1_000_000
_draws = random.Random(5)
GARBAGE: dict[str, str | bytes] = {
    "letters": "x" * MILLION,
    "noise": _draws.randbytes(MILLION),
    "gzip of noise": b"\x1f\x8b\x08\x00" + _draws.randbytes(MILLION),
    "arrays": "[" * MILLION,
    "objects": '{"a":' * 200_000,
    "deep data": '{"data":' * 100_000 + "1" + "}" * 100_000,
    "deep array of a channel": "[1," + "[" * 500_000,
    "not UTF-8": b'{"event":"\xff\xfe"}',
    "lone surrogate": '{"event":"\ud800"}',
    "empty": "",
    "empty bytes": b"",
    "null": "null",
    "number": "1e999",
    "text": '"ping"',
    "empty object": "{}",
    "empty array": "[]",
    "array of null": "[null,null,null]",
    "whole of digits": "9" * 5000,
    "long text": '{"topic":"' + "a" * MILLION + '"}',
}


def sides(name: str) -> tuple[Stream, SimStream]:
    stream = importlib.import_module(f"crypto_dt_source.providers.streams.{name}").STREAM
    sim = importlib.import_module(f"crypto_dt_source.sim.streams.{name}").SIM
    assert isinstance(stream, Stream)
    assert isinstance(sim, SimStream)
    return stream, sim


def desk_of(name: str, *topics: Topic) -> StreamDesk:
    """A connection opened, and these topics asked for."""
    desk = StreamDesk(name, *sides(name), BTC, ETH)
    for frame in desk.venue.opened(NOW - 100_000):
        desk.read(frame)
    desk.asks(*topics)
    return desk


def outcome(session: Session, frame: str | bytes) -> list[Event] | str:
    """Events, or where the frame was found to be of another shape."""
    try:
        return session.read(frame, NOW)
    except PayloadChanged as error:
        if not error.path.startswith("$") or len(str(error)) > 1000:
            raise AssertionError("the error does not say where, or says all of the frame") from error
        return error.path


def of(kind: type, events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("name", NAMES)
def test_the_stream_is_well_formed(name: str) -> None:
    stream, sim = sides(name)
    module = importlib.import_module(f"crypto_dt_source.providers.streams.{name}")
    assert "https://" in (module.__doc__ or "")
    assert set(stream.channels) == {"ticker", "trades"}
    assert 1 <= stream.topics_a_connection <= 10_000
    assert 0 < stream.frames_a_second <= 100
    assert 1 <= stream.connections <= 100
    assert 5 <= stream.silent_s <= 600
    assert stream.lifetime_s is None or stream.lifetime_s >= 3600
    ping = stream.session(name).ping()
    if stream.ping_every_s is not None:
        assert 1 <= stream.ping_every_s < stream.silent_s
        assert isinstance(ping, str)
    if sim.heartbeat_s is not None:
        assert 0 < sim.heartbeat_s < stream.silent_s
    if stream.token is not None:
        request, opening = stream.token
        assert isinstance(request, Request)
        assert callable(opening)
    if stream.stamp is not None:
        (frame,) = stream.session(name).subscribe([Topic("ticker", BTC)])[-1:]
        assert str(NOW // 1000) in stream.stamp(frame, NOW)
        json.loads(stream.stamp(frame, NOW))


@pytest.mark.parametrize("name", NAMES)
def test_sessions_share_nothing(name: str) -> None:
    stream, _ = sides(name)
    frames = [stream.session(name).subscribe(both(BTC, ETH)) for _ in range(2)]
    assert frames[0] == frames[1] != []
    assert all(isinstance(frame, str) for frame in frames[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_confirmed_and_ended(name: str) -> None:
    desk = desk_of(name)
    assert confirmed(desk.asks(*both(BTC, ETH))) == set(both(BTC, ETH))
    # A venue without a ticker channel knows of trades alone.
    assert {topic.pair for topic in desk.venue.topics} == {BTC, ETH}
    assert Topic("trades", BTC) in desk.venue.topics
    desk.talk(desk.session.unsubscribe(both(ETH)))
    assert {topic.pair for topic in desk.venue.topics} == {BTC}
    desk.talk(desk.session.unsubscribe(both(BTC)))
    assert desk.venue.topics == set()
    assert confirmed(desk.asks(*both(BTC))) == set(both(BTC))


@pytest.mark.parametrize("name", NAMES)
def test_a_ticker_comes_as_it_was_sent(name: str) -> None:
    desk = desk_of(name, *both(BTC, ETH))
    (quote,) = of(Quote, desk.ticker(1))
    assert isinstance(quote, Quote)
    assert (quote.provider, quote.base, quote.quote, quote.received_ms) == (name, "BTC", "USDT", NOW)
    assert quote.price == TICKER.last
    assert quote.event_ms is None or abs(quote.event_ms - (NOW - 59_000)) < 1000
    told = {
        "bid": TICKER.bid, "ask": TICKER.ask, "base_volume": TICKER.base_volume, "high": TICKER.high,
        "quote_volume": TICKER.quote_volume, "low": TICKER.low, "change_pct": TICKER.change_pct,
    }  # fmt: skip
    for field, value in told.items():
        assert getattr(quote, field) in (None, pytest.approx(value, rel=1e-3)), field
    (other,) = of(Quote, desk.ticker(2, pair=ETH))
    assert isinstance(other, Quote)
    assert (other.base, other.quote) == ETH
    assert other.symbol != quote.symbol


@pytest.mark.parametrize("name", NAMES)
def test_a_ticker_that_came_before_is_left_out(name: str) -> None:
    desk = desk_of(name, *both(BTC))
    assert len(of(Quote, desk.ticker(1))) == len(of(Quote, desk.ticker(2))) == 1
    assert of(Quote, desk.ticker(2)) == of(Quote, desk.ticker(1)) == []
    assert len(of(Quote, desk.ticker(3))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_trade_comes_as_it_was_sent(name: str) -> None:
    desk = desk_of(name, *both(BTC, ETH))
    for number, side in ((7, "buy"), (8, "sell")):
        (trade,) = of(Trade, desk.trade(number, side))
        assert isinstance(trade, Trade)
        assert trade.provider == name
        assert (trade.base, trade.quote) == BTC
        assert (trade.price, trade.size, trade.side) == (66_000.25, 0.125, side)
        assert trade.trade_id is not None
        assert abs(trade.event_ms - (NOW - 60_000 + number)) <= 1
    (other,) = of(Trade, desk.trade(9 if sides(name)[1].numbers_connection else 3, pair=ETH))
    assert isinstance(other, Trade)
    assert (other.base, other.quote) == ETH


@pytest.mark.parametrize("name", NAMES)
def test_a_jump_is_a_gap_before_the_trade_and_a_duplicate_is_nothing(name: str) -> None:
    desk = desk_of(name, *both(BTC))
    assert len(of(Trade, desk.trade(7))) == len(of(Trade, desk.trade(8))) == 1
    events = desk.trade(12)
    gaps = of(Gap, events)
    assert [e for e in events if isinstance(e, Trade)] == [
        e for e in events[len(gaps) :] if isinstance(e, Trade)
    ]
    assert len(of(Trade, events)) == 1
    for gap in gaps:
        assert isinstance(gap, Gap)
        assert gap.topic.pair == BTC
        assert gap.missing in (None, 3)
    # Where one jump is seen every jump is.
    assert bool(of(Gap, desk.trade(20))) == bool(gaps)
    assert of(Trade, desk.trade(20)) == of(Trade, desk.trade(9)) == []
    assert of(Gap, desk.trade(21)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_new_connection_begins_anew(name: str) -> None:
    for number in (30, 4):
        assert len(of(Trade, desk_of(name, *both(BTC)).trade(number))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_heartbeats_and_pings(name: str) -> None:
    desk = desk_of(name, *both(BTC))
    beat = desk.venue.heartbeat(NOW)
    if beat is not None:
        events = desk.read(beat)
        assert {type(event) for event in events} <= {Alive, Answer}
        assert events
        assert desk.talk([event.frame for event in events if isinstance(event, Answer)]) == []
    ping = desk.session.ping()
    if ping is not None:
        assert desk.talk([ping]) == [Alive()]


@pytest.mark.parametrize("name", NAMES)
def test_many_topics_are_asked_for_within_the_limits(name: str) -> None:
    stream, sim = sides(name)
    topics = many(min(500, stream.topics_a_connection // 2 * 2), "USDT")
    session, venue = stream.session(name), sim.session(lambda pair: True)
    frames = session.subscribe(topics)
    assert len(frames) / stream.frames_a_second <= 120
    events: list[Event] = []
    for frame in frames:
        assert len(frame.encode()) <= 16_384
        sent = frame if stream.stamp is None else stream.stamp(frame, NOW)
        events += [e for got in venue.received(sent, NOW) for e in session.read(got, NOW)]
    assert confirmed(events) == set(topics)


@pytest.mark.parametrize("name", NAMES)
@each("garbage", GARBAGE)
def test_garbage_is_payload_changed_or_nothing(name: str, garbage: str) -> None:
    desk = desk_of(name, *both(BTC))
    said = outcome(desk.session, GARBAGE[garbage])
    assert isinstance(said, str) or not of(Quote, said) + of(Trade, said)
    assert len(of(Trade, desk.trade(7))) == 1


@pytest.mark.parametrize("name", NAMES)
@given(
    frame=st.one_of(st.text(max_size=60), st.binary(max_size=60), st.from_regex(r'[\[{]["\w:,\[\]{} ]{0,40}'))
)
def test_no_frame_raises_anything_else(name: str, frame: str | bytes) -> None:
    outcome(sides(name)[0].session(name), frame)


@pytest.mark.parametrize("name", NAMES)
@each("garbage", ["letters", "arrays", "not UTF-8", "lone surrogate", "empty", "null", "empty array"])
def test_the_simulated_venue_survives_a_client(name: str, garbage: str) -> None:
    _, sim = sides(name)
    venue = sim.session(lambda pair: pair == BTC)
    frame = GARBAGE[garbage]
    if garbage != "lone surrogate":  # no socket can carry it
        assert isinstance(venue.received(frame, NOW), list)
    assert venue.topics == set()
