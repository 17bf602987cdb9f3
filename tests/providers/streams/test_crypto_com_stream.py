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
from crypto_dt_source.providers.streaming import Alive, Answer, Refused, Subscribed, Topic
from crypto_dt_source.providers.streams.crypto_com import STREAM
from crypto_dt_source.sim.streams.crypto_com import FIRST_ID, SIM

BTC, ETH = Pair("BTC", "USD"), Pair("ETH", "USDT")
NONE = Pair("NO", "SUCH")
ROW = {
    "h": "67000",
    "l": "64000",
    "a": "66000",
    "c": "-0.0125",
    "b": "65999",
    "bs": "25",
    "k": "66001",
    "ks": "131",
    "i": "BTC_USD",
    "v": "10",
    "vv": "660000.5",
    "oi": "0",
    "t": NOW - 9,
}
SOLD = {"d": "4611686018428108636", "t": NOW - 3, "p": "66000.5", "q": "0.5", "s": "SELL", "i": "BTC_USD"}


def desk() -> StreamDesk:
    return StreamDesk("crypto_com", STREAM, SIM, BTC, ETH)


def frame(channel: str, *rows: dict[str, Any], number: int = -1) -> dict[str, Any]:
    result = {"channel": channel, "subscription": f"{channel}.BTC_USD", "instrument_name": "BTC_USD"}
    return {"id": number, "code": 0, "method": "subscribe", "result": {**result, "data": list(rows)}}


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    said = [one.read(line) for line in recorded(wire, "crypto_com")]
    assert said[0] == [Subscribed(tuple(both(BTC)))]
    assert [trade[4:] for trade in said[1]] == [
        ("2552833531650627600", 0.00737, 0.1, "buy", 1653917167912),
        ("2552833547970376700", 0.00737, 6.9, "buy", 1653917168398),
    ]
    assert said[2] == [
        Trade(
            "crypto_com",
            "GODS_USDT",
            "GODS",
            "USDT",
            "2733854056108316700",
            0.4272,
            0.04,
            "sell",
            1659311999941,
        )
    ]
    # A frame of the API before this one, where `c` was in quote units: only what it shares with today's counts.
    (old,) = said[3]
    assert old[1:9] == ("YFI_USDT", "YFI", "USDT", 7905.8, 7892.58, 7905.8, 16.9967, None)
    assert old[10:] == (8287.99, 7379.2, 1653917205936, NOW)
    assert [trade.event_ms for trade in said[6]] == [1659312000449, 1659312000479, 1659312000503]
    assert said[9] == [
        Trade(
            "crypto_com", "BTC_USDT", "BTC", "USDT", "4611686018428108636", 20432.51, 0.01163, "sell",
            1667320314770,
        )
    ]  # fmt: skip
    assert [said[n] for n in (4, 5, 7, 8, 10)] == [[]] * 5  # books and perpetuals


def test_a_ticker() -> None:
    quote = Quote(
        "crypto_com", "BTC_USD", "BTC", "USD", 66000.0, 65999.0, 66001.0, 10.0, 660000.5, -1.25, 67000.0,
        64000.0, NOW - 9, NOW,
    )  # fmt: skip
    assert desk().read(frame("ticker", ROW)) == [quote]
    (other,) = desk().read(frame("ticker", ROW | {"i": "ETH_USDT"}))
    assert (other.base, other.quote, other.quote_volume) == ("ETH", "USDT", None)
    far = frame("ticker", ROW)
    far["result"] = {"pad": "x" * 400, **far["result"]}
    assert desk().read(far) == [quote]
    far = frame("trade", SOLD)
    far["result"] = {"pad": "x" * 400, **far["result"]}
    assert desk().read(far) == desk().read(frame("trade", SOLD))


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_quote(price: str | None) -> None:
    assert desk().read(frame("ticker", ROW | {"a": price})) == []


def test_a_market_at_rest_gives_no_quote() -> None:
    assert desk().read(frame("ticker", ROW | {"v": "0"})) == []
    (quote,) = desk().read(frame("ticker", ROW | {"b": None, "k": "0", "c": None, "vv": "-1"}))
    assert (quote.bid, quote.ask, quote.change_pct, quote.quote_volume) == (None, None, None, None)


