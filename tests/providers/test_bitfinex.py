from __future__ import annotations

from pathlib import Path

import pytest

from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from crypto_dt_source.model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.bitfinex import ADAPTER, split, symbol
from crypto_dt_source.providers.kit import Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
START = NOW // HOUR * HOUR - 10 * HOUR
BTC = Pair("BTC", "USD")
ASKS = {
    Capability.QUOTES: QuotesAsk(),
    Capability.CANDLES: CandlesAsk(BTC, "1d"),
    Capability.BOOK: BookAsk(BTC),
    Capability.TRADES: TradesAsk(BTC),
    Capability.INSTRUMENTS: InstrumentsAsk(),
}
TICKER = '["tBTCUSD",65000,3.5,65001,2.5,-812.5,-0.0125,65000.5,120.5,66000,64000]'


def reply(body: str | bytes, status: int = 200) -> Reply:
    return Reply("bitfinex", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


@pytest.mark.parametrize(
    ("name", "capability", "least"),
    [
        ("ticker", Capability.QUOTES, 1),
        ("tickers_all", Capability.QUOTES, 55),
        ("candles", Capability.CANDLES, 1),
        ("book_p2", Capability.BOOK, 1),
        ("trades", Capability.TRADES, 1),
        ("conf_pair_exchange", Capability.INSTRUMENTS, 200),
    ],
)
def test_recorded_bodies_become_normal_records(
    wire: Path, name: str, capability: Capability, least: int
) -> None:
    records = parse(capability, (wire / "bitfinex" / f"{name}.json").read_bytes())
    assert len(records) >= least
    assert [violation(r) for r in records] == [None] * len(records)


def test_recorded_500_is_an_unlisted_symbol(wire: Path) -> None:
    body = (wire / "bitfinex" / "error_500_invalid_symbol.json").read_bytes()
    assert type(ADAPTER.explain(reply(body, 500))) is SymbolNotListed


def test_ticker_columns_and_change_from_a_fraction() -> None:
    [quote] = parse(Capability.QUOTES, f"[{TICKER}]")
    assert quote == (
        "bitfinex", "tBTCUSD", "BTC", "USD", 65000.5, 65000.0, 65001.0, 120.5, None, -1.25, 66000.0, 64000.0, None, NOW,
    )  # fmt: skip


def test_funding_rows_have_another_layout_and_are_skipped() -> None:
    funding = (
        '["fUSD",0.0002,0.0001,120,1000,0.00011,2,500,null,-0.1,0.00012,9000,0.0002,0.0001,null,null,12345.6]'
    )
    assert [q.symbol for q in parse(Capability.QUOTES, f"[{funding},{TICKER},{funding}]")] == ["tBTCUSD"]


def test_nulls_are_absent_and_rows_without_price_or_trades_are_left_out() -> None:
    rows = [
        '["tETHUSD",null,null,null,null,null,null,3000,5,null,null]',
        '["tLTCUSD",1,1,1,1,0,0,null,5,1,1]',
        '["tEOSUSD",1,1,1,1,0,0,1,0,1,1]',
        '["tXRPUSD",1,1,1,1,0,0,0,5,1,1]',
    ]
    [quote] = parse(Capability.QUOTES, f"[{','.join(rows)}]")
    assert quote.symbol == "tETHUSD"
    assert quote[5:7] == (None, None)
    assert quote[9:13] == (None, None, None, None)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("tBTCUSD", Pair("BTC", "USD")),
        ("tBTCUST", Pair("BTC", "USDT")),
        ("tDOGE:USD", Pair("DOGE", "USD")),
        ("tAAVE:UST", Pair("AAVE", "USDT")),
        ("tUDCUSD", Pair("USDC", "USD")),
        ("tIOTUSD", Pair("IOTA", "USD")),
        ("tBTC:CNHT", Pair("BTC", "CNHT")),
    ],
)
def test_symbols_both_ways(name: str, pair: Pair) -> None:
    assert split(name) == pair
    assert symbol(pair) == name


@pytest.mark.parametrize(
    "name", ["fUSD", "tBTCF0:USTF0", "tTESTBTC:TESTUSD", "tAAABBB", "tBTCUSDT", "tBTC:", "", "t"]
)
def test_names_that_are_no_spot_pair(name: str) -> None:
    assert split(name) is None


@pytest.mark.parametrize("ticker", ["AMP", "YGG", "WAX", "UST", "DOG"])
def test_a_ticker_that_is_another_coins_code_here_is_not_sent(ticker: str) -> None:
    asks = {
        Capability.QUOTES: QuotesAsk(pairs=(Pair(ticker, "USD"),)),
        Capability.CANDLES: CandlesAsk(Pair(ticker, "USD"), "1h"),
        Capability.BOOK: BookAsk(Pair("BTC", ticker)),
        Capability.TRADES: TradesAsk(Pair(ticker, "USD")),
    }
    for capability, ask in asks.items():
        with pytest.raises(NotOffered, match=ticker):
            request(capability, ask)
    # Codes that are a common ticker too keep their own coin: LUNA is LUNA2 here, and LUNC is LUNA.
    assert symbol(Pair("LUNA", "USD")) == "tLUNA2:USD"
    assert symbol(Pair("LUNC", "USD")) == "tLUNA:USD"


def test_quotes_requests_and_filter() -> None:
    ask = QuotesAsk((BTC, Pair("NOPE", "USD")))
    assert request(Capability.QUOTES, QuotesAsk((Pair("DOGE", "USD"),))).params == (("symbols", "tDOGE:USD"),)
    assert request(Capability.QUOTES, ask) == Request("/v2/tickers", (("symbols", "ALL"),))
    assert request(Capability.QUOTES, QuotesAsk()) == Request("/v2/tickers", (("symbols", "ALL"),))
    other = TICKER.replace("tBTCUSD", "tETHUSD")
    assert [q.base for q in parse(Capability.QUOTES, f"[{other},{TICKER}]", ask)] == ["BTC"]


