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
from crypto_dt_source.model.errors import PayloadChanged, UpstreamRateLimited
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.kit import Reply
from crypto_dt_source.providers.streaming import Alive, Answer, Opening, Refused, Topic
from crypto_dt_source.providers.streams.kucoin import FIGURES_MS, STREAM, opening
from crypto_dt_source.sim.streams.kucoin import SIM
from crypto_dt_source.sim.wire import Call
from crypto_dt_source.sim.wire.kucoin import ROUTES

BTC, ETH, BSV = Pair("BTC", "USDT"), Pair("ETH", "BTC"), Pair("BSV", "USDT")
PRICES: dict[str, Any] = {
    "bestAsk": "66001", "bestAskSize": "1", "bestBid": "65999", "bestBidSize": "2", "price": "66000",
    "sequence": "1621383371852", "size": "0.008", "time": NOW - 5,
}  # fmt: skip
FIGURES: dict[str, Any] = {
    "buy": 65990, "sell": 66010, "changeRate": 0.015, "datetime": NOW - 4, "high": 67000.5, "low": 64000,
    "lastTradedPrice": 65995.5, "vol": 1234.5, "volValue": 81477000.25, "symbol": "BTC-USDT", "board": 0,
}  # fmt: skip
SALE: dict[str, Any] = {
    "makerOrderId": "a", "takerOrderId": "b", "price": "0.05", "size": "2", "side": "sell", "symbol": "ETH-BTC",
    "sequence": "77", "time": str((NOW - 3) * 1_000_000 + 999), "tradeId": "6085c097", "type": "match",
}  # fmt: skip


def desk() -> StreamDesk:
    return StreamDesk("kucoin", STREAM, SIM, BTC, ETH)


def message(place: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"topic": f"/market/{place}", "type": "message", "subject": "trade", "data": data}


def prices(**changed: Any) -> dict[str, Any]:
    return message("ticker:BTC-USDT", PRICES | changed)


def figures(sequence: int = 9, **changed: Any) -> dict[str, Any]:
    return message("snapshot:BTC-USDT", {"sequence": str(sequence), "data": FIGURES | changed})


def sale(**changed: Any) -> dict[str, Any]:
    return message("match:ETH-BTC", SALE | changed)


def test_recorded_frames(wire: Path) -> None:
    one = desk()
    said = {line: one.read(line) for line in dict.fromkeys(recorded(wire, "kucoin"))}
    for line, events in said.items():
        kind = Quote if "trade.ticker" in line else Trade if "l3match" in line else Alive
        expected = 1 if any(word in line for word in ("trade.ticker", "l3match", "welcome")) else 0
        assert [type(event) for event in events] == [kind] * expected
    records = [e for events in said.values() for e in events if isinstance(e, Quote | Trade)]
    none = (None,) * 5
    assert records[:2] == [
        Quote(
            "kucoin", "SNX-BTC", "SNX", "BTC", 0.00028676, 0.00028678, 0.00028717, *none, 1619378326323, NOW
        ),
        Quote("kucoin", "BCHSV-USDT", "BSV", "USDT", 243.65, 242.654, 242.951, *none, 1619378326330, NOW),
    ]
    assert records[-1] == Trade(
        "kucoin", "DAPPT-BTC", "DAPPT", "BTC", "6085c09769bc506996295e3c",
        0.0000001122, 138.018, "buy", 1619378327833,
    )  # fmt: skip
    assert [e for line in said if '"message"' in line for e in one.read(line)] == []


def test_prices_take_the_figures_of_the_day_beside_them() -> None:
    one = desk()
    bare = Quote("kucoin", "BTC-USDT", "BTC", "USDT", 66000.0, 65999.0, 66001.0, *(None,) * 5, NOW - 5, NOW)
    day = (1234.5, 81477000.25, pytest.approx(1.5), 67000.5, 64000.0)
    assert one.read(prices()) == [bare]
    # The snapshot's own price is newer here.
    assert one.read(figures()) == [
        Quote("kucoin", "BTC-USDT", "BTC", "USDT", 65995.5, 65990.0, 66010.0, *day, NOW - 4, NOW)
    ]
    assert one.read(figures()) == []
    assert one.read(prices(sequence="1621383371853", time=NOW - 2)) == [
        Quote("kucoin", "BTC-USDT", "BTC", "USDT", 66000.0, 65999.0, 66001.0, *day, NOW - 2, NOW)
    ]
    assert one.read(figures(10, datetime=NOW - 3)) == []
    text = json.dumps(prices(sequence="1621383371860", time=NOW - 1))
    (late,) = one.session.read(text, NOW + FIGURES_MS + 1)
    assert isinstance(late, Quote)
    assert late[7:12] == (None,) * 5


