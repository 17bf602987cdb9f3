from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from crypto_dt_source.providers.streaming import Alive, Answer, Refused, Topic
from crypto_dt_source.providers.streams.htx import FEW, MOST, STREAM, inflated
from crypto_dt_source.sim.streams.htx import SIM

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "BTC")
TICK: dict[str, Any] = {
    "open": 60000, "high": 67000, "low": 59000, "close": 66000, "amount": 12.5, "vol": 787500.5, "count": 9,
    "bid": 65999, "bidSize": 1, "ask": 66001, "askSize": 2, "lastPrice": 66000, "lastSize": 0.03,
}  # fmt: skip
ROW: dict[str, Any] = {
    "id": 100373972746, "ts": NOW - 3, "tradeId": 100039973212, "amount": 7.2, "price": 5.1e-7,
    "direction": "sell",
}  # fmt: skip


def desk() -> StreamDesk:
    return StreamDesk("htx", STREAM, SIM, BTC, ETH)


def packed(payload: Any) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def day(**changed: Any) -> dict[str, Any]:
    return {"ch": "market.btcusdt.ticker", "ts": NOW - 5, "tick": TICK | changed}


def sales(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"ch": "market.ethbtc.trade.detail", "ts": NOW, "tick": {"id": 1, "ts": NOW, "data": list(rows)}}


def sale(**changed: Any) -> dict[str, Any]:
    return sales(ROW | changed)


@pytest.mark.parametrize("name", ["htx", "htx_depth"])
def test_recorded_frames(wire: Path, name: str) -> None:
    one, other = desk(), desk()
    said = [(line, one.read(packed(line))) for line in recorded(wire, name)]
    assert [other.read(line) for line, _ in said] == [events for _, events in said]
    for line, events in said:
        # Futures contracts (BTC_CW) are of another socket.
        traded = ".trade.detail" in line and '"tick"' in line and "_C" not in line
        assert {type(event) for event in events} == (
            {Trade} if traded else {Answer} if '"ping"' in line else set()
        )
    trades = [event for _, events in said for event in events if isinstance(event, Trade)]
    if name == "htx":
        assert [(t.symbol, t.trade_id) for t in trades] == [
            ("mexbtc", "100027416191"), ("mexbtc", "100027416192"),
            ("xmrbtc", "10020171792852100010452"), ("xmrbtc", "100201717928521000104525"),
        ]  # fmt: skip
        return
    assert trades[0] == Trade(
        "htx", "trioeth", "TRIO", "ETH", "100045088885", 9.2e-7, 20995.88, "buy", 1618678027940
    )
    # The newest comes first in a frame, and last of its events.
    assert [t.trade_id for t in trades if t.base == "ZEN"] == ["100039973211", "100039973212"]
    assert said[-1][1] == [Answer('{"pong":1618678078643}')]


def test_a_ticker_and_a_trade() -> None:
    expected = [
        Quote(
            "htx", "btcusdt", "BTC", "USDT", 66000.0, 65999.0, 66001.0, 12.5, 787500.5, pytest.approx(10.0), 67000.0,
            59000.0, NOW - 5, NOW,
        )
    ]  # fmt: skip
    assert desk().read(packed(day())) == desk().read(day()) == expected
    assert desk().read(packed(sale())) == [
        Trade("htx", "ethbtc", "ETH", "BTC", "100039973212", 5.1e-7, 7.2, "sell", NOW - 3)
    ]


def test_duplicates_and_older_ones_are_nothing() -> None:
    one = desk()
    newest, middle, oldest = (ROW | {"tradeId": number} for number in (14, 13, 12))
    assert [e.trade_id for e in one.read(sales(middle, oldest)) if isinstance(e, Trade)] == ["12", "13"]
    assert one.read(sales(middle, oldest)) == []
    assert [e.trade_id for e in one.read(sales(newest, middle)) if isinstance(e, Trade)] == ["14"]
    assert one.read(sales()) == []
    assert len(one.read(day())) == 1
    assert one.read(day(close=1)) == []


@pytest.mark.parametrize("price", [0, -1, None, "NaN", ""])
def test_a_price_that_is_none_gives_no_record(price: Any) -> None:
    assert desk().read(day(close=price)) == []
    assert desk().read(sale(price=price)) == desk().read(sale(amount=price)) == []


