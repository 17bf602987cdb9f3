from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import HOUR, NOW, START, Desk, asked, normal

from crypto_dt_source.model.ask import Capability, InstrumentsAsk
from crypto_dt_source.model.errors import (
    PayloadChanged,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBanned,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.bybit import ADAPTER

BTC = Pair("BTC", "USDT")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: str) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT",
        "bid1Price": "65999.5",
        "bid1Size": "2",
        "ask1Price": "66000.5",
        "ask1Size": "1",
        "lastPrice": "66000",
        "prevPrice24h": "65000",
        "price24hPcnt": "0.0154",
        "highPrice24h": "66500",
        "lowPrice24h": "64500",
        "turnover24h": "660000",
        "volume24h": "10",
        "usdIndexPrice": "",
    } | changed


def answer(result: Any, code: int = 0, msg: str = "OK") -> dict[str, Any]:
    return {"retCode": code, "retMsg": msg, "result": result, "retExtInfo": {}, "time": NOW}


def listed(*rows: Any, **more: Any) -> dict[str, Any]:
    return answer({"category": "spot", "list": list(rows), **more})


def bar(open_ms: int) -> list[str]:
    return [str(open_ms), "10", "12", "9", "11", "5", "55"]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "bybit"
    (quote,) = normal(desk.quotes((folder / "tickers_spot.json").read_bytes()))
    assert quote.change_pct == pytest.approx(0.68)
    normal(desk.candles((folder / "kline_linear.json").read_bytes(), "1m"))
    normal([desk.book((folder / "orderbook.json").read_bytes())])
    normal(desk.trades((folder / "recent_trade.json").read_bytes()))
    assert [i.active for i in normal(desk.instruments((folder / "instruments_spot.json").read_bytes()))] == [
        True
    ] * 2


def test_recorded_errors(wire: Path) -> None:
    folder = wire / "bybit"
    with pytest.raises(UpstreamRejected) as caught:
        desk.candles((folder / "error_10001_params.json").read_bytes())
    assert type(caught.value) is UpstreamRejected
    assert isinstance(desk.explain((folder / "error_403_cloudfront.txt").read_bytes(), 403), RegionBlocked)


def test_quote_fields() -> None:
    (quote,) = normal(desk.quotes(listed(ticker())))
    assert quote[:5] == ("bybit", "BTCUSDT", "BTC", "USDT", 66000.0)
    assert (quote.bid, quote.ask, quote.high, quote.low) == (65999.5, 66000.5, 66500.0, 64500.0)
    assert (quote.base_volume, quote.quote_volume) == (10.0, 660000.0)
    assert quote.change_pct == pytest.approx(1.54)
    assert quote.event_ms is None


def test_empty_text_is_absence_and_loses_no_other_row() -> None:
    names = (
        "bid1Price",
        "ask1Price",
        "price24hPcnt",
        "highPrice24h",
        "lowPrice24h",
        "turnover24h",
        "volume24h",
    )
    bare = ticker(symbol="NEWUSDC", **dict.fromkeys(names, ""))
    rows = normal(desk.quotes(listed(bare, ticker(symbol="PREUSDT", lastPrice=""), ticker())))
    assert [q.symbol for q in rows] == ["NEWUSDC", "BTCUSDT"]
    assert rows[0][5:12] == (None,) * 7


def test_rows_that_give_no_quote() -> None:
    rows = desk.quotes(
        listed(
            ticker(symbol="BTC3LUSDT"),
            ticker(symbol="ETH2SUSDT"),
            ticker(symbol="OLDUSDT", volume24h="0"),
            ticker(symbol="BTCPERP"),
        )
    )
    assert rows == []


def test_the_longest_quote_ticker_splits_the_symbol() -> None:
    rows = desk.quotes(listed(*(ticker(symbol=s) for s in ("XRPRLUSD", "RLUSDUSDT", "ETHBTC", "BTCEUR"))))
    assert [(q.base, q.quote) for q in rows] == [
        ("XRP", "RLUSD"),
        ("RLUSD", "USDT"),
        ("ETH", "BTC"),
        ("BTC", "EUR"),
    ]


def test_asked_pairs_only() -> None:
    body = listed(ticker(), ticker(symbol="ETHUSDC"), ticker(symbol="SOLUSDT"))
    assert [q.symbol for q in desk.quotes(body, BTC, Pair("ETH", "USDC"))] == ["BTCUSDT", "ETHUSDC"]


def test_an_empty_list_is_an_unknown_symbol_only_where_it_must_be() -> None:
    with pytest.raises(SymbolNotListed):
        desk.quotes(listed(), BTC)
    with pytest.raises(SymbolNotListed):
        desk.candles(listed())
    assert desk.quotes(listed()) == []
    assert desk.candles(listed(), start=START) == []


