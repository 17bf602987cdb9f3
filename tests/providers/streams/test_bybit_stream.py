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
from crypto_dt_source.providers.streaming import Alive, Answer, Refused, Topic
from crypto_dt_source.providers.streams.bybit import STREAM
from crypto_dt_source.sim.streams.bybit import FIRST_ID, SIM

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "USDC")
NONE = Pair("NO", "USDT")
ROW = {
    "symbol": "BTCUSDT",
    "lastPrice": "66000",
    "highPrice24h": "67000",
    "lowPrice24h": "64000",
    "volume24h": "10",
    "turnover24h": "660000",
    "price24hPcnt": "-0.0125",
    "usdIndexPrice": "",
}
SOLD = {"i": "2290000000050703789", "T": NOW - 3, "p": "66000.5", "v": "0.5", "S": "Sell", "s": "BTCUSDT"}


def desk() -> StreamDesk:
    return StreamDesk("bybit", STREAM, SIM, BTC, ETH)


def told(row: dict[str, Any], ts: int = NOW - 9, kind: str = "snapshot") -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "ts": ts, "type": kind, "cs": 5, "data": row}


def made(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"topic": "publicTrade.BTCUSDT", "ts": NOW, "type": "snapshot", "data": list(rows)}


def test_recorded_spot_frames(wire: Path) -> None:
    one = desk()
    said = [one.read(line) for line in recorded(wire, "bybit_v5_spot")]
    first, second, *books = said
    assert first == [
        Trade("bybit", "BTCUSDT", "BTC", "USDT", str(2290000000050703789 + n), 28165.38, size, "sell", at)
        for n, (size, at) in enumerate((v, 1680652847524) for v in (0.041732, 0.008513, 0.042384, 0.055371))
    ]
    assert second == [
        Trade(
            "bybit", "BTCUSDC", "BTC", "USDC", "2240000000041223438", 28528.98, 0.00433, "buy", 1680688979998
        )
    ]
    assert books == [[]] * 4


def test_recorded_contract_frames(wire: Path) -> None:
    """Contracts have another address; the ones named like pairs are read all the same, inverse ones are not."""
    one = desk()
    events = [event for line in recorded(wire, "bybit_v5_linear") for event in one.read(line)]
    assert [(type(e), e.symbol, e.price) for e in events] == [
        (Trade, "LTCUSDT", 94.53),
        (Quote, "BTCUSDT", 28550.7),
    ]
    assert events[1] == Quote(
        "bybit", "BTCUSDT", "BTC", "USDT", 28550.7, 28550.7, 28550.8, 151185.516, 4273027716.4294,
        pytest.approx(2.3333), 28797.1, 27842.8, 1680673821770, NOW,
    )  # fmt: skip


def test_a_ticker_without_bid_and_ask() -> None:
    quote = Quote(
        "bybit", "BTCUSDT", "BTC", "USDT", 66000.0, None, None, 10.0, 660000.0, -1.25, 67000.0, 64000.0,
        NOW - 9, NOW,
    )  # fmt: skip
    assert desk().read(told(ROW)) == [quote]
    assert desk().read(json.dumps(dict(reversed(told(ROW).items())))) == [quote]
    turned = json.dumps(dict(reversed(made(SOLD).items())))
    assert desk().read(turned) == desk().read(made(SOLD))


def test_a_delta_is_laid_over_what_was_known() -> None:
    one = desk()
    moved = {"symbol": "BTCUSDT", "bid1Price": "65999"}
    assert one.read(told(moved, NOW - 20, "delta")) == []
    one.read(told(ROW, NOW - 19))
    (quote,) = one.read(told(moved, NOW - 18, "delta"))
    assert (quote.price, quote.bid, quote.change_pct, quote.event_ms) == (66000.0, 65999.0, -1.25, NOW - 18)
    (quote,) = one.read(told({"symbol": "BTCUSDT", "lastPrice": "66010"}, NOW - 17, "delta"))
    assert (quote.price, quote.bid, quote.high) == (66010.0, 65999.0, 67000.0)
    one.session.unsubscribe(both(BTC))
    assert one.read(told(moved, NOW - 16, "delta")) == []


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_quote(price: str | None) -> None:
    assert desk().read(told(ROW | {"lastPrice": price})) == []


