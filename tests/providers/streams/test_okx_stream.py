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
from crypto_dt_source.providers.streaming import Alive, Ending, Gap, Refused, Topic
from crypto_dt_source.providers.streams.okx import STREAM
from crypto_dt_source.sim.streams.okx import SIM

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "USDC")
NONE = Pair("NO", "SUCH")
ROW = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "last": "66000",
    "askPx": "66000.5",
    "bidPx": "65999.5",
    "open24h": "60000",
    "high24h": "66500",
    "low24h": "59500",
    "volCcy24h": "630000",
    "vol24h": "10",
    "ts": str(NOW - 500),
}
SOLD = {
    "instId": "BTC-USDT",
    "tradeId": "130639474",
    "px": "66000.5",
    "sz": "0.12",
    "side": "sell",
    "ts": str(NOW - 300),
    "count": "3",
    "source": "0",
    "seqId": 1234,
}


def desk() -> StreamDesk:
    return StreamDesk("okx", STREAM, SIM, BTC, ETH)


def frame(channel: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"arg": {"channel": channel, "instId": "BTC-USDT"}, "data": list(rows)}


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    one.session.subscribe([Topic("ticker", BTC)])
    events = []
    for line in recorded(wire, "okx_v5"):
        said = one.read(line)
        payload = json.loads(line)
        pushed = "data" in payload and payload["arg"]["channel"] in ("tickers", "trades")
        if pushed:
            assert len(said) == (payload["arg"]["instId"] == "BTC-USDT")
        elif "data" in payload:
            assert said == []
        events += said
    assert confirmed(events) == {Topic("ticker", BTC)}
    quotes = [event for event in events if isinstance(event, Quote)]
    assert len(quotes) == 12
    assert quotes[0] == Quote(
        "okx", "BTC-USDT", "BTC", "USDT", 30236.0, 30228.6, 30228.7, 17602.13085371, 525802090.62716611,
        pytest.approx((30236 / 29700.4 - 1) * 100), 31073.0, 28020.3, 1652459224956, NOW,
    )  # fmt: skip
    trades = [event for event in events if isinstance(event, Trade)]
    assert [trade.trade_id for trade in trades] == [str(338476307 + n) for n in range(8)]
    assert trades[1] == Trade(
        "okx", "BTC-USDT", "BTC", "USDT", "338476308", 30243.5, 0.001, "buy", 1652459226050
    )
    assert not any(isinstance(event, Gap) for event in events)


def test_a_ticker_and_trades() -> None:
    quote = Quote(
        "okx", "BTC-USDT", "BTC", "USDT", 66000.0, 65999.5, 66000.5, 10.0, 630000.0, pytest.approx(10.0),
        66500.0, 59500.0, NOW - 500, NOW,
    )  # fmt: skip
    assert desk().read(frame("tickers", ROW)) == [quote]
    turned = json.dumps(dict(reversed(frame("tickers", ROW).items())))
    assert desk().read(turned) == [quote]
    trade = Trade("okx", "BTC-USDT", "BTC", "USDT", "130639474", 66000.5, 0.12, "sell", NOW - 300)
    turned = json.dumps(dict(reversed(frame("trades", SOLD).items())))
    assert desk().read(turned) == desk().read(frame("trades", SOLD)) == [trade]


def test_a_frame_that_stands_for_several_trades() -> None:
    one = desk()
    assert len(one.read(frame("trades", SOLD))) == 1
    assert len(one.read(frame("trades", SOLD | {"tradeId": "130639478", "count": "4"}))) == 1
    gap, _ = one.read(frame("trades", SOLD | {"tradeId": "130639482", "count": "2"}))
    assert gap == Gap(Topic("trades", BTC), 2)
    assert one.read(frame("trades", SOLD | {"tradeId": "130639481", "count": "1"})) == []


