from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import HOUR, NOW, START, Desk, asked, normal

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import (
    PayloadChanged,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.kucoin import ADAPTER

BTC = Pair("BTC", "USDT")
BSV = Pair("BSV", "BTC")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC-USDT",
        "symbolName": "BTC-USDT",
        "buy": "65999.5",
        "sell": "66000.5",
        "changeRate": "0.0154",
        "changePrice": "1000",
        "high": "66500",
        "low": "64500",
        "vol": "10",
        "volValue": "660000",
        "last": "66000",
    } | changed


def answer(data: Any, code: str = "200000") -> dict[str, Any]:
    return {"code": code, "data": data}


def every(*rows: Any) -> dict[str, Any]:
    return answer({"time": NOW - 500, "ticker": list(rows)})


def bar(open_ms: int) -> list[str]:
    return [str(open_ms // 1000), "10", "11", "12", "9", "5", "55"]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "kucoin"
    assert len(normal(desk.quotes((folder / "all_tickers.json").read_bytes()))) >= 50
    normal(desk.quotes((folder / "stats.json").read_bytes(), BTC))
    normal(desk.candles((folder / "candles.json").read_bytes(), "1m"))
    normal([desk.book((folder / "orderbook_level2.json").read_bytes())])
    normal(desk.trades((folder / "histories.json").read_bytes()))
    rows = normal(desk.instruments((folder / "symbols.json").read_bytes()))
    assert [(i.base, i.quote) for i in rows if i.symbol == "BCHSV-BTC"] == [BSV]


def test_quote_fields_of_both_shapes() -> None:
    (quote,) = normal(desk.quotes(every(ticker())))
    assert quote[:5] == ("kucoin", "BTC-USDT", "BTC", "USDT", 66000.0)
    assert (quote.bid, quote.ask, quote.high, quote.low) == (65999.5, 66000.5, 66500.0, 64500.0)
    assert (quote.base_volume, quote.quote_volume) == (10.0, 660000.0)
    assert quote.change_pct == pytest.approx(1.54)
    assert quote.event_ms == NOW - 500
    assert desk.quotes(answer({**ticker(), "time": NOW - 500}), BTC) == [quote]


def test_nulls_and_missing_fields_are_absence() -> None:
    bare = {"symbol": "NEW-USDT", "last": "2", "buy": None, "sell": None, "high": None, "changeRate": None}
    rows = normal(desk.quotes(every(bare, ticker(symbol="PRE-USDT", last=None), ticker())))
    assert [q.symbol for q in rows] == ["NEW-USDT", "BTC-USDT"]
    assert rows[0][5:12] == (None,) * 7


def test_a_renamed_coin_has_its_current_ticker() -> None:
    (renamed,) = normal(desk.quotes(every(ticker(symbol="OLD-USDT", symbolName="NEW-USDT"))))
    assert (renamed.symbol, renamed.base) == ("OLD-USDT", "NEW")
    (aliased,) = normal(desk.quotes(every(ticker(symbol="BCHSV-BTC", symbolName=None)), BSV, BTC))
    assert (aliased.base, aliased.quote) == BSV
    assert asked(desk.ask_quotes(BSV))[1] == {"symbol": "BCHSV-BTC"}


def test_rows_that_give_no_quote() -> None:
    names = ("BTC3L-USDT", "ETH2S-USDT", "BTCUP-USDT", "ETHDOWN-USDT", "BROKEN", "JUP-USDT")
    rows = desk.quotes(every(*(ticker(symbol=n, symbolName=n) for n in names), ticker(vol="0")))
    assert [q.base for q in rows] == ["JUP"]


def test_a_single_pair_answered_by_nulls_is_unknown() -> None:
    nothing = {**ticker(last=None, buy=None, sell=None), "time": NOW}
    with pytest.raises(SymbolNotListed):
        desk.quotes(answer(nothing), BTC)
    with pytest.raises(SymbolNotListed):
        desk.book(answer({"time": NOW, "bids": None, "asks": None}))


def test_candles_have_close_before_high_and_seconds() -> None:
    (candle,) = normal(desk.candles(answer([bar(START)])))
    assert candle == (START, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)
    body = answer([bar(START + n * HOUR) for n in (4, 3, 2, 1, 0)])
    rows = desk.candles(body, start=START + HOUR, end=START + 3 * HOUR)
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]
    assert [c.open_ms for c in desk.candles(body, limit=1)] == [START + 4 * HOUR]
    running = NOW // HOUR * HOUR
    assert [c.closed for c in desk.candles(answer([bar(running), bar(running - HOUR)]))] == [True, False]


def test_book_is_sorted() -> None:
    book = desk.book(
        answer({"time": NOW - 9, "bids": [["9", "1"], ["10", "2"]], "asks": [["12", "1"], ["11", "3"]]})
    )
    assert book.bids == ((10.0, 2.0), (9.0, 1.0))
    assert book.asks == ((11.0, 3.0), (12.0, 1.0))
    assert book.event_ms == NOW - 9


def test_trades_are_in_nanoseconds() -> None:
    row = {"sequence": "7", "price": "10", "size": "0.5", "side": "sell", "time": NOW * 1_000_000 + 999_999}
    older = {**row, "sequence": "6", "time": row["time"] - 1_000_000_000}
    assert normal(desk.trades(answer([older, row]), limit=1)) == [
        ("kucoin", "BTC-USDT", "BTC", "USDT", "7", 10.0, 0.5, "sell", NOW)
    ]
    assert desk.trades(answer([{**row, "tradeId": "t9"}]))[0].trade_id == "t9"


def test_instruments() -> None:
    row = {
        "symbol": "OLD-USDT",
        "name": "NEW-USDT",
        "baseCurrency": "OLD",
        "quoteCurrency": "USDT",
        "enableTrading": False,
    }
    assert normal(desk.instruments(answer([row]))) == [("kucoin", "OLD-USDT", "NEW", "USDT", False)]


def test_requests() -> None:
    assert asked(desk.ask_quotes()) == ("/api/v1/market/allTickers", {}, 15)
    assert asked(desk.ask_quotes(BTC, BSV)) == asked(desk.ask_quotes())
    assert asked(desk.ask_quotes(BTC)) == ("/api/v1/market/stats", {"symbol": "BTC-USDT"}, 15)
    assert asked(desk.ask_book(20)) == ("/api/v1/market/orderbook/level2_20", {"symbol": "BTC-USDT"}, 2)
    assert asked(desk.ask_book(21)) == ("/api/v1/market/orderbook/level2_100", {"symbol": "BTC-USDT"}, 4)
    assert asked(desk.ask_trades(10)) == ("/api/v1/market/histories", {"symbol": "BTC-USDT"}, 3)
    assert asked(desk.ask_instruments()) == ("/api/v2/symbols", {}, 4)
    params = {"symbol": "BTC-USDT", "type": "1hour"}
    assert asked(desk.ask_candles("1h")) == ("/api/v1/market/candles", params, 3)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (START, None, START, START + 1499 * HOUR),
        (START, START + 3 * HOUR, START, START + 2 * HOUR),
        (None, START, START - 1500 * HOUR, START - HOUR),
    ],
)
def test_candle_ranges_are_in_seconds(start: int | None, end: int | None, first: int, last: int) -> None:
    params = asked(desk.ask_candles("1h", start, end, 5000))[1]
    assert (int(params["startAt"]), int(params["endAt"])) == (first // 1000, last // 1000 + 1)


def test_no_weeks() -> None:
    assert "1w" not in ADAPTER.endpoints[Capability.CANDLES].intervals


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("900001", "symbol not exists", SymbolNotListed),
        ("400100", "Unsupported trading pair.", SymbolNotListed),
        ("400100", "Incorrect candlestick type.", UpstreamRejected),
        ("429000", "Too many requests", UpstreamRateLimited),
        ("400302", "unavailable in your region", RegionBlocked),
        ("500000", "Internal Server Error", UpstreamBroken),
    ],
)
def test_errors_inside_200_and_outside(code: str, message: str, error: type[Exception]) -> None:
    body = {"code": code, "msg": message}
    for read in (desk.quotes, desk.candles, desk.trades, desk.instruments, desk.book):
        for shape in (body, {**body, "data": "text"}):
            with pytest.raises(error) as caught:
                read(shape)
            assert type(caught.value) is error
    assert type(desk.explain(body, 400)) is error


def test_the_limit_says_when_it_ends() -> None:
    limited = desk.explain({"code": "429000", "msg": "slow"}, 403, {"gw-ratelimit-reset": "2500"})
    assert limited is not None
    assert limited.retry_after_s == 2.5
    assert desk.explain("<html>403</html>", 403) is None
    assert desk.explain({"code": "200000"}, 502) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", every(ticker()), '"66000"')
    desk.damaged("quotes", answer(ticker()), '"66000"', BTC)
    desk.damaged("candles", answer([bar(START)]), '"12"')
    desk.damaged("book", answer({"bids": [["10", "2"]], "asks": []}), '"10"')
    desk.damaged("trades", answer([{"price": "12", "size": "1", "side": "buy", "time": NOW * 10**6}]), '"12"')
    with pytest.raises(PayloadChanged) as caught:
        desk.quotes(every(ticker(), ticker(last="soon")))
    assert caught.value.path == "$.data.ticker[1].last"
    with pytest.raises(PayloadChanged) as caught:
        desk.candles({"code": "200000"})
    assert caught.value.path == "$.data"