def test_sides_that_are_none_are_left_out() -> None:
    (quote,) = desk().read(day(bid=0, ask=None, amount=-1, vol=None, open=0, high="", low="NaN"))
    assert isinstance(quote, Quote)
    assert quote[5:12] == (None,) * 7
    assert desk().read(day(count=0)) == []


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (day(close="much"), "$.tick.close"),
        (day() | {"ts": 5}, "$.ts"),
        (day() | {"ts": None}, "$.ts"),
        (sale(ts=5), "$.tick.data[0].ts"),
        (sale(direction="both"), "$.tick.data[...].direction"),
        (sale(tradeId=None, id=1e22), "$.tick.data[...].id"),
        (sale(price={}), "$.tick.data[0].price"),
        ({"ch": "market.ethbtc.trade.detail", "tick": {}}, "$.tick.data"),
        ({"no": "kind"}, "$"),
        ({"ping": "soon"}, "$.ping"),
    ],
)
def test_another_shape_says_where(frame: dict[str, Any], path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        desk().read(packed(frame))
    assert caught.value.path == path


def test_other_channels_are_nothing() -> None:
    for ch in (
        "market.btcusdt.bbo",
        "market.btcusdt.depth.step0",
        "market.nosuch.ticker",
        "x.btcusdt.ticker",
    ):
        assert desk().read(day() | {"ch": ch}) == []
        assert desk().read(day(ask=[1, 2]) | {"ch": ch}) == []


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b'{"a":"' + b"0" * (32 * MOST) + b'"}', mtime=0)
    assert len(bomb) > FEW
    tracemalloc.start()
    with pytest.raises(PayloadChanged):
        desk().session.read(bomb, NOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MOST
    assert len(inflated(gzip.compress(b"0" * (MOST - 1)))) == MOST - 1
    with pytest.raises(PayloadChanged):
        inflated(gzip.compress(b"0" * (MOST + 1)))
    # The most that so few bytes can become.
    most = next(text for size in range(FEW, 0, -1) if len(gzip.compress(text := b"0" * (size * 1032))) <= FEW)
    assert len(inflated(gzip.compress(most))) == len(most) <= MOST


def test_damaged_compression() -> None:
    whole = packed(day())
    flipped = whole[:30] + bytes([whole[30] ^ 0xFF]) + whole[31:]
    for frame in (whole[:-1], whole[:15], whole[:-8] + bytes(8), flipped, b"\x1f\x8b", zlib.compress(b"{}")):
        with pytest.raises(PayloadChanged) as caught:
            desk().session.read(frame, NOW)
        assert caught.value.path == "$"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    assert one.sent[:2] == [
        '{"sub":"market.btcusdt.ticker","id":"1"}',
        '{"sub":"market.btcusdt.trade.detail","id":"2"}',
    ]
    quote = newest_ticker(one)
    told = (TICKER.last, TICKER.bid, TICKER.ask, TICKER.base_volume, TICKER.quote_volume, TICKER.change_pct)
    assert quote[4:10] == pytest.approx(told, rel=1e-4)
    assert (quote.high, quote.low, quote.event_ms) == (TICKER.high, TICKER.low, NOW - 55_000)
    (first,), (second,) = one.trade(7), one.trade(12, "sell")
    assert isinstance(first, Trade)
    assert isinstance(second, Trade)
    assert (first.side, second.side, second.trade_id) == ("buy", "sell", "12")
    assert one.trade(12) == one.trade(9) == []
    beat = one.venue.heartbeat(NOW)
    assert isinstance(beat, bytes)
    assert one.read(beat) == [Answer(f'{{"pong":{NOW}}}')]
    assert one.talk([f'{{"pong":{NOW}}}']) == []
    assert one.talk(['{"ping":5}']) == [Alive()]
    assert one.session.ping() is None
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    one.asks(Topic("trades", BTC))
    assert len(one.trade(3)) == 1


def test_refusals() -> None:
    one = desk()
    nosuch = Topic("ticker", Pair("NO", "SUCH"))
    assert one.asks(nosuch) == [Refused((nosuch,), "bad-request invalid topic market.nosuch.ticker")]
    assert refused(one.talk(['{"sub":"market.btcusdt.kline.1min"}', "{", "{}"])) == set()
    (answer,) = one.talk(['{"unsub":"market.btcusdt.ticker","id":"x"}'])
    assert answer == Refused((), "bad-request unsub with not subbed topic market.btcusdt.ticker")


def test_frames_of_many_topics() -> None:
    frames = [json.loads(frame) for frame in desk().session.subscribe(many(500, "USDT"))]
    assert len({frame["sub"] for frame in frames}) == len({frame["id"] for frame in frames}) == 500
    assert all(set(frame) == {"sub", "id"} for frame in frames)


SEEDS = [json.dumps(payload, separators=(",", ":")) for payload in (day(), sale(), sales(ROW, ROW))] + [
    '{"ping":1618678078643}',
    '{"id":"1","status":"ok","subbed":"market.btcusdt.ticker","ts":1}',
    '{"id":"2","status":"error","err-code":"bad-request","err-msg":"no","ts":1}',
]


@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    survives(one, frame)


@given(st.integers(0, 150), st.integers(1, 255))
def test_damaged_bytes_give_payload_changed_or_events(at: int, mask: int) -> None:
    whole = bytearray(packed(day()))
    whole[at % len(whole)] ^= mask
    one = desk()
    try:
        one.session.read(bytes(whole), NOW)
    except PayloadChanged:
        assert one.read(packed(day()))
