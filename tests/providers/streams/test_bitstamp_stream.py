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
    damaged,
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
from crypto_dt_source.providers.streaming import Alive, Ending, Refused, Subscribed, Topic
from crypto_dt_source.providers.streams.bitstamp import STREAM
from crypto_dt_source.sim.streams.bitstamp import SIM

BTC, ETH = Pair("BTC", "USD"), Pair("ETH", "USD")
SALE: dict[str, Any] = {
    "id": 5,
    "timestamp": str(NOW // 1000),
    "amount": 2.5,
    "amount_str": "2.50000000",
    "price": 3805.44,
    "price_str": "3805.44",
    "type": 1,
    "microtimestamp": f"{NOW - 7}321",
    "buy_order_id": 1,
    "sell_order_id": 2,
}


def desk() -> StreamDesk:
    return StreamDesk("bitstamp", STREAM, SIM, BTC, ETH)


def sale(**changed: Any) -> dict[str, Any]:
    return {"data": SALE | changed, "channel": "live_trades_ethusd", "event": "trade"}


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    said = {line: one.read(line) for line in recorded(wire, "bitstamp")}
    assert all(bool(events) == ('"event":"trade"' in line) for line, events in said.items())
    trades = [event for events in said.values() for event in events]
    assert len(trades) == 10
    assert trades[0] == Trade(
        "bitstamp", "ethusd", "ETH", "USD", "216000477", 3805.44, 0.0792, "buy", 1641343699596
    )
    assert trades[-1] == Trade(
        "bitstamp", "ethusd", "ETH", "USD", "216000506", 3800.8, 2.73248242, "sell", 1641343721269
    )
    assert [one.read(line) for line in said] == [[]] * len(said)
    for line in said:
        survives(desk(), line[:-1])


def test_a_trade_is_also_the_last_price() -> None:
    one = desk()
    trade = Trade("bitstamp", "ethusd", "ETH", "USD", "5", 3805.44, 2.5, "sell", NOW - 7)
    none = (None,) * 7
    quote = Quote("bitstamp", "ethusd", "ETH", "USD", 3805.44, *none, NOW - 7, NOW)
    assert one.read(sale()) == [trade]
    assert one.read(sale()) == one.read(sale(id=4)) == []
    one.session.subscribe([Topic("ticker", ETH)])
    assert one.read(sale(id=6)) == [quote]
    one.session.subscribe([Topic("trades", ETH)])
    assert one.read(sale(id=7)) == [quote, trade._replace(trade_id="7")]
    one.session.unsubscribe([Topic("ticker", ETH)])
    assert one.read(sale(id=8)) == [trade._replace(trade_id="8")]


@pytest.mark.parametrize(
    "change", [{"price": 0}, {"price": -1}, {"price": "NaN"}, {"price": None}, {"amount": 0}]
)
def test_no_price_or_size_is_no_record(change: dict[str, Any]) -> None:
    one = desk()
    one.session.subscribe(both(ETH))
    assert not [event for event in one.read(sale(**change)) if isinstance(event, Trade)]
    assert "amount" in change or one.read(sale(id=9, **change)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": None}, "$.data"),
        ({"type": 2}, "$.data"),
        ({"microtimestamp": None}, "$.data"),
        ({"microtimestamp": "soon"}, "$.data.microtimestamp"),
        ({"price": "much"}, "$.data.price"),
    ],
)
def test_another_shape_says_where(change: dict[str, Any], path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        desk().read(sale(**change))
    assert caught.value.path == path


def test_cut_and_bent_frames() -> None:
    one = desk()
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), "66000.5", "0.00014467592592592592")


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(Topic("ticker", BTC))) == {Topic("ticker", BTC)}
    assert one.sent == ['{"event":"bts:subscribe","data":{"channel":"live_trades_btcusd"}}']
    quote = newest_ticker(one)
    assert (quote.symbol, quote.price, quote.event_ms) == ("btcusd", TICKER.last, NOW - 55_000)
    assert quote[5:12] == (None,) * 7
    assert confirmed(one.asks(Topic("trades", BTC))) == set(both(BTC))
    assert one.session.unsubscribe([Topic("ticker", BTC)]) == []
    assert one.venue.topics == {Topic("trades", BTC)}
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.session.unsubscribe(both(BTC)) == []
    assert one.talk([one.session.ping() or ""]) == [Alive()]


def test_a_channel_asked_for_again_begins_anew() -> None:
    one = desk()
    one.asks(Topic("trades", BTC))
    assert len(one.trade(30)) == 1
    one.talk(one.session.unsubscribe([Topic("trades", BTC)]))
    one.asks(Topic("trades", BTC))
    assert len(one.trade(3)) == 1


def test_what_the_venue_says() -> None:
    one = desk()
    one.session.subscribe(both(ETH))
    assert one.read({"event": "bts:request_reconnect", "channel": "", "data": ""}) == [
        Ending("bts:request_reconnect")
    ]
    assert one.read({"event": "bts:request_reconnect", "channel": "", "data": None}) == [
        Ending("bts:request_reconnect")
    ]
    succeeded = {"event": "bts:subscription_succeeded", "channel": "live_trades_ethusd", "data": {}}
    assert one.read(succeeded) == [Subscribed(tuple(both(ETH)))]
    error = {
        "event": "bts:error",
        "channel": "",
        "data": {"code": None, "message": "Bad subscription string."},
    }
    assert one.read(error) == [Refused((), "Bad subscription string.")]
    assert refused(one.read(error | {"channel": "live_trades_ethusd"})) == set(both(ETH))
    (odd,) = one.read(error | {"data": "no\nway" + "!" * 500})
    assert isinstance(odd, Refused)
    assert len(odd.reason) == 200
    assert (
        one.read({"event": "data", "channel": "order_book_btcusd", "data": {"bids": [], "price": []}}) == []
    )
    assert one.read({"event": "trade", "channel": "private-live_trades_btcusd", "data": SALE}) == []
    assert one.read({"event": "trade", "channel": "live_trades_nosuch", "data": SALE}) == []


def test_the_simulated_venue_refuses_what_the_real_one_refuses() -> None:
    one = desk()
    words = [
        ("{", "Incorrect JSON format."),
        ('{"event":"bts:ping"}', "Bad subscription string."),
        ('{"event":"bts:subscribe","data":{"channel":"live_trades_BTC/USD"}}', "Invalid channel provided."),
        ('{"event":"bts:subscribe","data":{"channel":"' + "x" * 600 + '"}}', "Bad subscription string."),
    ]
    for frame, message in words:
        assert one.talk([frame]) == [Refused((), message)]
    # A pair that is not listed is confirmed, and stays silent.
    assert confirmed(one.asks(Topic("trades", Pair("NO", "SUCH")))) == {Topic("trades", Pair("NO", "SUCH"))}
    assert one.venue.topics == set()


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = desk().session.subscribe(many(500, "USD"))
    assert len(frames) == 250  # one channel serves both topics of a pair
    assert max(len(frame.encode()) for frame in frames) < 512
    assert (STREAM.topics_a_connection, STREAM.lifetime_s) == (1024, 90 * 86_400)


SEEDS = [
    json.dumps(sale(), separators=(",", ":")),
    '{"event":"bts:error","channel":"","data":{"code":null,"message":"no"}}',
    '{"event":"bts:subscription_succeeded","channel":"live_trades_ethusd","data":{}}',
    '{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}',
]


@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    one = desk()
    one.session.subscribe(both(ETH))
    survives(one, frame)
