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
from crypto_dt_source.providers.streaming import Alive, Refused, Topic
from crypto_dt_source.providers.streams.kraken import STREAM
from crypto_dt_source.sim.streams.kraken import SIM

BTC, DOGE = Pair("BTC", "USD"), Pair("DOGE", "EUR")
NONE = Pair("NO", "SUCH")
ROW: dict[str, Any] = {
    "symbol": "BTC/USD",
    "last": 66000.0,
    "bid": 65999.9,
    "ask": 66000.1,
    "volume": 10.0,
    "vwap": 65000.0,
    "low": 64000.0,
    "high": 67000.0,
    "change_pct": -1.25,
    "timestamp": "2026-09-21T13:33:20.500400Z",
}
SOLD: dict[str, Any] = {
    "symbol": "DOGE/EUR",
    "side": "sell",
    "price": 0.25,
    "qty": 40.0,
    "ord_type": "market",
    "trade_id": 4665906,
    "timestamp": "2026-09-21T13:33:20.250400Z",
}
AT = 1_789_997_600_000


def desk() -> StreamDesk:
    return StreamDesk("kraken", STREAM, SIM, BTC, DOGE)


def frame(channel: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"channel": channel, "type": "update", "data": list(rows)}


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    said = [one.read(line) for line in recorded(wire, "kraken_v2")]
    assert confirmed(said[0]) == {Topic("ticker", BTC)}
    assert said[1] == [
        Quote(
            "kraken", "BTC/USD", "BTC", "USD", 105899.4, 105944.2, 105944.3, 163.28908096,
            pytest.approx(163.28908096 * 105904.39279), 0.24, 106613.1, 104711.0, 1671960659123, NOW,
        )
    ]  # fmt: skip
    assert said[2] == [
        Trade("kraken", "BTC/USD", "BTC", "USD", "10218208", 105944.2, 0.00027625, "buy", 1696613755440),
        Trade("kraken", "BTC/USD", "BTC", "USD", "10218209", 105910.5, 0.0001246, "sell", 1696613756123),
    ]
    assert said[3:] == [[], [], [], [Alive()]]


def test_rows_of_several_pairs() -> None:
    quotes = desk().read(frame("ticker", ROW, ROW | {"symbol": "XBT/EUR"}, ROW | {"symbol": "BTC/USD"}))
    assert [(q.symbol, q.base, q.quote, q.event_ms) for q in quotes] == [
        ("BTC/USD", "BTC", "USD", AT + 500),
        ("XBT/EUR", "BTC", "EUR", AT + 500),
    ]
    assert quotes[0].quote_volume == 650_000.0
    late = desk().read(json.dumps(dict(reversed(frame("trade", SOLD).items()))))
    assert late == desk().read(frame("trade", SOLD)) == [
        Trade("kraken", "DOGE/EUR", "DOGE", "EUR", "4665906", 0.25, 40.0, "sell", AT + 250)
    ]  # fmt: skip


def test_tickers_of_one_millisecond_are_told_apart() -> None:
    one = desk()
    assert len(one.read(frame("ticker", ROW))) == 1
    assert len(one.read(frame("ticker", ROW | {"timestamp": "2026-09-21T13:33:20.500401Z"}))) == 1
    assert one.read(frame("ticker", ROW)) == []
    undated = {key: value for key, value in ROW.items() if key != "timestamp"}
    assert one.read(frame("ticker", undated))[0].event_ms is None


@pytest.mark.parametrize("price", [0, -1, None, ""])
def test_a_price_that_is_none_gives_no_quote(price: Any) -> None:
    assert desk().read(frame("ticker", ROW | {"last": price})) == []


def test_a_market_at_rest_gives_no_quote() -> None:
    assert desk().read(frame("ticker", ROW | {"volume": 0})) == []
    (quote,) = desk().read(frame("ticker", ROW | {"bid": 0, "vwap": None, "volume": -3, "change_pct": None}))
    assert (quote.bid, quote.base_volume, quote.quote_volume, quote.change_pct) == (None, None, None, None)


@pytest.mark.parametrize("change", [{"price": 0}, {"qty": -1}, {"timestamp": "2026-12-21T13:33:20Z"}])
def test_no_trade_without_price_size_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(frame("trade", SOLD | change)) == []


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), "66000.25", "0.125")
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), "66000.5", "12.5")
    with pytest.raises(PayloadChanged) as caught:
        desk().read(frame("trade", SOLD, SOLD | {"timestamp": "1970-01-01T00:00:00Z", "trade_id": 4665907}))
    assert caught.value.path == "$.data[...].timestamp"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert [one.read(said) for said in one.venue.opened(NOW)] == [[Alive()]]
    assert one.venue.heartbeat(NOW) is None
    assert confirmed(one.asks(*both(BTC, DOGE))) == set(both(BTC, DOGE)) == one.venue.topics
    quote = newest_ticker(one)
    as_told(quote, BTC)
    assert (quote.bid, quote.ask) == (TICKER.bid, TICKER.ask)
    assert quote.quote_volume == pytest.approx(TICKER.quote_volume)
    counted_trades(one, BTC)
    assert one.read(one.venue.heartbeat(NOW)) == [Alive()]
    assert one.talk(one.session.unsubscribe(both(BTC, DOGE))) == []
    assert one.venue.topics == set()
    assert one.session.ping() is None
    assert one.read(one.venue.received('{"method":"ping"}', NOW)[0]) == [Alive()]


def test_an_unknown_pair_is_refused_by_itself() -> None:
    one = desk()
    events = one.asks(*both(NONE, BTC))
    assert confirmed(events) == set(both(BTC))
    assert [event for event in events if isinstance(event, Refused)] == [
        Refused((topic,), "Currency pair not supported NO/SUCH") for topic in both(NONE)
    ]
    one.session.subscribe(both(DOGE))
    silent = {"method": "subscribe", "success": False, "error": "Exceeded msg rate", "req_id": 3}
    assert refused(one.read(silent)) == {Topic("ticker", DOGE)}
    assert one.read(silent) == [Refused((), "Exceeded msg rate")]
    assert "Malformed" in one.venue.received("{", NOW)[0]


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    one = desk()
    requests = [json.loads(sent) for sent in one.session.subscribe(many(500, "USD"))]
    assert [len(request["params"]["symbol"]) for request in requests] == [100, 100, 50] * 2
    assert {r["params"]["channel"] for r in requests} == {"ticker", "trade"}
    assert {r["params"].get("event_trigger") for r in requests if r["params"]["channel"] == "ticker"} == {
        "bbo"
    }
    assert {r["params"].get("snapshot") for r in requests if r["params"]["channel"] == "trade"} == {False}
    assert refused(one.asks(*many(500, "USD"))) == set(many(500, "USD"))


SEEDS = [
    json.dumps(frame("ticker", ROW), separators=(",", ":")),
    json.dumps(frame("trade", SOLD), separators=(",", ":")),
    '{"method":"subscribe","result":{"channel":"ticker","symbol":"BTC/USD"},"success":true,"req_id":1}',
    '{"error":"no","method":"subscribe","req_id":2,"success":false,"symbol":"BTC/USD"}',
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(sent: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, DOGE))
    survives(one, sent)
