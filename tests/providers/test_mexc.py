from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import HOUR, NOW, START, Desk, asked, normal

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.mexc import ADAPTER

BTC = Pair("BTC", "USDT")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "priceChange": "1000",
        "priceChangePercent": "0.0154",
        "prevClosePrice": "65000",
        "lastPrice": "66000",
        "bidPrice": "65999.5",
        "bidQty": "",
        "askPrice": "66000.5",
        "askQty": "",
        "openPrice": "65000",
        "highPrice": "66500",
        "lowPrice": "64500",
        "volume": "10",
        "quoteVolume": "660000",
        "openTime": NOW - 1000,
        "closeTime": NOW - 500,
        "count": None,
    } | changed


def bar(open_ms: int) -> list[Any]:
    return [open_ms, "10", "12", "9", "11", "5", open_ms + HOUR, "55"]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "mexc"
    quotes = normal(desk.quotes((folder / "ticker_24hr.json").read_bytes()))
    assert [q.base for q in quotes] == ["BTC", "ETH"]
    assert quotes[0].change_pct == pytest.approx((46263.71 / 46079.37 - 1) * 100, abs=1e-3)
    assert quotes[0].quote_volume is None
    normal(desk.candles((folder / "klines.json").read_bytes(), "1m"))
    normal([desk.book((folder / "depth.json").read_bytes())])
    assert [t.side for t in normal(desk.trades((folder / "trades.json").read_bytes()))] == ["buy", "sell"]


def test_recorded_empty_list_means_unknown(wire: Path) -> None:
    empty = (wire / "mexc" / "error_unknown_pair_empty.json").read_bytes()
    with pytest.raises(SymbolNotListed):
        desk.candles(empty)
    with pytest.raises(SymbolNotListed):
        desk.quotes(empty, BTC)
    assert desk.candles(empty, end=START) == []
    assert desk.quotes(empty) == []


def test_quote_fields() -> None:
    (quote,) = normal(desk.quotes([ticker()]))
    assert quote[:5] == ("mexc", "BTCUSDT", "BTC", "USDT", 66000.0)
    assert (quote.bid, quote.ask, quote.high, quote.low) == (65999.5, 66000.5, 66500.0, 64500.0)
    assert (quote.base_volume, quote.quote_volume) == (10.0, 660000.0)
    assert quote.change_pct == pytest.approx(1.54)
    assert quote.event_ms == NOW - 500
    assert desk.quotes(ticker(), BTC) == [quote]


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_are_absence(nothing: str | None) -> None:
    names = ("bidPrice", "askPrice", "priceChangePercent", "highPrice", "lowPrice", "volume", "quoteVolume")
    bare = ticker(symbol="NEWUSDC", closeTime=None, **dict.fromkeys(names, nothing))
    rows = normal(desk.quotes([bare, ticker(symbol="PREUSDT", lastPrice=nothing), ticker()]))
    assert [q.symbol for q in rows] == ["NEWUSDC", "BTCUSDT"]
    assert rows[0][5:13] == (None,) * 8


def test_rows_that_give_no_quote_and_asked_pairs() -> None:
    body = [
        ticker(symbol="BTC3SUSDT"),
        ticker(symbol="OLDUSDT", volume="0"),
        ticker(symbol="NOQUOTE"),
        ticker(),
    ]
    assert [q.symbol for q in desk.quotes(body)] == ["BTCUSDT"]
    assert desk.quotes(body, Pair("OLD", "USDT"), Pair("ETH", "BTC")) == []


def test_candles_have_eight_columns() -> None:
    (candle,) = normal(desk.candles([bar(START)]))
    assert candle == (START, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)
    body = [bar(START + n * HOUR) for n in range(5)]
    rows = desk.candles(body, start=START + HOUR, end=START + 4 * HOUR, limit=2)
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]
    running = NOW // HOUR * HOUR
    assert [c.closed for c in desk.candles([bar(running - HOUR), bar(running)])] == [True, False]