def test_trades_of_a_frame_come_newest_first_and_may_share_an_id() -> None:
    one = desk()
    rows = [SOLD | {"d": "12"}, SOLD | {"d": "12", "q": "0.25"}, SOLD | {"d": "11"}]
    trades = one.read(frame("trade", *rows))
    assert [(trade.trade_id, trade.size) for trade in trades] == [("11", 0.5), ("12", 0.25), ("12", 0.5)]
    assert one.read(frame("trade", *rows)) == []
    assert [t.trade_id for t in one.read(frame("trade", SOLD | {"d": "15"}, *rows))] == ["15"]


@pytest.mark.parametrize("change", [{"p": "0"}, {"q": "NaN"}, {"t": NOW + 10**9}, {"i": "BTCUSD-PERP"}])
def test_no_trade_without_price_size_or_of_tomorrow(change: dict[str, Any]) -> None:
    assert desk().read(frame("trade", SOLD | change)) == []


def test_another_shape_says_where() -> None:
    one = desk()
    damaged(one, one.venue.trade(BTC, sale(3), NOW, 3), '"66000.25"', '"0.125"')
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"12.5"')
    for change, path in (({"s": "UP"}, "s"), ({"t": 1_790_000_000}, "t"), ({"d": "uuid"}, "d")):
        with pytest.raises(PayloadChanged) as caught:
            desk().read(frame("trade", SOLD | change))
        assert caught.value.path == f"$.result.data[0].{path}"


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    assert confirmed(one.asks(*both(BTC, ETH))) == set(both(BTC, ETH)) == one.venue.topics
    quote = newest_ticker(one)
    as_told(quote, BTC)
    assert (quote.bid, quote.ask, quote.quote_volume) == (TICKER.bid, TICKER.ask, TICKER.quote_volume)
    said = [one.trade(number) for number in (7, 8, 12, 12, 9, 13)]
    assert [[int(t.trade_id) - FIRST_ID for t in trades] for trades in said] == [[7], [8], [12], [], [], [13]]
    assert [trade.side for trade in one.trade(14, "buy") + one.trade(15, "sell")] == ["buy", "sell"]
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert len(one.trade(3)) == 1


def test_the_heartbeat_is_answered() -> None:
    one = desk()
    alive, answer = one.read(one.venue.heartbeat(NOW))
    assert alive == Alive()
    assert json.loads(answer.frame) == {"id": NOW, "method": "public/respond-heartbeat"}
    assert one.venue.unanswered == 1
    assert one.venue.received(answer.frame, NOW) == []
    assert one.venue.unanswered == 0


def test_data_that_answers_a_request_confirms_its_topic() -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    assert one.read(frame("ticker", ROW, number=1))[0] == Subscribed((Topic("ticker", BTC),))
    assert one.read(frame("trade", SOLD, SOLD, number=1))[0] == Subscribed((Topic("trades", BTC),))
    assert one.read({"id": 1, "method": "subscribe", "code": 0}) == [Subscribed(tuple(both(ETH)))]


def test_an_unknown_channel_is_found_by_halves() -> None:
    one = desk()
    events = one.asks(*both(BTC, NONE, ETH))
    assert refused(events) == set(both(NONE))
    assert confirmed(events) == set(both(BTC, ETH)) == one.venue.topics
    assert any(isinstance(event, Answer) for event in events)


def test_other_refusals_are_of_the_whole_request() -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    slow = {"id": 1, "code": 42901, "method": "subscribe", "message": "RATE_LIMIT"}
    assert one.read(slow) == [Refused(tuple(both(BTC)), "42901: RATE_LIMIT")]
    assert one.read(slow) == [Refused((), "42901: RATE_LIMIT")]
    assert refused(one.talk(["{", '{"method":"fly"}'])) == set()


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = desk().session.subscribe(many(500, "USDT"))
    assert [len(json.loads(sent)["params"]["channels"]) for sent in frames] == [50] * 10
    assert STREAM.frames_a_second < 100
    assert STREAM.silent_s > 30
    assert refused(desk().asks(*many(500, "USDT"))) == set(many(500, "USDT"))


SEEDS = [
    json.dumps(frame("ticker", ROW, number=1), separators=(",", ":")),
    json.dumps(frame("trade", SOLD, SOLD), separators=(",", ":")),
    '{"id":1,"code":0,"method":"subscribe"}',
    '{"id":1,"code":10004,"method":"subscribe","message":"invalid channel {}"}',
    '{"id":1587523073344,"method":"public/heartbeat","code":0}',
]


@settings(max_examples=300)
@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(sent: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    survives(one, sent)
