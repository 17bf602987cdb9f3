from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import MINUTE, NOW, START, Desk, asked, normal

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.kraken import ADAPTER, split

BTC = Pair("BTC", "USD")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: Any) -> dict[str, Any]:
    return {
        "a": ["66000.50000", "1", "1.000"],
        "b": ["65999.50000", "2", "2.000"],
        "c": ["66000.00000", "0.1"],
        "v": ["4", "10"],
        "p": ["65900", "65800"],
        "t": [3, 8],
        "l": ["65100", "64500"],
        "h": ["66100", "66500"],
        "o": "65500",
    } | changed


def answer(result: Any) -> dict[str, Any]:
    return {"error": [], "result": result}


def bar(open_ms: int) -> list[Any]:
    return [open_ms // 1000, "10", "12", "9", "11", "10.5", "4", 7]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "kraken"
    (quote,) = normal(desk.quotes((folder / "ticker.json").read_bytes()))
    assert (quote.base, quote.quote) == ("BTC", "USDT")
    for name in ("ohlc", "ohlc_short"):
        normal(desk.candles((folder / f"{name}.json").read_bytes(), "1m"))
    normal([desk.book((folder / "depth.json").read_bytes())])
    normal(desk.trades((folder / "trades.json").read_bytes()))
    assert normal(desk.instruments((folder / "asset_pairs.json").read_bytes())) == [
        ("kraken", "XBTUSDT", "BTC", "USDT", True)
    ]


def test_recorded_list_of_all(wire: Path) -> None:
    rows = normal(desk.quotes((wire / "kraken" / "ticker_all_asset_version_1.json").read_bytes()))
    assert len(rows) > 40
    assert {"0G", "1INCH", "AAVE"} <= {q.base for q in rows}
    assert "AI16Z" not in {q.base for q in rows}, "its markets made no trade in 24 h"


def test_recorded_errors(wire: Path) -> None:
    for name, error in (("unknown_pair", SymbolNotListed), ("too_many_requests", UpstreamRateLimited)):
        body = (wire / "kraken" / f"error_{name}.json").read_bytes()
        with pytest.raises(error):
            desk.quotes(body, BTC)
        assert isinstance(desk.explain(body, 520), error)


@pytest.mark.parametrize("key", ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"])
def test_quote_fields_whatever_the_market_is_called(key: str) -> None:
    (quote,) = normal(desk.quotes(answer({key: ticker()})))
    assert quote[:5] == ("kraken", key, "BTC", "USD", 66000.0)
    assert (quote.bid, quote.ask, quote.high, quote.low) == (65999.5, 66000.5, 66500.0, 64500.0)
    assert (quote.base_volume, quote.quote_volume) == (10.0, pytest.approx(658_000.0))
    assert (quote.change_pct, quote.event_ms) == (None, None)
    assert desk.quotes(answer({key: ticker()}), BTC) == [quote]


@pytest.mark.parametrize(
    ("key", "pair"),
    [
        ("XETHXXBT", ("ETH", "BTC")),
        ("XDGUSD", ("DOGE", "USD")),
        ("XXDGXXBT", ("DOGE", "BTC")),
        ("DOGE/EUR", ("DOGE", "EUR")),
        ("XTZUSD", ("XTZ", "USD")),
        ("XTZXBT", ("XTZ", "BTC")),
        ("ZRXEUR", ("ZRX", "EUR")),
        ("USDTZUSD", ("USDT", "USD")),
        ("USDCUSDT", ("USDC", "USDT")),
        ("ZEURZUSD", ("EUR", "USD")),
        ("PEARLUSD", ("PEARL", "USD")),
        ("RLUSDUSD", ("RLUSD", "USD")),
        ("XRPRLUSD", ("XRP", "RLUSD")),
        ("AIXBT/USD", ("AIXBT", "USD")),
        ("XXBTZUSD.d", None),
        ("NOQUOTE", None),
    ],
)
def test_names(key: str, pair: tuple[str, str] | None) -> None:
    assert split(key) == pair


def test_a_single_market_is_the_one_asked_whatever_its_key() -> None:
    odd = Pair("ODD", "RLUSD")
    (quote,) = desk.quotes(answer({"ODDRLUSD": ticker()}), odd)
    assert (quote.symbol, quote.base, quote.quote) == ("ODDRLUSD", "ODD", "RLUSD")


def test_rows_that_give_no_quote_and_absent_sides() -> None:
    zeros = ticker(a=["0.0"], b=["0.0"], v=["0", "3"], h=["0", "0"], l=["0", "0"])
    rows = normal(
        desk.quotes(
            answer(
                {
                    "ONE/USD": zeros,
                    "BTC/USD.d": ticker(),
                    "OLD/USD": ticker(v=["0.0", "0.00000"]),
                    "NEW/USD": ticker(c=["0.0", "0"]),
                }
            )
        )
    )
    assert [q.base for q in rows] == ["ONE"]
    assert (rows[0].bid, rows[0].ask, rows[0].high, rows[0].low) == (None,) * 4


def test_asked_pairs_only() -> None:
    body = answer({key: ticker() for key in ("BTC/USD", "ETH/USD", "SOL/USD")})
    assert [q.base for q in desk.quotes(body, BTC, Pair("SOL", "USD"))] == ["BTC", "SOL"]


def test_candles_are_read_from_the_key_that_is_not_last() -> None:
    body = answer({"XXBTZUSD": [bar(START), bar(START + MINUTE)], "last": START // 1000})
    rows = normal(desk.candles(body, "1m"))
    assert rows[0] == (START, 10.0, 12.0, 9.0, 11.0, 4.0, 42.0, 7, True)
    assert [c.open_ms for c in desk.candles(body, "1m", START + MINUTE)] == [START + MINUTE]
    assert [c.open_ms for c in desk.candles(body, "1m", end=START + MINUTE)] == [START]
    running = NOW // MINUTE * MINUTE
    open_one = answer({"last": 1, "XBTUSD": [bar(running - MINUTE), bar(running)]})
    assert [c.closed for c in desk.candles(open_one, "1m")] == [True, False]


def test_a_range_older_than_720_rows_is_left_to_others() -> None:
    body = answer({"XXBTZUSD": [bar(START + n * MINUTE) for n in range(720)], "last": 1})
    for start, end in ((START - MINUTE, None), (None, START), (START - 9 * MINUTE, START - MINUTE)):
        with pytest.raises(NotOffered):
            desk.candles(body, "1m", start, end)
    assert desk.candles(body, "1m", START - MINUTE + 1, limit=2)[0].open_ms == START
    assert len(desk.candles(body, "1m", limit=720)) == 720


def test_book_and_trades() -> None:
    book = desk.book(
        answer({"XXBTZUSD": {"asks": [["11", "1", 1762820248]], "bids": [["10", "2", 1762820233]]}})
    )
    assert (book.symbol, book.bids, book.asks) == ("XXBTZUSD", ((10.0, 2.0),), ((11.0, 1.0),))
    assert book.event_ms is None
    old = ["9", "0.1", 1789999999.5, "b", "m", ""]
    new = ["10", "0.5", 1789999999.9717445, "s", "l", "", 7]
    trades = normal(desk.trades(answer({"XXBTZUSD": [old, new], "last": "1789999999971744500"})))
    assert trades == [
        ("kraken", "XXBTZUSD", "BTC", "USD", None, 9.0, 0.1, "buy", 1_789_999_999_500),
        ("kraken", "XXBTZUSD", "BTC", "USD", "7", 10.0, 0.5, "sell", 1_789_999_999_972),
    ]
    newest = desk.trades(answer({"XXBTZUSD": [old, new], "last": "1"}), limit=1)
    assert [t.trade_id for t in newest] == ["7"]


def test_instruments() -> None:
    rows = normal(
        desk.instruments(
            answer(
                {
                    "XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD", "status": "online"},
                    "XTZUSD": {"altname": "XTZUSD", "status": "cancel_only"},
                    "XXBTZUSD.d": {"altname": "XBTUSD.d"},
                }
            )
        )
    )
    assert rows == [("kraken", "XXBTZUSD", "BTC", "USD", True), ("kraken", "XTZUSD", "XTZ", "USD", False)]


def test_requests() -> None:
    assert asked(desk.ask_quotes()) == ("/0/public/Ticker", {"assetVersion": "1"}, 1)
    assert asked(desk.ask_quotes(BTC, BTC)) == asked(desk.ask_quotes())
    assert asked(desk.ask_quotes(BTC)) == ("/0/public/Ticker", {"pair": "XBTUSD"}, 1)
    assert asked(desk.ask_quotes(Pair("DOGE", "BTC"))) == ("/0/public/Ticker", {"pair": "XDGXBT"}, 1)
    assert asked(desk.ask_book(1000)) == ("/0/public/Depth", {"pair": "XBTUSD", "count": "500"}, 1)
    assert asked(desk.ask_trades(5000)) == ("/0/public/Trades", {"pair": "XBTUSD", "count": "1000"}, 1)
    assert asked(desk.ask_instruments()) == ("/0/public/AssetPairs", {}, 1)
    params = {"pair": "XBTUSD", "interval": "240"}
    assert asked(desk.ask_candles("4h", end=START)) == ("/0/public/OHLC", params, 1)
    since = str(START // 1000 - 1)
    assert asked(desk.ask_candles("4h", START)) == ("/0/public/OHLC", {**params, "since": since}, 1)


def test_no_weeks() -> None:
    assert "1w" not in ADAPTER.endpoints[Capability.CANDLES].intervals


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("EQuery:Unknown asset pair", SymbolNotListed),
        ("EGeneral:Too many requests", UpstreamRateLimited),
        ("EAPI:Rate limit exceeded", UpstreamRateLimited),
        ("EService:Unavailable", UpstreamBroken),
        ("EService:Busy", UpstreamBroken),
        ("EGeneral:Invalid arguments", UpstreamRejected),
    ],
)
def test_errors_inside_200(word: str, error: type[Exception]) -> None:
    for read in (desk.quotes, desk.candles, desk.trades, desk.instruments, desk.book):
        for body in ({"error": [word]}, {"error": [word], "result": []}):
            with pytest.raises(error) as caught:
                read(body)
            assert type(caught.value) is error


def test_warnings_are_no_errors() -> None:
    body = answer({"BTC/USD": ticker()}) | {"error": ["WGeneral:Deprecated"]}
    assert len(desk.quotes(body)) == 1
    assert desk.explain(body, 500) is None


def test_explain_leaves_other_bodies_to_the_status() -> None:
    assert desk.explain("<html>520</html>", 520) is None
    assert desk.explain({"error": []}, 500) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", answer({"BTC/USD": ticker()}), '"66000.00000"')
    desk.damaged("candles", answer({"XXBTZUSD": [bar(START)], "last": 1}), '"12"')
    desk.damaged("book", answer({"XXBTZUSD": {"asks": [["11", "1", 1]], "bids": []}}), '"11"')
    desk.damaged("trades", answer({"XXBTZUSD": [["12", "1", 1789999999.5, "b"]], "last": "1"}), '"12"')
    desk.damaged("instruments", answer({"XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD"}}), '"XBT/USD"')
    for body in ({"error": []}, answer({}), answer({"A": ticker(), "B": ticker()})):
        with pytest.raises(PayloadChanged) as caught:
            desk.quotes(body, BTC)
        assert caught.value.path == "$.result"
    with pytest.raises(PayloadChanged):
        desk.candles(answer({"XXBTZUSD": 5, "last": 1}))