def test_book_and_trades() -> None:
    book = desk.book({"lastUpdateId": 1, "bids": [["10", "2"]], "asks": [["11", "1"]]})
    assert (book.bids, book.asks, book.event_ms) == (((10.0, 2.0),), ((11.0, 1.0),), None)
    row = {"id": None, "price": "10", "qty": "0.5", "time": NOW, "isBuyerMaker": True}
    trades = normal(desk.trades([row, {**row, "id": 7, "isBuyerMaker": False}, row], limit=2))
    assert trades == [
        ("mexc", "BTCUSDT", "BTC", "USDT", None, 10.0, 0.5, "sell", NOW),
        ("mexc", "BTCUSDT", "BTC", "USDT", "7", 10.0, 0.5, "buy", NOW),
    ]


def test_instruments() -> None:
    row = {"symbol": "BTCUSDT", "status": "1", "baseAsset": "BTC", "quoteAsset": "USDT"}
    rows = normal(desk.instruments({"symbols": [row, {**row, "status": "2"}, {**row, "baseAsset": ""}]}))
    assert [i.active for i in rows] == [True, False]


def test_requests() -> None:
    assert asked(desk.ask_quotes()) == ("/api/v3/ticker/24hr", {}, 40)
    assert asked(desk.ask_quotes(BTC, BTC)) == asked(desk.ask_quotes())
    assert asked(desk.ask_quotes(BTC)) == ("/api/v3/ticker/24hr", {"symbol": "BTCUSDT"}, 1)
    assert asked(desk.ask_book(9000)) == ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}, 1)
    assert asked(desk.ask_trades(9000)) == ("/api/v3/trades", {"symbol": "BTCUSDT", "limit": "1000"}, 5)
    assert asked(desk.ask_instruments()) == ("/api/v3/exchangeInfo", {}, 10)
    params = {"symbol": "BTCUSDT", "interval": "60m", "limit": "1000"}
    assert asked(desk.ask_candles("1h", limit=2000)) == ("/api/v3/klines", params, 1)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (START, None, START, START + 49 * HOUR),
        (START, START + 3 * HOUR, START, START + 2 * HOUR),
        (None, START, START - 50 * HOUR, START - HOUR),
    ],
)
def test_candle_ranges_have_both_ends(start: int | None, end: int | None, first: int, last: int) -> None:
    params = asked(desk.ask_candles("1h", start, end, 50))[1]
    assert (int(params["startTime"]), int(params["endTime"])) == (first, last)


def test_intervals_are_its_own() -> None:
    names = ADAPTER.endpoints[Capability.CANDLES].intervals
    assert names["1h"] == "60m"
    assert not {"3m", "2h", "6h", "12h", "1w"} & set(names)


@pytest.mark.parametrize(
    ("code", "error"),
    [(-1121, SymbolNotListed), (429, UpstreamRateLimited), (500, UpstreamBroken), (-1100, UpstreamRejected)],
)
def test_errors_inside_200_and_outside(code: int, error: type[Exception]) -> None:
    body = {"code": code, "msg": "no"}
    for read in (desk.quotes, desk.candles, desk.trades, desk.instruments, desk.book):
        with pytest.raises(error) as caught:
            read(body)
        assert type(caught.value) is error
    assert type(desk.explain(body, 400)) is error


def test_explain_leaves_other_bodies_to_the_status() -> None:
    assert desk.explain("<html>403</html>", 403) is None
    assert desk.explain({"code": 200}, 500) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", [ticker()], '"66000"')
    desk.damaged("quotes", ticker(), '"66000"', BTC)
    desk.damaged("candles", [bar(START)], '"12"')
    desk.damaged("book", {"bids": [["10", "2"]], "asks": []}, '"10"')
    desk.damaged("trades", [{"price": "12", "qty": "1", "time": NOW, "isBuyerMaker": True}], '"12"')
    row = {"symbol": "BTCUSDT", "status": "1", "baseAsset": "BTC", "quoteAsset": "USDT"}
    desk.damaged("instruments", {"symbols": [row]}, '"BTC"')
    with pytest.raises(PayloadChanged) as caught:
        desk.quotes([ticker(), ticker(lastPrice="soon")])
    assert caught.value.path == "$[1].lastPrice"