def test_a_symbol_left_out_of_the_answer_is_not_listed() -> None:
    with pytest.raises(SymbolNotListed):
        parse(Capability.QUOTES, "[]", QuotesAsk((BTC,)))
    assert parse(Capability.QUOTES, "[]") == []


def test_candle_columns_newest_first() -> None:
    # t, open, close, high, low, volume
    running = NOW // HOUR * HOUR
    body = f"[[{running},11,10.5,11.5,10,1],[{running - HOUR},10,11,12,9,3.5]]"
    first, last = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h"))
    assert first == (running - HOUR, 10.0, 12.0, 9.0, 11.0, 3.5, None, None, True)
    assert (last.open_ms, last.closed) == (running, False)


def test_candle_requests() -> None:
    path = "/v2/candles/trade:1D:tBTCUSD/hist"
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1d", limit=50_000)) == Request(
        path, (("limit", "10000"),)
    )
    both = request(Capability.CANDLES, CandlesAsk(BTC, "1d", START, START + HOUR, 7))
    assert both.params == (
        ("limit", "7"),
        ("sort", "1"),
        ("start", str(START)),
        ("end", str(START + HOUR - 1)),
    )
    to_end = request(Capability.CANDLES, CandlesAsk(BTC, "1d", None, START, 7))
    assert to_end.params == (("limit", "7"), ("end", str(START - 1)))


def test_candles_outside_the_range_are_cut() -> None:
    body = "[" + ",".join(f"[{START + i * HOUR},1,1,1,1,1]" for i in range(5)) + "]"
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", START + HOUR, START + 3 * HOUR))
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]


def test_book_sides_are_told_by_the_sign() -> None:
    [book] = parse(Capability.BOOK, "[[100,2,0.5],[99,1,1],[98,0,1],[101,1,-2],[102,3,-0.25]]")
    assert book.bids == ((100.0, 0.5), (99.0, 1.0))
    assert book.asks == ((101.0, 2.0), (102.0, 0.25))


def test_a_ticker_cannot_leave_its_place_in_the_path() -> None:
    assert (
        request(Capability.TRADES, TradesAsk(Pair("A/../B", "USD"), 5)).target()
        == "/v2/trades/tA%2F..%2FB:USD/hist?limit=5"
    )


def test_book_trades_and_instruments_requests() -> None:
    assert request(Capability.BOOK, BookAsk(BTC, 50)).target() == "/v2/book/tBTCUSD/P0?len=100"
    assert request(Capability.BOOK, BookAsk(BTC, 5000)).target() == "/v2/book/tBTCUSD/P0?len=250"
    assert (
        request(Capability.TRADES, TradesAsk(BTC, 99_999)).target() == "/v2/trades/tBTCUSD/hist?limit=10000"
    )
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == "/v2/conf/pub:list:pair:exchange"


def test_trade_side_is_the_sign_of_the_amount() -> None:
    first, second = parse(Capability.TRADES, "[[9,1789999999123,0.1,65000],[8,1789999998000,-0.2,64999]]")
    assert first == ("bitfinex", "tBTCUSD", "BTC", "USD", "9", 65000.0, 0.1, "buy", 1789999999123)
    assert (second.size, second.side) == (0.2, "sell")


def test_instruments_are_spot_and_in_common_tickers() -> None:
    body = '[["BTCUSD","DOGE:UST","AAABBB","BTCF0:USTF0","TESTBTC:TESTUSD"]]'
    assert parse(Capability.INSTRUMENTS, body) == [
        ("bitfinex", "tBTCUSD", "BTC", "USD", True),
        ("bitfinex", "tDOGE:UST", "DOGE", "USDT", True),
    ]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ('["error",10020,"symbol: invalid"]', 500, SymbolNotListed),
        ('["error",10020,"limit: invalid"]', 500, UpstreamRejected),
        ('["error",11010,"ratelimit: error"]', 429, UpstreamRateLimited),
        ('["error",20060,"maintenance"]', 500, UpstreamBroken),
        ('["error",10001,"unknown"]', 500, type(None)),
        ('["error",10001,"unknown"]', 200, UpstreamRejected),
        ('["other",10020,"symbol: invalid"]', 500, type(None)),
        ("<html>busy</html>", 503, type(None)),
        ("", 500, type(None)),
    ],
)
def test_errors(body: str, status: int, kind: type) -> None:
    assert type(ADAPTER.explain(reply(body, status))) is kind


@pytest.mark.parametrize("capability", list(ASKS))
def test_an_error_inside_a_200_is_raised(capability: Capability) -> None:
    with pytest.raises(UpstreamRateLimited):
        parse(capability, '["error",11010,"ratelimit: error"]')


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ['[["tBTC', "<html><body>busy</body></html>", "7"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, f"[{TICKER},{TICKER.replace('65000.5', '{}')}]", "$[1][7]"),
        (Capability.QUOTES, '[["tBTCUSD",1,2]]', "$[0]"),
        (Capability.CANDLES, '[[1789999999000,1,1,"x",1,1]]', "$[0][3]"),
        (Capability.BOOK, "[[1,1,null]]", "$[0][2]"),
        (Capability.TRADES, "[[1,[],1,1]]", "$[0][1]"),
        (Capability.INSTRUMENTS, '[["BTCUSD",5]]', "$[0][1]"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
