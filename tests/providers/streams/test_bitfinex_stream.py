from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from stream_desk import (
    NOW,
    TICKER,
    StreamDesk,
    both,
    confirmed,
    many,
    mutated,
    newest_ticker,
    recorded,
    refused,
    survives,
)

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import Alive, Answer, Ending, Event, Gap, Refused, Subscribed, Topic
from crypto_dt_source.providers.streams.bitfinex import CONF, STREAM
from crypto_dt_source.sim.streams.bitfinex import SIM

BTC, DOGE = Pair("BTC", "USDT"), Pair("DOGE", "USD")
ROW = [65999, 1.5, 66001, 2.5, 900, 0.0138, 66000, 1234.5, 67000, 64000]
SALE = [401597395, NOW - 3, -0.5, 66000.25]


def desk() -> StreamDesk:
    return StreamDesk("bitfinex", STREAM, SIM, BTC, DOGE)


def opened() -> StreamDesk:
    """With channel 7 for the tickers of BTC/USDT and 8 for the trades of DOGE/USD."""
    one = desk()
    one.session.subscribe([Topic("ticker", BTC), Topic("trades", DOGE)])
    one.read({"event": "subscribed", "channel": "ticker", "chanId": 7, "symbol": "tBTCUST", "pair": "BTCUST"})
    one.read(
        {"event": "subscribed", "channel": "trades", "chanId": 8, "symbol": "tDOGE:USD", "pair": "DOGE:USD"}
    )
    return one


GAPS: list[Event] = [Gap(Topic("ticker", BTC), None), Gap(Topic("trades", DOGE), None)]


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    said = [(line, one.read(line)) for line in recorded(wire, "bitfinex_v2")]
    quotes = [event for _, events in said for event in events if isinstance(event, Quote)]
    assert quotes[0] == Quote(
        "bitfinex", "tBFTUSD", "BFT", "USD", 0.076989, 0.068965, 0.0774, 101459.39453471, None,
        pytest.approx(2.62), 0.0828, 0.068961, None, NOW,
    )  # fmt: skip
    assert [(quote.base, quote.quote) for quote in quotes] == [
        ("BFT", "USD"), ("IOTA", "ETH"), ("MDOGE", "USD"), ("MANA", "BTC"), ("ODE", "USD"),
    ]  # fmt: skip
    assert len([event for _, events in said for event in events if isinstance(event, Subscribed)]) == 5
    # The selection lacks what came between 25 and 127.
    assert [line[:20] for line, events in said if any(isinstance(e, Gap) for e in events)] == [
        '[204928,"hb",127]'
    ]
    assert said[-1] == ('[205633,"hb",129]', [Alive()])
    assert [event for line, _ in said if line.startswith("[") for event in one.read(line)] == []


def test_recorded_trades_with_the_time_of_the_venue(wire: Path) -> None:
    one = desk()
    events = [event for line in recorded(wire, "bitfinex_v2_trades_ticker") for event in one.read(line)]
    assert [event for event in events if isinstance(event, Quote | Trade)] == [
        Trade(
            "bitfinex", "tBTCUSD", "BTC", "USD", "382489563", 10087.98969503, 0.00705845, "buy", 1564617600709
        )
    ]
    topics = [topic for event in events if isinstance(event, Subscribed) for topic in event.topics]
    assert topics == both(Pair("BTC", "USD"))[::-1]


def test_a_ticker_and_a_trade() -> None:
    one = opened()
    assert one.read([7, ROW, 1, NOW - 5]) == [
        Quote(
            "bitfinex", "tBTCUST", "BTC", "USDT", 66000.0, 65999.0, 66001.0, 1234.5, None, pytest.approx(1.38),
            67000.0, 64000.0, NOW - 5, NOW,
        )
    ]  # fmt: skip
    trade = Trade("bitfinex", "tDOGE:USD", "DOGE", "USD", "401597395", 66000.25, 0.5, "sell", NOW - 3)
    assert one.read([8, "te", SALE, 2, NOW]) == [trade]
    assert one.read([8, "tu", SALE, 3, NOW]) == []
    assert one.read([8, [SALE, SALE], 4, NOW]) == one.read([8, [], 5, NOW]) == []
    bought = one.read([8, "te", [*SALE[:2], 0.5, 66000.25], 6, NOW])
    assert bought == [trade._replace(side="buy")]
    assert [
        type(event) for event in one.read(json.dumps([7, [*ROW, "new"], 7, NOW, "ticker", "BTC:UST"]))
    ] == [Quote]


