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
from crypto_dt_source.providers.streaming import Alive, Answer, Gap, Refused, Topic
from crypto_dt_source.providers.streams.coinbase_exchange import STREAM
from crypto_dt_source.sim.streams.coinbase_exchange import SIM

BTC, ETH = Pair("BTC", "USD"), Pair("ETH", "EUR")
NONE = Pair("NO", "SUCH")
PRICED: dict[str, Any] = {
    "type": "ticker",
    "sequence": 90,
    "product_id": "BTC-USD",
    "price": "66000",
    "open_24h": "60000",
    "volume_24h": "10",
    "low_24h": "59000",
    "high_24h": "67000",
    "best_bid": "65999",
    "best_ask": "66001",
    "time": "2026-09-21T13:33:20.500000Z",
}
MATCH: dict[str, Any] = {
    "type": "match",
    "trade_id": 10,
    "side": "sell",
    "size": "0.5",
    "price": "66000",
    "product_id": "BTC-USD",
    "sequence": 50,
    "time": "2026-09-21T13:33:20.250900Z",
}
AT = 1_789_997_600_000
"""2026-09-21T13:33:20Z."""


def desk() -> StreamDesk:
    return StreamDesk("coinbase_exchange", STREAM, SIM, BTC, ETH)


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    lines = recorded(wire, "coinbase_exchange")
    said = {line: one.read(line) for line in lines}
    for line, events in said.items():
        row = json.loads(line)
        if row["type"] == "ticker":
            (quote,) = events
            assert (quote.symbol, quote.price) == (row["product_id"], float(row["price"]))
            assert (quote.bid, quote.ask) == (float(row["best_bid"]), float(row["best_ask"]))
            assert (quote.base_volume, quote.quote_volume) == (float(row["volume_24h"]), None)
        elif row["type"] in ("match", "last_match"):
            (trade,) = events
            assert trade.trade_id == str(row["trade_id"])
            assert trade.side == {"buy": "sell", "sell": "buy"}[row["side"]]
        else:
            assert events == []
    (first,) = said[lines[2]]
    assert first == Quote(
        "coinbase_exchange", "BAND-GBP", "BAND", "GBP", 14.7775, 14.755, 14.806, 94381.28, None,
        pytest.approx((14.7775 / 14.6647 - 1) * 100), 16.55, 14.3691, 1618677810244, NOW,
    )  # fmt: skip
    (last,) = said[lines[4]]
    assert last == Trade(
        "coinbase_exchange", "BAND-GBP", "BAND", "GBP", "881613", 14.7775, 0.04, "buy", 1618677810244
    )
    assert all(one.read(line) == [] for line in lines)


def test_a_ticker_and_a_match() -> None:
    assert desk().read(PRICED) == [
        Quote(
            "coinbase_exchange", "BTC-USD", "BTC", "USD", 66000.0, 65999.0, 66001.0, 10.0, None,
            pytest.approx(10.0), 67000.0, 59000.0, AT + 500, NOW,
        )
    ]  # fmt: skip
    made = Trade("coinbase_exchange", "BTC-USD", "BTC", "USD", "10", 66000.0, 0.5, "buy", AT + 251)
    assert desk().read(MATCH) == desk().read(json.dumps(dict(reversed(MATCH.items())))) == [made]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_quote(price: str | None) -> None:
    assert desk().read(PRICED | {"price": price}) == []


def test_a_product_that_never_traded() -> None:
    bare = {"type": "ticker", "sequence": 3, "product_id": "BTC-USD", "price": "0", "best_bid": ""}
    assert desk().read(bare) == []
    (quote,) = desk().read(bare | {"price": "5"})
    assert quote[4:13] == (5.0, None, None, None, None, None, None, None, None)


@pytest.mark.parametrize("change", [{"price": "0"}, {"size": "NaN"}, {"time": "2026-12-21T13:33:20Z"}])
def test_no_trade_without_price_size_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(MATCH | change) == []


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), '"66000.25"', '"0.125"')
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"12.5"')
    for change, path in (
        ({"time": "2026-09-21T13:33:20"}, "$.time"),  # whose clock?
        ({"time": "1970-01-01T00:00:00Z"}, "$.time"),
        ({"side": "up"}, "$.side"),
        ({"trade_id": -1}, "$.trade_id"),
    ):
        with pytest.raises(PayloadChanged) as caught:
            desk().read(MATCH | change)
        assert caught.value.path == path


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC))) == set(both(BTC))
    assert confirmed(one.asks(*both(ETH))) == set(both(ETH))
    assert one.venue.topics == set(both(BTC, ETH))
    as_told(newest_ticker(one), BTC)
    counted_trades(one, BTC)
    assert one.read(one.venue.heartbeat(NOW)) == [Alive()]
    assert sum("heartbeat" in frame for frame in one.sent) == 1
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.venue.heartbeat(NOW) is not None


def test_an_unknown_product_costs_only_itself() -> None:
    one = desk()
    events = one.asks(*both(NONE, BTC, ETH))
    reason = "Failed to subscribe: NO-SUCH is not a valid product"
    assert events[0] == Refused(tuple(both(NONE)), reason)
    assert isinstance(events[1], Answer)
    assert confirmed(events) == set(both(BTC, ETH)) == one.venue.topics
    assert one.venue.heartbeat(NOW) is not None  # asked for again with a product that exists


def test_refusals_that_name_nothing() -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    one.session.subscribe(both(ETH))
    assert refused(one.read({"type": "error", "message": "slow down"})) == set(both(BTC))
    assert refused(one.read({"type": "error", "message": "no", "reason": "XX-YY"})) == set(both(ETH))
    assert one.read({"type": "error", "message": "a\tb"}) == [Refused((), "a b")]
    assert one.read({"type": "status", "products": []}) == []
    assert "Malformed JSON" in one.venue.received("{", NOW)[0]


def test_the_trade_before_shows_what_was_missed_after_it() -> None:
    one = desk()
    assert len(one.read(MATCH | {"type": "last_match", "trade_id": 9})) == 1
    gap, _ = one.read(MATCH | {"trade_id": 12})
    assert gap == Gap(Topic("trades", BTC), 2)


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    one = desk()
    frames = one.session.subscribe(many(500, "USD"))
    names = [name for frame in frames for c in json.loads(frame)["channels"] for name in c["product_ids"]]
    assert len(frames) == 10
    assert len(names) == 501  # and one heartbeat
    assert STREAM.frames_a_second <= 8
    assert refused(desk().asks(*many(60, "USD"))) == set(many(60, "USD"))


SEEDS = [
    json.dumps(PRICED, separators=(",", ":")),
    json.dumps(MATCH, separators=(",", ":")),
    '{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["BTC-USD"],"account_ids":null}]}',
    '{"type":"error","message":"Failed to subscribe","reason":"BTC-USD is not a valid product"}',
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    survives(one, frame)
