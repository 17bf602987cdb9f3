from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from stream_desk import (
    NOW,
    TICKER,
    StreamDesk,
    as_told,
    both,
    confirmed,
    counted_trades,
    damaged,
    many,
    mutated,
    newest_ticker,
    recorded,
    refused,
    sale,
    survives,
)

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import Alive, Ending, Refused, Subscribed, Topic
from crypto_dt_source.providers.streams.binance import STREAM
from crypto_dt_source.sim.streams.binance import SIM

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "BTC")
DAY: dict[str, Any] = {
    "e": "24hrTicker",
    "E": NOW - 5,
    "s": "BTCUSDT",
    "c": "66000",
    "P": "1.5",
    "b": "65999",
    "a": "66001",
    "o": "65000",
    "h": "67000",
    "l": "64000",
    "v": "10",
    "q": "660000",
}
SALE: dict[str, Any] = {
    "e": "trade",
    "E": NOW,
    "s": "ETHBTC",
    "t": 5,
    "p": "0.05",
    "q": "2",
    "T": NOW - 3,
    "m": True,
    "M": True,
}


def desk() -> StreamDesk:
    return StreamDesk("binance", STREAM, SIM, BTC, ETH)


def day(**changed: Any) -> dict[str, Any]:
    return {"stream": "btcusdt@ticker", "data": DAY | changed}


def sold(**changed: Any) -> dict[str, Any]:
    return {"stream": "ethbtc@trade", "data": SALE | changed}


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    said = {line: one.read(line) for line in recorded(wire, "binance_spot_combined")}
    assert [e for events in said.values() for e in events] == [
        Trade("binance", "NKNUSDT", "NKN", "USDT", "15683430", 0.3528, 58.0, "buy", 1633998523963),
        Trade("binance", "LRCBTC", "LRC", "BTC", "9213679", 0.00000638, 177.0, "buy", 1633998534486),
    ]
    assert all(not events for line, events in said.items() if "aggTrade" not in line)
    one.session.subscribe(both(BTC))
    granted, quote = (one.read(line) for line in recorded(wire, "binance_miniticker"))
    assert granted == [Subscribed(tuple(both(BTC)))]
    assert quote == [
        Quote(
            "binance", "BNBBTC", "BNB", "BTC", 0.0025, None, None, 10000.0, 18.0,
            pytest.approx(150.0), 0.0025, 0.001, 1672515782136, NOW,
        )
    ]  # fmt: skip


def test_a_day_ticker_and_a_trade() -> None:
    assert desk().read(day()) == [
        Quote(
            "binance", "BTCUSDT", "BTC", "USDT", 66000.0, 65999.0, 66001.0, 10.0, 660000.0, 1.5, 67000.0,
            64000.0, NOW - 5, NOW,
        )
    ]  # fmt: skip
    assert desk().read(sold()) == [Trade("binance", "ETHBTC", "ETH", "BTC", "5", 0.05, 2.0, "sell", NOW - 3)]
    spaced = json.dumps({"data": SALE, "stream": "ethbtc@trade"}, indent=1)
    assert desk().read(spaced) == desk().read(sold())


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_quote(price: str | None) -> None:
    assert desk().read(day(c=price)) == []


def test_sides_that_are_none_are_left_out() -> None:
    (quote,) = desk().read(day(b="0", a="NaN", h="inf", l="", v="-1", q=None, P=None))
    assert quote[5:12] == (None, None, None, None, pytest.approx(100 / 65), None, None)
    assert desk().read(day(v="0")) == []
    assert desk().read(day(E=NOW + 2 * 86_400_000)) == []


@pytest.mark.parametrize("change", [{"p": "0"}, {"p": "NaN"}, {"q": "0"}, {"q": "-1"}, {"T": NOW + 10**9}])
def test_no_trade_without_price_size_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(sold(**change)) == []


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), '"66000.25000000"', '"0.12500000"')
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.50000000"', '"12.50000000"')
    with pytest.raises(PayloadChanged) as caught:
        one.read(sold(t=None))
    assert caught.value.path == "$.data.t"
    with pytest.raises(PayloadChanged) as caught:
        one.read(day(E=1790000000))
    assert caught.value.path == "$.data.E"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    quote = newest_ticker(one)
    as_told(quote, BTC)
    assert (quote.symbol, quote.bid, quote.ask) == ("BTCUSDT", TICKER.bid, TICKER.ask)
    assert quote.quote_volume == TICKER.quote_volume
    counted_trades(one, BTC)
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == [Alive()]
    assert one.venue.topics == set()
    assert one.talk([one.session.ping()]) == [Alive()]


def test_refusals() -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    one.session.subscribe(both(ETH))
    answer = one.read({"error": {"code": 2, "msg": "Invalid\n request"}, "id": 1})
    assert answer == [Refused(tuple(both(BTC)), "2: Invalid  request")]
    assert refused(one.read({"code": 3, "msg": "Invalid JSON", "id": 2})) == set(both(ETH))
    assert one.read({"error": {"code": 1, "msg": "x" * 900}, "id": None})[0].reason == f"1: {'x' * 197}"
    assert confirmed(one.asks(Topic("ticker", Pair("NO", "SUCH")))) == {Topic("ticker", Pair("NO", "SUCH"))}
    assert one.venue.topics == set()
    assert "Invalid JSON" in one.venue.received("{", NOW)[0]


def test_the_venue_asks_for_a_new_connection() -> None:
    shutdown = {"e": "serverShutdown", "E": NOW}
    assert (
        desk().read(shutdown) == desk().read({"stream": "", "data": shutdown}) == [Ending("serverShutdown")]
    )
    assert desk().read({"stream": "!miniTicker@arr", "data": [DAY]}) == []


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    one = desk()
    frames = one.session.subscribe(many(500, "USDT"))
    params = [json.loads(frame)["params"] for frame in frames]
    assert [len(names) for names in params] == [100] * 5
    assert max(map(len, frames)) < 4096
    assert len({name for names in params for name in names}) == 500
    assert STREAM.topics_a_connection == 1024
    assert STREAM.frames_a_second < 5
    answers = [one.venue.received(frame, NOW) for frame in frames]
    assert confirmed([e for got in answers for f in got for e in one.read(f)]) == set(many(500, "USDT"))


SEEDS = [
    *desk().session.subscribe(both(BTC)),
    json.dumps(day()),
    json.dumps(sold(), separators=(",", ":")),
    '{"error":{"code":2,"msg":"no"},"id":1}',
    '{"result":null,"id":1}',
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    survives(desk(), frame)
