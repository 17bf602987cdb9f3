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
    counted_trades,
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
from crypto_dt_source.providers.streaming import Alive, Answer, Event, Gap, Refused, Topic
from crypto_dt_source.providers.streams.gate import STREAM, stamp
from crypto_dt_source.sim.streams.gate import SIM

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "BTC")
DAY: dict[str, Any] = {
    "currency_pair": "BTC_USDT", "last": "15743.4", "lowest_ask": "15744.4", "highest_bid": "15743.5",
    "change_percentage": "-1.8254", "base_volume": "9110.473", "quote_volume": "145082083.25",
    "high_24h": "16280.9", "low_24h": "15468.5",
}  # fmt: skip
SALE: dict[str, Any] = {
    "id": 309143071, "id_market": 2390902, "create_time": NOW // 1000, "create_time_ms": f"{NOW - 3}.4578",
    "side": "sell", "currency_pair": "ETH_BTC", "amount": "16.47", "price": "0.0705", "range": "2390902-2390902",
}  # fmt: skip


def desk() -> StreamDesk:
    return StreamDesk("gate", STREAM, SIM, BTC, ETH)


def update(channel: str, result: dict[str, Any], **changed: Any) -> dict[str, Any]:
    times = {"time": NOW // 1000, "time_ms": NOW - 5}
    return {**times, "channel": channel, "event": "update", "result": result, **changed}


def day(**changed: Any) -> dict[str, Any]:
    return update("spot.tickers", DAY | changed)


def sale(**changed: Any) -> dict[str, Any]:
    return update("spot.trades", SALE | changed)


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    said: list[tuple[str, list[Event]]] = [(line, one.read(line)) for line in recorded(wire, "gate_v4")]
    for line, events in said:
        kind = (
            Quote if '"spot.tickers"' in line else Trade if '"spot.trades","event":"update"' in line else None
        )
        assert [type(event) for event in events] == [kind] * (kind is not None)
    records = [event for _, events in said for event in events]
    assert len(records) == 18
    assert records[0] == Quote(
        "gate", "NEO_BTC", "NEO", "BTC", 0.0018716, 0.0018697, 0.0018734, 1138.01640718, 2.048263365803126,
        2.9256, 0.0018754, 0.0017148, 1619093533000, NOW,
    )  # fmt: skip
    assert records[-1] == Trade(
        "gate", "NEO_BTC", "NEO", "BTC", "816996983", 0.0018697, 0.5, "sell", 1619093560801
    )
    assert [event for line, _ in said if "spot.trades" in line for event in one.read(line)] == []


def test_a_ticker_and_a_trade() -> None:
    assert desk().read(day()) == [
        Quote(
            "gate", "BTC_USDT", "BTC", "USDT", 15743.4, 15743.5, 15744.4, 9110.473, 145082083.25, -1.8254,
            16280.9, 15468.5, NOW - 5, NOW,
        )
    ]  # fmt: skip
    assert desk().read(sale()) == [
        Trade("gate", "ETH_BTC", "ETH", "BTC", "309143071", 0.0705, 16.47, "sell", NOW - 3)
    ]


def test_the_second_alone_tells_two_tickers_apart_only_when_older() -> None:
    one = desk()
    old = update("spot.tickers", DAY, time_ms=None)
    assert len(one.read(old)) == len(one.read(old)) == 1
    assert one.read(old | {"time": NOW // 1000 - 1}) == []
    (timeless,) = desk().read(old | {"time": 0})
    assert isinstance(timeless, Quote)
    assert timeless.event_ms is None


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_record(price: str | None) -> None:
    assert desk().read(day(last=price)) == []
    assert desk().read(sale(price=price)) == desk().read(sale(amount=price)) == []


def test_sides_that_are_none_are_left_out() -> None:
    absent = {
        "highest_bid": "",
        "lowest_ask": "0",
        "change_percentage": "",
        "quote_volume": "",
        "low_24h": None,
    }
    (quote,) = desk().read(day(**absent, base_volume="", high_24h="NaN"))
    assert isinstance(quote, Quote)
    assert quote[5:12] == (None,) * 7
    assert desk().read(day(base_volume="0")) == []


def test_ids_of_one_market_show_what_is_missing() -> None:
    one = desk()
    topic = Topic("trades", ETH)
    assert len(one.read(sale())) == 1
    assert one.read(sale()) == one.read(sale(id_market=2390901)) == []
    gap, _ = one.read(sale(id=309143090, id_market=2390906, range="2390906-2390906"))
    assert gap == Gap(topic, 3)
    # One frame for three trades, and one for three after a missing one.
    (whole,) = one.read(sale(id=309143095, id_market=2390909, range="2390907-2390909"))
    assert isinstance(whole, Trade)
    gap, _ = one.read(sale(id=309143099, id_market=2390913, range="2390911-2390913"))
    assert gap == Gap(topic, 1)
    # Without a price the jump still is one; a range that makes no sense is not believed.
    assert one.read(sale(id=309143100, id_market=2390915, price="0")) == [Gap(topic, 1)]
    gap, _ = one.read(sale(id=309143105, id_market=2390918, range="5736713-5736713"))
    assert gap == Gap(topic, 2)


def test_ids_of_all_markets_show_duplicates_alone() -> None:
    one = desk()
    assert len(one.read(sale(id_market=None))) == 1
    assert one.read(sale(id_market=None)) == one.read(sale(id_market=None, id=309143070)) == []
    assert [type(event) for event in one.read(sale(id_market=None, id=309153071))] == [Trade]
    one.session.unsubscribe([Topic("trades", ETH)])
    assert len(one.read(sale(id_market=None))) == 1


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (day(last="much"), "$.result.last"),
        (day() | {"time_ms": 5}, "$.time_ms"),
        (sale(id=None), "$.result"),
        (sale(side="both"), "$.result"),
        (sale(create_time_ms=None), "$.result"),
        (sale(create_time_ms="NaN"), "$.result"),
        (sale(price={}), "$.result.price"),
        ({"no": "channel"}, "$"),
    ],
)
def test_another_shape_says_where(frame: dict[str, Any], path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        desk().read(frame)
    assert caught.value.path == path


def test_cut_and_bent_frames() -> None:
    one = desk()
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"12.5"')


def test_requests_carry_the_time_they_are_sent_at() -> None:
    (frame,) = desk().session.subscribe([Topic("ticker", BTC)])
    sent = json.loads(stamp(frame, NOW + 999))
    assert sent == {
        "time": NOW // 1000,
        "id": 1,
        "channel": "spot.tickers",
        "event": "subscribe",
        "payload": ["BTC_USDT"],
    }
    assert json.loads(stamp(desk().session.ping() or "", NOW)) == {
        "time": NOW // 1000,
        "channel": "spot.ping",
    }
    one = desk()
    late = one.venue.received(stamp(frame, NOW - 61_000), NOW) + one.venue.received(frame, NOW)
    one.session.subscribe([Topic("ticker", BTC)])
    assert [refused(one.read(answer)) for answer in late] == [{Topic("ticker", BTC)}, set()]
    assert one.venue.topics == set()


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    quote = newest_ticker(one)
    assert (quote.symbol, quote.price, quote.bid, quote.ask) == (
        "BTC_USDT",
        TICKER.last,
        TICKER.bid,
        TICKER.ask,
    )
    told = (TICKER.base_volume, TICKER.quote_volume, TICKER.change_pct, TICKER.high, TICKER.low, NOW - 55_000)
    assert quote[7:13] == told
    counted_trades(one, BTC)
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.talk([one.session.ping() or ""]) == [Alive()]


def test_one_pair_that_is_not_listed_does_not_lose_the_others() -> None:
    one = desk()
    other = Pair("WBTC", "USDT")
    events = one.asks(*both(BTC, other, ETH))
    assert refused(events) == set(both(other))
    assert confirmed(events) == set(both(BTC, ETH)) == one.venue.topics
    (refusal, *_) = events
    assert refusal == Refused((Topic("ticker", other),), "2 unknown currency pair: WBTC_USDT")
    assert len([event for event in events if isinstance(event, Answer)]) == 2
    alone = one.asks(Topic("trades", other))
    assert alone == [Refused((Topic("trades", other),), "2 unknown currency pair: WBTC_USDT")]


def test_refusals_and_other_channels() -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    head = {"channel": "spot.tickers", "event": "subscribe", "result": {"status": "fail"}}
    assert refused(one.read({**head, "id": 1, "error": {"code": 3, "message": "busy"}})) == {
        Topic("ticker", BTC)
    }
    assert one.read({**head, "error": {"code": 2, "message": "x" * 500}})[0].reason == f"2 {'x' * 198}"
    assert one.read(update("spot.book_ticker", {"last": {}})) == one.read(update("spot.x", {"b": []})) == []
    assert one.read(update("spot.tickers", {})) == []
    assert "Invalid request body" in one.venue.received("{", NOW)[0]
    assert (
        "unknown channel"
        in one.venue.received(stamp('{"channel":"spot.no","event":"subscribe"}', NOW), NOW)[0]
    )


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = [json.loads(frame) for frame in desk().session.subscribe(many(500, "USDT"))]
    assert [(frame["channel"], len(frame["payload"])) for frame in frames] == [
        ("spot.tickers", 100), ("spot.tickers", 100), ("spot.tickers", 50),
        ("spot.trades", 100), ("spot.trades", 100), ("spot.trades", 50),
    ]  # fmt: skip
    assert [frame["id"] for frame in frames] == [1, 2, 3, 4, 5, 6]


SEEDS = [json.dumps(payload, separators=(",", ":")) for payload in (day(), sale())] + [
    '{"time":1,"channel":"spot.tickers","event":"subscribe","id":1,"result":{"status":"success"}}',
    '{"time":1,"channel":"spot.trades","event":"subscribe","id":2,"error":{"code":2,"message":"BTC_USDT"}}',
    '{"time":1,"channel":"spot.pong","event":"","result":null}',
]


@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    survives(one, frame)