def test_a_market_at_rest_gives_no_quote() -> None:
    assert desk().read(told(ROW | {"volume24h": "0"})) == []
    (quote,) = desk().read(told(ROW | {"price24hPcnt": "", "highPrice24h": "0", "turnover24h": "inf"}))
    assert (quote.change_pct, quote.high, quote.quote_volume) == (None, None, None)


@pytest.mark.parametrize("change", [{"p": "0"}, {"v": "NaN"}, {"T": NOW + 10**9}, {"i": "\u202e"}, {"i": ""}])
def test_no_trade_without_price_size_id_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(made(SOLD | change)) == []


def test_ids_order_trades_and_do_not_count_them() -> None:
    one = desk()
    numbers = [one.trade(number) for number in (7, 8, 12, 12, 9, 13)]
    assert [[trade.trade_id for trade in said] for said in numbers] == [
        [str(FIRST_ID + 7)],
        [str(FIRST_ID + 8)],
        [str(FIRST_ID + 12)],
        [],
        [],
        [str(FIRST_ID + 13)],
    ]
    one.session.unsubscribe(both(BTC))
    assert len(one.trade(3)) == 1
    other = {"i": "4c7b6bdc-b4a3-5716-9c7b-bbe01dc7072f"}
    assert len(one.read(made(SOLD | other))) == 1


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), '"66000.25"', '"0.125"')
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"12.5"')
    with pytest.raises(PayloadChanged) as caught:
        desk().read(told(ROW, 1_790_000_000))
    assert caught.value.path == "$.ts"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    quote = newest_ticker(one)
    as_told(quote, BTC)
    assert (quote.bid, quote.ask, quote.quote_volume) == (None, None, TICKER.quote_volume)
    assert [trade.side for trade in one.trade(1, "buy") + one.trade(2, "sell")] == ["buy", "sell"]
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.talk([one.session.ping()]) == [Alive()]
    assert one.read({"req_id": "2", "op": "pong", "args": ["1757405570352"], "conn_id": "d2"}) == [Alive()]


def test_an_unknown_symbol_costs_only_itself() -> None:
    one = desk()
    events = one.asks(*both(NONE, BTC, ETH))
    assert [event for event in events if isinstance(event, Refused)] == [
        Refused((Topic("ticker", NONE),), "Invalid symbol :[tickers.NOUSDT]"),
        Refused((Topic("trades", NONE),), "Invalid symbol :[publicTrade.NOUSDT]"),
    ]
    assert sum(isinstance(event, Answer) for event in events) == 2
    assert confirmed(events) == set(both(BTC, ETH)) == one.venue.topics


def test_refusals_that_name_nothing() -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    whole = {"success": False, "ret_msg": "error:invalid op", "conn_id": "a", "req_id": "1", "op": ""}
    assert one.read(whole) == [Refused(tuple(both(BTC)), "error:invalid op")]
    assert one.read(whole) == [Refused((), "error:invalid op")]
    assert refused(one.talk(["{", '{"op":"fly","args":[]}'])) == set()
    eleven = json.dumps({"op": "subscribe", "req_id": "", "args": ["tickers.BTCUSDT"] * 11})
    assert one.talk([eleven])[0].reason == "args size >10"


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = desk().session.subscribe(many(500, "USDT"))
    assert [len(json.loads(sent)["args"]) for sent in frames] == [10] * 50
    longest = json.dumps("publicTrade." + "A" * 30 + "USDT") + ","
    assert STREAM.topics_a_connection * len(longest) < 21_000
    assert STREAM.ping_every_s is not None
    assert STREAM.ping_every_s <= 20 < STREAM.silent_s
    assert refused(desk().asks(*many(500, "USDT"))) == set(many(500, "USDT"))


SEEDS = [
    json.dumps(told(ROW), separators=(",", ":")),
    json.dumps(told(ROW, NOW - 1, "delta"), separators=(",", ":")),
    json.dumps(made(SOLD), separators=(",", ":")),
    '{"success":true,"ret_msg":"subscribe","conn_id":"a","req_id":"1","op":"subscribe"}',
    '{"success":false,"ret_msg":"Invalid symbol :[tickers.BTCUSDT]","req_id":"1","op":"subscribe"}',
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(sent: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    one.read(told(ROW, NOW - 60))
    survives(one, sent)
