from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spot_desk import HOUR, NOW, START, Desk, asked, normal

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import NotOffered, PayloadChanged, SymbolNotListed
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.coinbase_exchange import ADAPTER
from crypto_dt_source.providers.kit import iso

BTC = Pair("BTC", "USD")
desk = Desk(ADAPTER, BTC)


def ticker(**changed: Any) -> dict[str, Any]:
    return {
        "trade_id": 21554152,
        "price": "66000",
        "size": "0.5",
        "bid": "65999.5",
        "ask": "66000.5",
        "volume": "10",
        "time": "2026-09-21T13:20:00.123456789Z",
        "rfq_volume": "1",
    } | changed


def bar(open_ms: int) -> list[float]:
    return [open_ms // 1000, 9, 12, 10, 11, 5.5]


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "coinbase_exchange"
    for name in ("ticker", "ticker_2024"):
        (quote,) = normal(desk.quotes((folder / f"{name}.json").read_bytes(), BTC))
        assert quote.event_ms is not None
    assert len(normal(desk.candles((folder / "candles.json").read_bytes(), "1m"))) == 10
    normal(desk.candles((folder / "candles_2024.json").read_bytes()))
    normal([desk.book((folder / "book_l2.json").read_bytes())])
    (trade,) = normal(desk.trades((folder / "trades_2024.json").read_bytes()))
    assert trade.side == "buy"
    assert len(normal(desk.instruments((folder / "products.json").read_bytes()))) == 60


def test_recorded_not_found(wire: Path) -> None:
    body = (wire / "coinbase_exchange" / "error_404_not_found.json").read_bytes()
    assert isinstance(desk.explain(body, 404), SymbolNotListed)
    assert desk.explain(body, 500) is None


def test_quote_has_what_the_ticker_has() -> None:
    (quote,) = normal(desk.quotes(ticker(), BTC))
    assert quote[:8] == ("coinbase_exchange", "BTC-USD", "BTC", "USD", 66000.0, 65999.5, 66000.5, 10.0)
    assert quote[8:12] == (None,) * 4
    assert quote.event_ms == 1_789_996_800_123


def test_absent_sides_and_products_that_never_traded() -> None:
    (quote,) = normal(desk.quotes(ticker(bid="", ask=None, volume=""), BTC))
    assert (quote.bid, quote.ask, quote.base_volume) == (None, None, None)
    assert desk.quotes(ticker(price="0", time="0001-01-01T00:00:00Z"), BTC) == []


def test_one_product_a_call() -> None:
    assert ADAPTER.endpoints[Capability.QUOTES].per_pair
    for pairs in ((), (BTC, BTC)):
        with pytest.raises(NotOffered):
            desk.ask_quotes(*pairs)


def test_candles_have_low_and_high_first_in_seconds_newest_first() -> None:
    (candle,) = normal(desk.candles([bar(START)]))
    assert candle == (START, 10.0, 12.0, 9.0, 11.0, 5.5, None, None, True)
    body = [bar(START + n * HOUR) for n in (4, 3, 1, 0)]
    rows = desk.candles(body, start=START + HOUR, end=START + 4 * HOUR)
    assert [c.open_ms for c in rows] == [START + HOUR, START + 3 * HOUR]
    assert [c.open_ms for c in desk.candles(body, limit=2)] == [START + 3 * HOUR, START + 4 * HOUR]
    running = NOW // HOUR * HOUR
    assert [c.closed for c in desk.candles([bar(running), bar(running - HOUR)])] == [True, False]


def test_book_is_cut_to_the_depth_asked() -> None:
    body = {"bids": [["10", "2", 1], ["9", "1", 4]], "asks": [["11", "1", 1], ["12", "1", 1]], "sequence": 7}
    book = desk.book(body, depth=1)
    assert (book.bids, book.asks, book.event_ms) == (((10.0, 2.0),), ((11.0, 1.0),), None)
    assert desk.book({**body, "time": "2026-09-21T13:20:00Z"}).event_ms == 1_789_996_800_000


def test_trade_side_is_the_takers() -> None:
    row = {"trade_id": 7, "side": "buy", "size": "0.5", "price": "10", "time": "2026-09-21T13:20:00.5Z"}
    trades = normal(desk.trades([row, {**row, "trade_id": "6", "side": "sell"}, row], limit=2))
    assert trades == [
        ("coinbase_exchange", "BTC-USD", "BTC", "USD", "7", 10.0, 0.5, "sell", 1_789_996_800_500),
        ("coinbase_exchange", "BTC-USD", "BTC", "USD", "6", 10.0, 0.5, "buy", 1_789_996_800_500),
    ]
    with pytest.raises(PayloadChanged) as caught:
        desk.trades([{**row, "time": "yesterday"}])
    assert caught.value.path == "$[0].time"


def test_instruments() -> None:
    row = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online"}
    rows = normal(
        desk.instruments(
            [
                row,
                {**row, "status": "delisted"},
                {**row, "trading_disabled": True},
                {**row, "cancel_only": True},
            ]
        )
    )
    assert [i.active for i in rows] == [True, False, False, False]


def test_requests() -> None:
    assert asked(desk.ask_quotes(BTC)) == ("/products/BTC-USD/ticker", {}, 1)
    assert asked(desk.ask_book(1)) == ("/products/BTC-USD/book", {"level": "1"}, 1)
    assert asked(desk.ask_book(50)) == ("/products/BTC-USD/book", {"level": "2"}, 1)
    assert asked(desk.ask_trades(5000)) == ("/products/BTC-USD/trades", {"limit": "1000"}, 1)
    assert asked(desk.ask_instruments()) == ("/products", {}, 1)
    assert asked(desk.ask_candles("6h")) == ("/products/BTC-USD/candles", {"granularity": "21600"}, 1)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (START, None, START, START + 299 * HOUR),
        (START, START + 3 * HOUR, START, START + 2 * HOUR),
        (None, START, START - 300 * HOUR, START - HOUR),
    ],
)
def test_candle_ranges_never_pass_300(start: int | None, end: int | None, first: int, last: int) -> None:
    params = asked(desk.ask_candles("1h", start, end, 5000))[1]
    assert (params["start"], params["end"]) == (iso(first), iso(last))


def test_explain_leaves_other_bodies_to_the_status() -> None:
    assert desk.explain("<html>403</html>", 403) is None
    assert desk.explain({"message": "Public rate limit exceeded"}, 403) is None
    assert desk.explain({"message": "Not allowed"}, 404) is None


def test_broken_bodies() -> None:
    desk.damaged("quotes", ticker(), '"66000"', BTC)
    desk.damaged("candles", [bar(START)], "12")
    desk.damaged("book", {"bids": [["10", "2", 1]], "asks": []}, '"10"')
    row = {"trade_id": 7, "side": "buy", "size": "1", "price": "12", "time": "2026-09-21T13:20:00Z"}
    desk.damaged("trades", [row], '"12"')
    row = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online"}
    desk.damaged("instruments", [row], '"online"')
    with pytest.raises(PayloadChanged) as caught:
        desk.quotes({"message": "NotFound"}, BTC)
    assert "price" in str(caught.value)
