from __future__ import annotations

from pathlib import Path

import pytest

from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.htx import ADAPTER
from crypto_dt_source.providers.kit import Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
START = NOW // HOUR * HOUR - 10 * HOUR
BTC = Pair("BTC", "USDT")
ASKS = {
    Capability.QUOTES: QuotesAsk(),
    Capability.CANDLES: CandlesAsk(BTC, "5m"),
    Capability.BOOK: BookAsk(BTC),
    Capability.TRADES: TradesAsk(BTC),
    Capability.INSTRUMENTS: InstrumentsAsk(),
}


def reply(body: str | bytes, status: int = 200) -> Reply:
    return Reply("htx", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


def ticker(name: str, **changed: str) -> str:
    fields = {
        "open": "65823", "high": "66000", "low": "64000", "close": "65000.5", "amount": "120.5", "vol": "7832560.25",
        "count": "41", "bid": "65000", "bidSize": "1", "ask": "65001", "askSize": "2",
    } | changed  # fmt: skip
    return f'{{"symbol":"{name}",' + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"


def listing(*rows: str) -> str:
    return f'{{"status":"ok","ts":1789999999999,"data":[{",".join(rows)}]}}'


def merged(tick: str, name: str = "btcusdt") -> str:
    return f'{{"ch":"market.{name}.detail.merged","status":"ok","ts":1789999999999,"tick":{{{tick}}}}}'


TICK = (
    '"amount":120.5,"open":50000.0,"close":65000.0,"high":66000,"low":49000,"id":1,"count":41,"vol":7832560.25,'
    '"bid":[64999.5,1.5],"ask":[65000.5,2]'
)


@pytest.mark.parametrize(
    ("name", "capability", "least"),
    [
        ("tickers", Capability.QUOTES, 28),
        ("merged", Capability.QUOTES, 1),
        ("kline", Capability.CANDLES, 2),
        ("depth", Capability.BOOK, 1),
        ("history_trade", Capability.TRADES, 60),
        ("symbols", Capability.INSTRUMENTS, 60),
    ],
)
def test_recorded_bodies_become_normal_records(
    wire: Path, name: str, capability: Capability, least: int
) -> None:
    records = parse(capability, (wire / "htx" / f"{name}.json").read_bytes())
    assert len(records) >= least
    assert [violation(r) for r in records] == [None] * len(records)


def test_the_full_list_has_no_24_h_open_high_or_low() -> None:
    # They are of the Singapore day there.
    [quote] = parse(Capability.QUOTES, listing(ticker("btcusdt")))
    assert quote == (
        "htx", "btcusdt", "BTC", "USDT", 65000.5, 65000.0, 65001.0, 120.5, 7832560.25, None, None, None, None, NOW,
    )  # fmt: skip


def test_exponents_nulls_and_rows_that_are_no_quote() -> None:
    body = listing(
        ticker("iosteth", close="2.393E-5", bid="null", ask="0"),
        ticker("oldusdt", count="0"),
        ticker("newusdt", close="null", amount="null", vol="null"),
        ticker("nilusdt", close="0.0"),
        ticker("odd"),
    )
    [quote] = parse(Capability.QUOTES, body)
    assert (quote.base, quote.quote, quote.price) == ("IOST", "ETH", 2.393e-5)
    assert (quote.bid, quote.ask) == (None, None)


def test_the_merged_ticker_is_of_24_h() -> None:
    [quote] = parse(Capability.QUOTES, merged(TICK), QuotesAsk((BTC,)))
    assert quote[:9] == ("htx", "btcusdt", "BTC", "USDT", 65000.0, 64999.5, 65000.5, 120.5, 7832560.25)
    assert quote.change_pct == pytest.approx(30.0)
    assert quote[10:] == (66000.0, 49000.0, None, NOW)


def test_the_merged_ticker_names_its_pair_and_sides_may_be_null() -> None:
    tick = TICK.replace("[64999.5,1.5]", "null").replace('"open":50000.0,', "")
    [quote] = parse(Capability.QUOTES, merged(tick, "ethbtc"))
    assert (quote.base, quote.quote, quote.bid, quote.change_pct) == ("ETH", "BTC", None, None)
    assert parse(Capability.QUOTES, merged(TICK, "ethbtc"), QuotesAsk((BTC,))) == []
    assert parse(Capability.QUOTES, merged(TICK.replace('"count":41', '"count":0'))) == []


def test_quotes_requests_and_filter() -> None:
    ask = QuotesAsk((BTC, Pair("ETH", "BTC")))
    assert request(Capability.QUOTES, QuotesAsk((BTC,))).target() == "/market/detail/merged?symbol=btcusdt"
    assert request(Capability.QUOTES, ask) == Request("/market/tickers")
    assert request(Capability.QUOTES, QuotesAsk()) == Request("/market/tickers")
    body = listing(ticker("btcusdt"), ticker("xrpbtc"), ticker("ethbtc"))
    assert [q.symbol for q in parse(Capability.QUOTES, body, ask)] == ["btcusdt", "ethbtc"]


def kline(open_ms: int) -> str:
    return f'{{"id":{open_ms // 1000},"open":10,"close":11,"low":9,"high":12,"amount":3.5,"vol":37.25,"count":8}}'


def test_klines_are_newest_first_in_seconds() -> None:
    running = NOW // HOUR * HOUR
    body = listing(kline(running), kline(running - HOUR))
    first, last = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h"))
    assert first == (running - HOUR, 10.0, 12.0, 9.0, 11.0, 3.5, 37.25, 8, True)
    assert (last.open_ms, last.closed) == (running, False)


def test_a_range_is_cut_from_the_newest_rows() -> None:
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1h", limit=7)).target() == (
        "/market/history/kline?symbol=btcusdt&period=60min&size=7"
    )
    ranged = request(Capability.CANDLES, CandlesAsk(BTC, "4h", START, None, 7))
    assert ranged.params == (("symbol", "btcusdt"), ("period", "4hour"), ("size", "2000"))
    assert dict(request(Capability.CANDLES, CandlesAsk(BTC, "1m", None, START, 7)).params)["size"] == "2000"
    body = listing(*(kline(START - i * HOUR) for i in range(6)))
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", START - 4 * HOUR, START - HOUR, 2))
    assert [c.open_ms for c in rows] == [START - 4 * HOUR, START - 3 * HOUR]