def test_figures_before_any_price() -> None:
    one = desk()
    one.session.subscribe([Topic("ticker", BTC)])
    assert len(one.read(figures())) == 1
    (quote,) = one.read(prices())
    assert isinstance(quote, Quote)
    assert quote.base_volume == 1234.5


def test_no_trade_in_a_day_is_no_quote() -> None:
    one = desk()
    assert one.read(figures(vol=0)) == []
    assert one.read(prices()) == []


def test_a_trade() -> None:
    assert desk().read(sale()) == [
        Trade("kucoin", "ETH-BTC", "ETH", "BTC", "6085c097", 0.05, 2.0, "sell", NOW - 3)
    ]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "inf", "", None])
def test_a_price_that_is_none_gives_no_record(price: str | None) -> None:
    assert desk().read(prices(price=price)) == []
    assert desk().read(sale(price=price)) == desk().read(sale(size=price)) == []
    assert desk().read(figures(lastTradedPrice=price)) == []


def test_sides_that_are_none_are_left_out() -> None:
    one = desk()
    assert one.read(figures(high="", low=0, changeRate=None, volValue=-1, vol=None)) != []
    (quote,) = one.read(prices(bestBid="0", bestAsk="NaN"))
    assert isinstance(quote, Quote)
    assert quote[5:12] == (None,) * 7


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (prices(sequence=None), "$.data.sequence"),
        (prices(price="much"), "$.data.price"),
        (prices(time="soon"), "$.data.time"),
        (message("ticker:BTC-USDT", {}), "$.data.sequence"),
        (sale(side="both"), "$.data"),
        (sale(tradeId=""), "$.data"),
        (sale(size={}), "$.data.size"),
        (message("snapshot:BTC-USDT", {"sequence": "1"}), "$.data.data"),
        (figures(datetime=1), "$.data.data.datetime"),
    ],
)
def test_another_shape_says_where(frame: dict[str, Any], path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        desk().read(frame)
    assert caught.value.path == path


def test_cut_and_bent_frames() -> None:
    one = desk()
    damaged(one, one.venue.ticker(BTC, TICKER, NOW, 3), '"66000.5"', '"66001"')


def test_a_subscription_and_what_comes_of_it() -> None:
    one = desk()
    one.talk([])
    assert [one.read(frame) for frame in one.venue.opened(NOW)] == [[Alive()]]
    granted = one.asks(*both(BTC, ETH))
    assert confirmed(granted) == set(both(BTC, ETH)) == one.venue.topics
    assert len(granted) == 2  # the answer for the figures confirms nothing
    assert [json.loads(frame)["topic"] for frame in one.sent] == [
        "/market/ticker:BTC-USDT,ETH-BTC",
        "/market/snapshot:BTC-USDT,ETH-BTC",
        "/market/match:BTC-USDT,ETH-BTC",
    ]
    quote = newest_ticker(one)
    assert (quote.price, quote.bid, quote.ask, quote.base_volume) == (
        TICKER.last,
        TICKER.bid,
        TICKER.ask,
        None,
    )
    (full,) = one.ticker(9)
    assert isinstance(full, Quote)
    told = (TICKER.base_volume, TICKER.quote_volume, TICKER.change_pct, TICKER.high, TICKER.low)
    assert full[7:12] == told
    (after,) = one.ticker(10)
    assert isinstance(after, Quote)
    assert after[7:12] == told
    assert one.talk(one.session.unsubscribe(both(BTC, ETH))) == []
    assert one.venue.topics == set()
    assert one.talk([one.session.ping() or ""]) == [Alive()]


def test_names_of_the_venue() -> None:
    one = desk()
    (frame, *_) = one.session.subscribe([Topic("ticker", BSV)])
    assert json.loads(frame)["topic"] == "/market/ticker:BCHSV-USDT"
    (quote,) = one.read(message("ticker:BCHSV-USDT", PRICES))
    assert isinstance(quote, Quote)
    assert (quote.symbol, quote.base) == ("BCHSV-USDT", "BSV")
    assert one.read(message("ticker:all", PRICES)) == one.read(message("level2:BTC-USDT", PRICES)) == []


def test_refusals() -> None:
    one = desk()
    one.session.subscribe(both(BTC, ETH))
    error = {"id": "1", "type": "error", "code": 404, "data": "topic /market/ticker:ETH-BTC does not exist"}
    no, again, figures_again = one.read(error)
    assert no == Refused((Topic("ticker", ETH),), "topic /market/ticker:ETH-BTC does not exist")
    assert isinstance(again, Answer)
    assert isinstance(figures_again, Answer)
    assert json.loads(again.frame)["topic"] == "/market/ticker:BTC-USDT"
    assert confirmed(one.talk([again.frame])) == {Topic("ticker", BTC)}
    assert one.read(error) == [Refused((), "topic /market/ticker:ETH-BTC does not exist")]
    limit = {"id": "3", "type": "error", "code": 509, "data": "exceed max subscription count"}
    assert refused(one.read(limit)) == {Topic("trades", BTC), Topic("trades", ETH)}
    assert refused(one.read({"id": "x", "type": "error", "code": 401, "data": "token is expired"})) == set()
    assert (
        "does not exist" in one.venue.received('{"id":"5","type":"subscribe","topic":"/no:BTC-USDT"}', NOW)[0]
    )
    assert "Unrecognized" in one.venue.received("{", NOW)[0]
    # A symbol that is not listed is acknowledged, and stays silent.
    assert confirmed(one.asks(Topic("trades", Pair("NO", "SUCH")))) == {Topic("trades", Pair("NO", "SUCH"))}
    assert one.venue.topics == {Topic("ticker", BTC)}


def bullet(**changed: Any) -> bytes:
    server = {"endpoint": "wss://ws-api-spot.kucoin.com/", "encrypt": True, "pingInterval": 18000}
    return json.dumps(
        {"code": "200000", "data": {"token": "2neAiu==&x", "instanceServers": [server | changed]}}
    ).encode()


def reply(body: bytes) -> Reply:
    return Reply("kucoin", 200, body, NOW)


def test_the_token_step() -> None:
    assert STREAM.token is not None
    request, read = STREAM.token
    assert (request.method, request.path, read) == ("POST", "/api/v1/bullet-public", opening)
    assert opening(reply(bullet())) == Opening("wss://ws-api-spot.kucoin.com/?token=2neAiu%3D%3D%26x", 18.0)
    assert opening(reply(bullet(pingInterval=None))).ping_every_s is None
    assert opening(reply(bullet(pingInterval=1))).ping_every_s is None
    for body in (bullet(endpoint="https://ws-api-spot.kucoin.com/"), b"{}", b"<html>"):
        with pytest.raises(PayloadChanged):
            opening(reply(body))
    with pytest.raises(UpstreamRateLimited):
        opening(reply(b'{"code":"429000","msg":"too many"}'))


def test_the_simulated_venue_gives_its_own_socket() -> None:
    view: Any = None
    call = Call("kucoin_2", view, view, {}, {}, b"", NOW, {"host": "127.0.0.1:9000"})
    answer = ROUTES["/api/v1/bullet-public"].handler(call)
    assert opening(reply(answer.body)) == Opening(
        f"ws://127.0.0.1:9000/kucoin_2/?token=sim-kucoin_2-{NOW}", 18.0
    )


def test_frames_of_many_topics_stay_within_the_limits() -> None:
    frames = [json.loads(frame) for frame in desk().session.subscribe(many(500, "USDT"))]
    assert [frame["topic"].partition(":")[0] for frame in frames] == [
        *["/market/ticker", "/market/snapshot"] * 3,
        *["/market/match"] * 3,
    ]
    assert max(len(frame["topic"].split(",")) for frame in frames) == 100
    assert len({frame["id"] for frame in frames}) == 9
    assert 2 * STREAM.topics_a_connection == 300


SEEDS = [json.dumps(payload, separators=(",", ":")) for payload in (prices(), figures(), sale())] + [
    '{"id":"1","type":"ack"}',
    '{"id":"1","type":"error","code":404,"data":"topic BTC-USDT does not exist"}',
    '{"id":"x","type":"welcome"}',
]


@given(mutated(SEEDS))
def test_damage_gives_events_or_payload_changed(frame: str) -> None:
    one = desk()
    one.session.subscribe(both(BTC))
    survives(one, frame)