def test_candles_come_newest_first_and_are_windowed() -> None:
    body = listed(*(bar(START + n * HOUR) for n in (4, 3, 2, 1, 0)))
    assert [c.open_ms for c in desk.candles(body, start=START + HOUR, end=START + 3 * HOUR)] == [
        START + HOUR,
        START + 2 * HOUR,
    ]
    (candle,) = normal(desk.candles(listed(bar(START))))
    assert candle == (START, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)
    running = NOW // HOUR * HOUR
    assert [c.closed for c in desk.candles(listed(bar(running), bar(running - HOUR)))] == [True, False]


def test_book_and_trades() -> None:
    book = desk.book(answer({"s": "BTCUSDT", "b": [["10", "2"]], "a": [["11", "1"]], "ts": NOW - 9, "u": 1}))
    assert (book.bids, book.asks, book.event_ms) == (((10.0, 2.0),), ((11.0, 1.0),), NOW - 9)
    row = {
        "execId": "a-1",
        "symbol": "BTCUSDT",
        "price": "10",
        "size": "0.5",
        "side": "Sell",
        "time": str(NOW),
    }
    trades = normal(desk.trades(listed(row, {**row, "side": "Buy"})))
    assert trades[0] == ("bybit", "BTCUSDT", "BTC", "USDT", "a-1", 10.0, 0.5, "sell", NOW)
    assert trades[1].side == "buy"


def test_instruments_follow_a_cursor() -> None:
    row = {"symbol": "OLDUSDT", "baseCoin": "OLD", "quoteCoin": "USDT", "status": "Settling"}
    body = listed(row, nextPageCursor="page 2")
    assert [(i.symbol, i.active) for i in normal(desk.instruments(body))] == [("OLDUSDT", False)]
    follow = ADAPTER.endpoints[Capability.INSTRUMENTS].next
    assert follow is not None
    first = desk.ask_instruments()
    second = follow(desk.reply(body), InstrumentsAsk(), first)
    assert second is not None
    assert second.target() == "/v5/market/instruments-info?category=spot&cursor=page+2"
    assert follow(desk.reply(listed(row, nextPageCursor="")), InstrumentsAsk(), second) is None


def test_requests() -> None:
    assert asked(desk.ask_quotes()) == ("/v5/market/tickers", {"category": "spot"}, 1)
    assert asked(desk.ask_quotes(BTC, BTC)) == asked(desk.ask_quotes())
    assert asked(desk.ask_quotes(BTC)) == ("/v5/market/tickers", {"category": "spot", "symbol": "BTCUSDT"}, 1)
    pair = {"category": "spot", "symbol": "BTCUSDT"}
    assert asked(desk.ask_book(1000)) == ("/v5/market/orderbook", {**pair, "limit": "200"}, 1)
    assert asked(desk.ask_trades(1000)) == ("/v5/market/recent-trade", {**pair, "limit": "60"}, 1)
    assert asked(desk.ask_instruments()) == ("/v5/market/instruments-info", {"category": "spot"}, 1)
    assert asked(desk.ask_candles("1d", limit=2000)) == (
        "/v5/market/kline",
        {**pair, "interval": "D", "limit": "1000"},
        1,
    )


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
    assert (int(params["start"]), int(params["end"]), params["limit"]) == (first, last, "50")


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (10001, "Not supported symbols", SymbolNotListed),
        (10001, "params error: interval", UpstreamRejected),
        (10006, "Too many visits", UpstreamRateLimited),
        (10009, "IP banned", UpstreamBanned),
        (10016, "internal", UpstreamBroken),
        (10024, "compliance rules", RegionBlocked),
    ],
)
def test_errors_inside_200_and_outside(code: int, message: str, error: type[Exception]) -> None:
    body = answer({}, code, message)
    for read in (desk.quotes, desk.candles, desk.trades, desk.instruments, desk.book):
        with pytest.raises(error) as caught:
            read(body)
        assert type(caught.value) is error
    assert type(desk.explain(body, 400)) is error


def test_explain_reads_text() -> None:
    banned = desk.explain("access too frequent", 403)
    assert isinstance(banned, UpstreamBanned)
    assert banned.retry_after_s == 600
    assert isinstance(desk.explain("<html>Generated by cloudfront (CloudFront)</html>", 403), RegionBlocked)
    assert desk.explain("<html>502</html>", 502) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", listed(ticker()), '"66000"')
    desk.damaged("candles", listed(bar(START)), '"12"')
    desk.damaged("book", answer({"b": [["10", "2"]], "a": []}), '"10"')
    desk.damaged("trades", listed({"price": "12", "size": "1", "side": "Buy", "time": str(NOW)}), '"12"')
    row = {"symbol": "OLDUSDT", "baseCoin": "OLD", "quoteCoin": "USDT", "status": "Trading"}
    desk.damaged("instruments", listed(row), '"OLD"')
    for body, path in ((answer({}), "$.result.list"), ({"retCode": 0}, "$.result")):
        with pytest.raises(PayloadChanged) as caught:
            desk.quotes(body)
        assert caught.value.path == path
    with pytest.raises(PayloadChanged) as caught:
        desk.book(answer({"b": []}))
    assert caught.value.path == "$.result.a"
