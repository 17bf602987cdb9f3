from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import HOUR, MINUTE, NOW, START, Desk, asked, normal

from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.okx import ADAPTER

BTC = Pair("BTC", "USDT")
ETH = Pair("ETH", "USDC")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: str) -> dict[str, str]:
    return {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "last": "66000",
        "lastSz": "0.1",
        "askPx": "66000.5",
        "askSz": "1",
        "bidPx": "65999.5",
        "bidSz": "2",
        "open24h": "60000",
        "high24h": "66500",
        "low24h": "59500",
        "volCcy24h": "630000",
        "vol24h": "10",
        "sodUtc0": "65000",
        "ts": str(NOW - 500),
    } | changed


def answer(*rows: Any, code: str = "0", msg: str = "") -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": list(rows)}


def bar(open_ms: int, confirm: str = "1") -> list[str]:
    return [str(open_ms), "10", "12", "9", "11", "5", "55", "55", confirm]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "okx"
    for name, interval in (("candles_btc_1h", "1h"), ("candles", "1m"), ("candles_full", "1m")):
        normal(desk.candles((folder / f"{name}.json").read_bytes(), interval))
    normal([desk.book((folder / "books.json").read_bytes())])
    normal(desk.trades((folder / "trades.json").read_bytes()))


def test_recorded_swaps_and_futures_are_no_spot(wire: Path) -> None:
    folder = wire / "okx"
    assert desk.quotes((folder / "ticker.json").read_bytes()) == []
    assert desk.quotes((folder / "tickers.json").read_bytes()) == []
    with pytest.raises(UpstreamRateLimited):
        desk.quotes((folder / "error_50011_rate_limit.json").read_bytes())
    with pytest.raises(SymbolNotListed):
        desk.quotes((folder / "error_51001_unknown_instrument.json").read_bytes(), BTC)


def test_recorded_order_is_turned_round_and_the_open_candle_flagged(wire: Path) -> None:
    rows = desk.candles((wire / "okx" / "candles_btc_1h.json").read_bytes())
    assert [c.closed for c in rows] == [True, True, False]
    assert [c.open_ms for c in rows] == sorted(c.open_ms for c in rows)


def test_quote_fields() -> None:
    (quote,) = normal(desk.quotes(answer(ticker())))
    assert quote[:5] == ("okx", "BTC-USDT", "BTC", "USDT", 66000.0)
    assert (quote.bid, quote.ask, quote.high, quote.low) == (65999.5, 66000.5, 66500.0, 59500.0)
    assert (quote.base_volume, quote.quote_volume) == (10.0, 630000.0)
    assert quote.change_pct == pytest.approx(10.0)
    assert (quote.event_ms, quote.received_ms) == (NOW - 500, NOW)


def test_empty_text_is_absence_and_loses_no_other_row() -> None:
    bare = ticker(
        instId="NEW-USDT", bidPx="", askPx="", open24h="", high24h="", low24h="", vol24h="", volCcy24h=""
    )
    rows = normal(desk.quotes(answer(bare, ticker(instId="PRE-USDT", last=""), ticker())))
    assert [q.symbol for q in rows] == ["NEW-USDT", "BTC-USDT"]
    assert rows[0][5:12] == (None,) * 7


def test_rows_that_give_no_quote() -> None:
    rows = desk.quotes(
        answer(
            ticker(instType="SWAP", instId="BTC-USDT-SWAP"),
            ticker(instId="OLD-USDT", vol24h="0", volCcy24h="0"),
            ticker(instId="ZERO-USDT", last="0"),
        )
    )
    assert rows == []


def test_asked_pairs_only() -> None:
    body = answer(ticker(), ticker(instId="ETH-USDC"), ticker(instId="SOL-USDT"))
    assert [q.symbol for q in desk.quotes(body, BTC, ETH)] == ["BTC-USDT", "ETH-USDC"]


def test_candles_are_windowed_whatever_came() -> None:
    body = answer(*(bar(START + n * HOUR) for n in (4, 3, 2, 1, 0)))
    assert [c.open_ms for c in desk.candles(body, start=START + HOUR, end=START + 4 * HOUR, limit=2)] == [
        START + HOUR,
        START + 2 * HOUR,
    ]
    assert [c.open_ms for c in desk.candles(body, end=START + 4 * HOUR, limit=1)] == [START + 3 * HOUR]
    (candle,) = normal(desk.candles(answer(bar(START))))
    assert candle == (START, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)


def test_book_and_trades() -> None:
    book = desk.book(
        answer({"asks": [["11", "1", "0", "1"]], "bids": [["10", "2", "0", "3"]], "ts": str(NOW - 9)})
    )
    assert (book.bids, book.asks, book.event_ms) == (((10.0, 2.0),), ((11.0, 1.0),), NOW - 9)
    row = {"instId": "BTC-USDT", "side": "sell", "sz": "0.5", "px": "10", "tradeId": "7", "ts": str(NOW)}
    trades = normal(desk.trades(answer(row, {**row, "tradeId": "6"}), limit=1))
    assert trades == [("okx", "BTC-USDT", "BTC", "USDT", "7", 10.0, 0.5, "sell", NOW)]