def test_the_number_of_the_connection() -> None:
    one = opened()
    assert len(one.read([7, ROW, 5, NOW])) == 1
    assert one.read([7, ROW, 5, NOW]) == one.read([7, ROW, 4, NOW]) == one.read([8, "te", SALE, 5, NOW]) == []
    assert one.read([7, "hb", 5, NOW]) == []
    *gaps, quote = one.read([7, ROW, 8, NOW])
    assert gaps == GAPS
    assert isinstance(quote, Quote)
    *gaps, trade = one.read([8, "te", SALE, 10, NOW])
    assert gaps == GAPS
    assert isinstance(trade, Trade)
    assert one.read([8, "tu", SALE, 12, NOW]) == GAPS
    assert one.read([7, "hb", 14, NOW]) == [*GAPS, Alive()]
    # Frames of channels that are none of ours count too, and a record without a price.
    assert one.read([99, [1, 2, 3], 15, NOW]) == one.read([99, "te", SALE, 16, NOW]) == []
    assert one.read([99, "hb", 17, NOW]) == []
    assert one.read([99, "hb", 19, NOW]) == one.read([7, [0] * 10, 21, NOW]) == GAPS
    assert one.read([8, "te", [1, NOW, 0, 0], 23, NOW]) == GAPS
    assert one.read([7, "hb", 24, NOW]) == [Alive()]
    # Without the flags there are no numbers.
    assert len(opened().read([7, ROW])) == len(opened().read([8, "te", SALE])) == 1
    assert opened().read([7, "hb"]) == [Alive()]


@pytest.mark.parametrize("price", [0, -1, None, "NaN", ""])
def test_a_price_that_is_none_gives_no_quote(price: Any) -> None:
    assert opened().read([7, [*ROW[:6], price, *ROW[7:]], 1, NOW]) == []
    assert opened().read([7, [*ROW[:7], 0, *ROW[8:]], 1, NOW]) == []