def test_trades_of_the_liquidity_programme_stand_between_the_others() -> None:
    one = desk()
    own = {"source": "1", "count": "1"}
    assert len(one.read(frame("trades", SOLD | own | {"tradeId": "5"}))) == 1
    assert len(one.read(frame("trades", SOLD | {"tradeId": "9", "count": "4"}))) == 1
    for said, number in ((1, "7"), (0, "7"), (1, "8"), (1, "10")):
        assert len(one.read(frame("trades", SOLD | own | {"tradeId": number}))) == said
    assert len(one.read(frame("trades", SOLD | {"tradeId": "11", "count": "1"}))) == 1


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_quote(price: str | None) -> None:
    assert desk().read(frame("tickers", ROW | {"last": price})) == []


def test_a_market_at_rest_gives_no_quote() -> None:
    assert desk().read(frame("tickers", ROW | {"vol24h": "0"})) == []
    (quote,) = desk().read(frame("tickers", ROW | {"bidPx": "", "open24h": "", "volCcy24h": ""}))
    assert (quote.bid, quote.change_pct, quote.quote_volume, quote.ask) == (None, None, None, 66000.5)


def test_contracts_are_no_pairs() -> None:
    for name in ("BTC-USD-SWAP", "BTC-USD-220527", "BTCUSDT"):
        assert desk().read(frame("tickers", ROW | {"instId": name})) == []
        assert desk().read(frame("trades", SOLD | {"instId": name})) == []


@pytest.mark.parametrize("change", [{"px": "0"}, {"sz": "NaN"}, {"ts": str(NOW + 10**9)}])
def test_no_trade_without_price_size_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(frame("trades", SOLD | change)) == []


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), '"66000.25"', '"0.125"')
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"12.5"')
    with pytest.raises(PayloadChanged) as caught:
        desk().read(frame("trades", SOLD | {"ts": "1790000000"}))
    assert caught.value.path == "$.data[0].ts"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    quote = newest_ticker(one)
    as_told(quote, BTC)
    assert (quote.bid, quote.ask) == (TICKER.bid, TICKER.ask)
    assert quote.quote_volume == TICKER.quote_volume
    counted_trades(one, BTC)
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.session.ping() == "ping"
    assert one.talk(["ping"]) == [Alive()]


def test_an_unknown_pair_is_refused_by_itself() -> None:
    one = desk()
    events = one.asks(*both(NONE, BTC))
    assert confirmed(events) == set(both(BTC))
    assert refused(events) == set(both(NONE))
    one.session.subscribe(both(ETH))
    whole = {"id": "2", "event": "error", "code": "60012", "msg": "Invalid request", "connId": "a"}
    assert one.read(whole) == [Refused(tuple(both(ETH)), "60012: Invalid request")]
    assert one.read(whole | {"id": "x"}) == [Refused((), "60012: Invalid request")]
    assert refused(one.talk(["{"])) == set()


def test_the_venue_asks_for_a_new_connection() -> None:
    notice = {"event": "notice", "code": "64008", "msg": "The connection will soon be closed."}
    assert desk().read(notice) == [Ending("The connection will soon be closed.")]
    assert desk().read({"event": "channel-conn-count", "channel": "orders", "connCount": "2"}) == []


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = desk().session.subscribe(many(500, "USDT"))
    assert [len(json.loads(sent)["args"]) for sent in frames] == [100] * 5
    assert max(map(len, frames)) < 65_536
    assert STREAM.frames_an_hour == 480
    assert STREAM.ping_every_s is not None
    assert STREAM.ping_every_s < STREAM.silent_s <= 30
    assert refused(desk().asks(*many(500, "USDT"))) == set(many(500, "USDT"))


SEEDS = [
    json.dumps(frame("tickers", ROW), separators=(",", ":")),
    json.dumps(frame("trades", SOLD), separators=(",", ":")),
    '{"id":"1","event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
    '{"id":"1","event":"error","code":"60018","msg":"channel:trades,instId:BTC-USDT doesn\'t exist"}',
    "pong",
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(sent: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    survives(one, sent)