def test_singapore_days_and_weeks_are_not_offered() -> None:
    endpoint = ADAPTER.endpoints[Capability.CANDLES]
    assert not {"1d", "1w", "12h"} & set(endpoint.intervals)
    assert endpoint.window is False


def test_book_takes_its_own_time() -> None:
    body = '{"status":"ok","ts":1789999999999,"tick":{"bids":[[100,0.5],[99,1]],"asks":[[1.01e2,2]],"ts":1789999999123}}'
    [book] = parse(Capability.BOOK, body)
    assert (book.bids[0], book.asks, book.event_ms) == ((100.0, 0.5), ((101.0, 2.0),), 1789999999123)


def trade(ident: str, extra: str = "", side: str = "sell") -> str:
    return f'{{"amount":0.1,"ts":1789999999123,"id":{ident},{extra}"price":65000,"direction":"{side}"}}'


def test_trades_are_grouped_and_their_ids_pass_64_bits() -> None:
    body = listing(
        f'{{"id":1,"ts":1789999999123,"data":[{trade("10053870590733152449666")},{trade("5", chr(34) + "trade-id" + chr(34) + ":77,")}]}}',
        f'{{"id":2,"ts":1789999999123,"data":[{trade("1.0003317158754671e+22", side="buy")},{trade("4")}]}}',
    )
    rows = parse(Capability.TRADES, body, TradesAsk(BTC, 3))
    assert rows[0] == (
        "htx", "btcusdt", "BTC", "USDT", "10053870590733152449666", 65000.0, 0.1, "sell", 1789999999123,
    )  # fmt: skip
    assert [(t.trade_id, t.side) for t in rows[1:]] == [("77", "sell"), (None, "buy")]


def test_book_trades_and_instruments_requests() -> None:
    assert request(Capability.BOOK, BookAsk(BTC, 20)).target() == (
        "/market/depth?symbol=btcusdt&type=step0&depth=20"
    )
    assert request(Capability.BOOK, BookAsk(BTC, 50)).target() == "/market/depth?symbol=btcusdt&type=step0"
    assert request(Capability.TRADES, TradesAsk(BTC, 9999)).target() == (
        "/market/history/trade?symbol=btcusdt&size=2000"
    )
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == "/v1/common/symbols"


def test_instruments_say_whether_they_trade() -> None:
    body = listing(
        '{"base-currency":"btc","quote-currency":"usdt","symbol":"btcusdt","state":"online"}',
        '{"base-currency":"old","quote-currency":"husd","symbol":"oldhusd","state":"offline"}',
    )
    assert parse(Capability.INSTRUMENTS, body) == [
        ("htx", "btcusdt", "BTC", "USDT", True),
        ("htx", "oldhusd", "OLD", "HUSD", False),
    ]


def failure(code: str, message: str) -> str:
    return f'{{"ts":1789999999999,"status":"error","err-code":"{code}","err-msg":"{message}","data":null}}'


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("invalid-parameter", "invalid symbol", 200, SymbolNotListed),
        ("base-symbol-error", "The symbol is invalid", 200, SymbolNotListed),
        ("invalid-parameter", "invalid period", 200, UpstreamRejected),
        ("invalid-parameter", "invalid period", 400, type(None)),
        ("too-many-requests", "slow down", 429, UpstreamRateLimited),
        ("system-busy", "busy", 200, UpstreamBroken),
    ],
)
def test_error_codes(code: str, message: str, status: int, kind: type) -> None:
    assert type(ADAPTER.explain(reply(failure(code, message), status))) is kind


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b'{"status":"ok"}'])
def test_other_error_bodies_are_left_to_the_status(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize("capability", list(ASKS))
def test_an_error_inside_a_200_is_raised(capability: Capability) -> None:
    with pytest.raises(SymbolNotListed):
        parse(capability, failure("invalid-parameter", "invalid symbol"))


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ['{"status":"ok",', "<html><body>busy</body></html>", "7", "[]"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, listing(ticker("btcusdt"), ticker("ethusdt", close="{}")), "$.data[1].close"),
        (Capability.QUOTES, merged(TICK.replace("65000.0", '"x"')), "$.tick.close"),
        (Capability.CANDLES, listing(kline(START).replace("12", "null")), "$.data[0].high"),
        (Capability.BOOK, '{"status":"ok","tick":{"bids":[[1]],"asks":[]}}', "$.tick.bids[0]"),
        (Capability.TRADES, listing('{"data":[{"ts":"x"}]}'), "$.data[0].data[0].ts"),
        (Capability.INSTRUMENTS, listing('{"symbol":5}'), "$.data[0].symbol"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