def test_sides_that_are_none_are_left_out() -> None:
    (quote,) = opened().read([7, [0, None, None, 0, None, None, 66000, None, 0, -5], 1, NOW])
    assert isinstance(quote, Quote)
    assert quote[5:12] == (None,) * 7


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        ([7, ["much", *ROW[1:]], 1, NOW], "$[1][0]"),
        ([7, ROW[:5], 1, NOW], "$[1]"),
        ([7, ROW, 1, 5], "$[3]"),
        ([8, "te", SALE[:2], 1, NOW], "$[2]"),
        ([8, "te", [*SALE[:2], 1, {}], 1, NOW], "$[2][3]"),
        ([8, [1, 2], 1, NOW], "$[1]"),
        ([8, {"a": 1}, 1, NOW], "$[1]"),
        (["7", ROW], "$[0]"),
        ([7], "$"),
        ({"event": "subscribed", "channel": "ticker", "symbol": "tBTCUST"}, "$.chanId"),
        ({"event": 5}, "$.event"),
    ],
)
def test_another_shape_says_where(frame: Any, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        opened().read(frame)
    assert caught.value.path == path


def test_arrays_written_with_blanks() -> None:
    one = opened()
    assert [type(event) for event in one.read(json.dumps([7, ROW, 1, NOW], indent=1))] == [Quote]
    assert [type(event) for event in one.read(json.dumps([8, "te", SALE, 2, NOW], indent=1))] == [Trade]
    assert one.read(json.dumps([9, "hb", 3, NOW], indent=1)) == []


def test_cut_and_bent_frames() -> None:
    one = desk()
    one.asks(*both(BTC))
    frame = one.venue.trade(BTC, trade_of(3), NOW, 3)
    text = frame if isinstance(frame, str) else frame.decode()
    assert [type(event) for event in one.read(text)] == [Gap, Gap, Trade]
    for broken in (text[:-1], text[:-30], "<html>down</html>", "", "[" * 50_000, "\ud800", b"\xff"):
        with pytest.raises(PayloadChanged):
            one.read(broken)


def trade_of(number: int) -> Any:
    from crypto_dt_source.sim.venue import SimTrade

    return SimTrade(number, 66_000.25, 0.125, "buy", NOW - 9)


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert [one.read(frame) for frame in one.venue.opened(NOW)] == [[]]
    assert confirmed(one.asks(*both(BTC, DOGE))) == set(both(BTC, DOGE)) == one.venue.topics
    assert one.sent[:3] == [
        CONF,
        '{"event":"subscribe","channel":"ticker","symbol":"tBTCUST"}',
        '{"event":"subscribe","channel":"trades","symbol":"tBTCUST"}',
    ]
    assert json.loads(CONF) == {"event": "conf", "flags": 98304}
    (*_, quote) = one.ticker(1)
    assert isinstance(quote, Quote)
    told = (TICKER.last, TICKER.bid, TICKER.ask, TICKER.base_volume, None)
    assert quote[4:9] == told
    assert quote[9:12] == (pytest.approx(TICKER.change_pct, rel=1e-4), TICKER.high, TICKER.low)
    assert quote.event_ms == NOW - 59_000
    (trade,) = one.trade(2)
    assert isinstance(trade, Trade)
    beat = one.venue.heartbeat(NOW)
    assert beat is not None
    assert one.read(beat) == [Alive()]
    (sold,) = one.trade(3, "sell")
    assert isinstance(sold, Trade)
    assert (trade.side, sold.side, sold.size) == ("buy", "sell", 0.125)
    assert set(one.trade(5)[:-1]) == {Gap(topic, None) for topic in both(BTC, DOGE)}
    assert one.talk(one.session.unsubscribe(both(DOGE))) == []
    assert one.venue.topics == set(both(BTC))
    assert one.sent[-2].startswith('{"event":"unsubscribe","chanId":2000')
    assert [event.topic for event in one.trade(8)[:-1] if isinstance(event, Gap)] == both(BTC)


def test_only_newer_tickers() -> None:
    one = desk()
    one.asks(Topic("ticker", BTC))
    assert newest_ticker(one).symbol == "tBTCUST"


def test_a_channel_left_before_its_id_is_known() -> None:
    one = desk()
    topic = Topic("ticker", BTC)
    one.session.subscribe([topic])
    assert one.session.unsubscribe([topic]) == []
    granted = {"event": "subscribed", "channel": "ticker", "chanId": 7, "symbol": "tBTCUST"}
    assert one.read(granted) == [Answer('{"event":"unsubscribe","chanId":7}')]
    assert one.read([7, ROW, 1, NOW]) == []
    one.session.subscribe([topic])
    assert one.read(granted) == [Subscribed((topic,))]
    assert one.read({"event": "unsubscribed", "status": "OK", "chanId": 7}) == []
    assert one.read([7, ROW, 2, NOW]) == []


def test_a_ticker_that_is_another_coins_code_is_refused() -> None:
    one = desk()
    taken = Topic("ticker", Pair("YGG", "USD"))
    assert one.session.subscribe([taken]) == [CONF]
    (no,) = one.read({"event": "conf", "status": "OK", "flags": 98304})
    assert isinstance(no, Refused)
    assert no.topics == (taken,)
    other = opened()
    assert other.session.subscribe([taken]) == []
    assert [type(event) for event in other.read([7, "hb", 1, NOW])] == [Alive, Refused]


def test_refusals() -> None:
    one = desk()
    nosuch = Topic("ticker", Pair("NO", "SUCH"))
    assert one.asks(nosuch) == [Refused((nosuch,), "10300 symbol: invalid")]
    full = many(60, "USD")
    events = one.asks(*full)
    assert refused(events) == set(full)
    venue = SIM.session(lambda pair: True)
    session = STREAM.session("bitfinex")
    frames = [got for frame in session.subscribe(full) for got in venue.received(frame, NOW)]
    events = [event for frame in frames for event in session.read(frame, NOW)]
    assert (len(confirmed(events)), len(refused(events))) == (25, 35)
    assert {event.reason for event in events if isinstance(event, Refused)} == {"10305 subscribe: limit"}
    assert one.read({"event": "error", "code": 10301, "channel": "ticker", "symbol": "tBTCUST"}) == []
    assert one.read({"event": "error", "code": 10305, "msg": "a\nb"}) == [Refused((), "10305 a b")]


@pytest.mark.parametrize("code", [20051, 20060, 20061])
def test_info_that_ends_a_connection(code: int) -> None:
    assert desk().read({"event": "info", "code": code, "msg": "soon"}) == [Ending(f"{code} soon")]


def test_other_info() -> None:
    one = desk()
    assert one.read({"event": "info", "version": 2, "platform": {"status": 0}}) == [
        Ending("the platform is in maintenance")
    ]
    assert one.read({"event": "info", "version": 2, "platform": {"status": 1}}) == []
    assert one.talk(['{"event":"ping","cid":5}']) == [Alive()]
    assert one.session.ping() is None
    assert one.read({"event": "subscribed", "channel": "book", "chanId": 5, "symbol": "tBTCUSD"}) == []
    assert one.read({"event": "subscribed", "channel": "ticker", "chanId": 5, "symbol": "fUSD"}) == []
    assert one.venue.received("{", NOW) == []
    assert "10000" in one.venue.received('{"event":"nope"}', NOW)[0]


def test_as_many_topics_as_a_connection_takes() -> None:
    topics = many(STREAM.topics_a_connection, "USD")
    frames = desk().session.subscribe(topics)
    assert len(frames) == 1 + len(topics) == 25
    assert frames[0] == CONF
    assert len(desk().session.subscribe(many(500, "USD"))) == 501


SEEDS = [json.dumps(payload, separators=(",", ":")) for payload in (
    [7, ROW, 1, NOW], [8, "te", SALE, 1, NOW], [8, "tu", SALE, 1, NOW], [8, [SALE], 1, NOW], [7, "hb", 1, NOW],
    {"event": "subscribed", "channel": "ticker", "chanId": 9, "symbol": "tBTCUST", "pair": "BTCUST"},
    {"event": "info", "code": 20051, "msg": "x", "platform": {"status": 1}},
    {"event": "error", "code": 10300, "channel": "ticker", "symbol": "tBTCUST", "msg": "no"},
)]  # fmt: skip


@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    survives(opened(), frame)