def test_instruments_are_spot_with_their_state() -> None:
    spot = {"instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "state": "live"}
    rows = normal(
        desk.instruments(
            answer(
                spot,
                {**spot, "instId": "OLD-USDT", "baseCcy": "OLD", "state": "suspend"},
                {**spot, "instType": "FUTURES", "instId": "BTC-USD-1", "baseCcy": "", "quoteCcy": ""},
            )
        )
    )
    assert [(i.symbol, i.base, i.quote, i.active) for i in rows] == [
        ("BTC-USDT", "BTC", "USDT", True),
        ("OLD-USDT", "OLD", "USDT", False),
    ]


def test_requests() -> None:
    assert asked(desk.ask_quotes()) == ("/api/v5/market/tickers", {"instType": "SPOT"}, 1)
    assert asked(desk.ask_quotes(BTC, ETH)) == asked(desk.ask_quotes())
    assert asked(desk.ask_quotes(BTC)) == ("/api/v5/market/ticker", {"instId": "BTC-USDT"}, 1)
    assert asked(desk.ask_book(1000)) == ("/api/v5/market/books", {"instId": "BTC-USDT", "sz": "400"}, 1)
    assert asked(desk.ask_trades(1000)) == (
        "/api/v5/market/trades",
        {"instId": "BTC-USDT", "limit": "500"},
        1,
    )
    assert asked(desk.ask_instruments()) == ("/api/v5/public/instruments", {"instType": "SPOT"}, 1)


def test_recent_candles_come_from_candles() -> None:
    path, params, _ = asked(desk.ask_candles("1d", limit=1000))
    assert (path, params) == (
        "/api/v5/market/candles",
        {"instId": "BTC-USDT", "bar": "1Dutc", "limit": "300"},
    )


@pytest.mark.parametrize(
    ("start", "end", "before", "older_than"),
    [
        (START, None, START - 1, START + 99 * HOUR + 1),
        (START, START + 3 * HOUR, START - 1, START + 2 * HOUR + 1),
        (None, START, START - 100 * HOUR - 1, START - HOUR + 1),
        (START + 1, START + 2 * HOUR + 1, START + HOUR - 1, START + 2 * HOUR + 1),
    ],
)
def test_ranges_come_from_history_in_pages_of_100(
    start: int | None, end: int | None, before: int, older_than: int
) -> None:
    path, params, _ = asked(desk.ask_candles("1h", start, end))
    assert path == "/api/v5/market/history-candles"
    assert (params["bar"], params["limit"]) == ("1H", "100")
    assert (int(params["before"]), int(params["after"])) == (before, older_than)


def test_long_intervals_open_by_utc() -> None:
    names = ADAPTER.endpoints[next(c for c in ADAPTER.endpoints if c.value == "candles")].intervals
    assert {i: names[i] for i in ("6h", "12h", "1d", "1w")} == {
        "6h": "6Hutc",
        "12h": "12Hutc",
        "1d": "1Dutc",
        "1w": "1Wutc",
    }


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("51001", SymbolNotListed),
        ("50011", UpstreamRateLimited),
        ("50013", UpstreamBroken),
        ("51000", UpstreamRejected),
    ],
)
def test_errors_inside_200_and_outside(code: str, error: type[Exception]) -> None:
    body = answer(code=code, msg="no")
    for read in (desk.quotes, desk.candles, desk.trades, desk.instruments, desk.book):
        with pytest.raises(error) as caught:
            read(body)
        assert type(caught.value) is error
    assert type(desk.explain(body, 400)) is error


def test_explain_leaves_other_bodies_to_the_status() -> None:
    assert desk.explain("<html>403</html>", 403) is None
    assert desk.explain(b"\xff\xfe", 502) is None
    assert desk.explain({"code": "0", "msg": ""}, 500) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", answer(ticker()), '"66000"')
    desk.damaged("candles", answer(bar(START)), '"12"')
    desk.damaged("book", answer({"asks": [["11", "1"]], "bids": [], "ts": "1790000000000"}), '"11"')
    trade = {"side": "buy", "sz": "1", "px": "12", "ts": str(NOW)}
    desk.damaged("trades", answer(trade), '"12"')
    with pytest.raises(PayloadChanged) as caught:
        desk.quotes(answer(ticker(), ticker(last="soon")))
    assert caught.value.path == "$.data[1].last"
    with pytest.raises(PayloadChanged):
        desk.candles(answer(["1", "2"]), "1m", START, START + MINUTE)
