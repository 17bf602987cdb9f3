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
from crypto_dt_source.providers.adapters.crypto_com import ADAPTER
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
    return Reply("crypto_com", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


def envelope(*rows: str) -> str:
    return f'{{"id":-1,"method":"public/x","code":0,"result":{{"data":[{",".join(rows)}]}}}}'


def ticker(name: str, **changed: str) -> str:
    fields = {
        "h": '"66000"', "l": '"64000"', "a": '"65000.5"', "v": '"120.5"', "vv": '"7832560.25"', "oi": '"0"',
        "c": '"-0.0125"', "b": '"65000"', "k": '"65001"', "t": "1789999990768",
    } | changed  # fmt: skip
    return f'{{"i":"{name}",' + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("get_candlestick", Capability.CANDLES),
        ("get_book", Capability.BOOK),
        ("get_trades", Capability.TRADES),
    ],
)
def test_recorded_bodies_become_normal_records(wire: Path, name: str, capability: Capability) -> None:
    records = parse(capability, (wire / "crypto_com" / f"{name}.json").read_bytes())
    assert records
    assert [violation(r) for r in records] == [None] * len(records)


def test_the_recorded_ticker_is_a_perpetual_and_no_spot_quote(wire: Path) -> None:
    body = (wire / "crypto_com" / "get_tickers.json").read_bytes()
    assert parse(Capability.QUOTES, body) == []
    [quote] = parse(Capability.QUOTES, body.replace(b"BTCUSD-PERP", b"BTC_USD"))
    assert violation(quote) is None
    assert quote.price == 51174.5


def test_single_letter_keys_and_change_from_a_fraction() -> None:
    [quote] = parse(Capability.QUOTES, envelope(ticker("BTC_USD")))
    assert quote == (
        "crypto_com", "BTC_USD", "BTC", "USD", 65000.5, 65000.0, 65001.0, 120.5, 7832560.25, -1.25, 66000.0, 64000.0,
        1789999990768, NOW,
    )  # fmt: skip


def test_dollar_volume_is_the_quote_volume_of_dollar_pairs_alone() -> None:
    [quote] = parse(Capability.QUOTES, envelope(ticker("ETH_BTC")))
    assert quote.quote_volume is None
    assert quote.base_volume == 120.5


def test_derivatives_nulls_and_idle_pairs() -> None:
    body = envelope(
        ticker("BTCUSD-PERP"),
        ticker("BTCUSD-270326"),
        ticker("BTCUSD-INDEX"),
        ticker("NEW_USD", a="null", h="null", l="null", c="null"),
        ticker("OLD_USD", v='"0"'),
        ticker("NIL_USD", a='"0"'),
        ticker("SOL_USD", b="null", k='"0"', c="null", t="null"),
    )
    [quote] = parse(Capability.QUOTES, body)
    assert (quote.base, quote.bid, quote.ask, quote.change_pct, quote.event_ms) == (
        "SOL",
        None,
        None,
        None,
        None,
    )


def test_quotes_requests_and_filter() -> None:
    ask = QuotesAsk((BTC, Pair("ETH", "USD")))
    path = "/exchange/v1/public/get-tickers"
    assert request(Capability.QUOTES, QuotesAsk((BTC,))).target() == f"{path}?instrument_name=BTC_USDT"
    assert request(Capability.QUOTES, ask) == Request(path)
    assert request(Capability.QUOTES, QuotesAsk()) == Request(path)
    body = envelope(ticker("BTC_USDT"), ticker("BTC_USD"), ticker("ETH_USD"))
    assert [q.symbol for q in parse(Capability.QUOTES, body, ask)] == ["BTC_USDT", "ETH_USD"]


def candle(open_ms: int) -> str:
    return f'{{"o":"10","h":"12","l":"9","c":"11","v":"3.5","t":{open_ms}}}'


def test_candles_are_objects_closed_by_the_clock() -> None:
    running = NOW // HOUR * HOUR
    body = envelope(candle(running), candle(running - HOUR))
    first, last = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h"))
    assert first == (running - HOUR, 10.0, 12.0, 9.0, 11.0, 3.5, None, None, True)
    assert last.closed is False


def test_candle_requests_ask_one_ms_more_on_both_sides() -> None:
    path = "/exchange/v1/public/get-candlestick"
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1d", limit=5000)).target() == (
        f"{path}?instrument_name=BTC_USDT&timeframe=1D&count=300"
    )
    six_hours = request(Capability.CANDLES, CandlesAsk(BTC, "6h", limit=2)).target()
    assert six_hours == f"{path}?instrument_name=BTC_USDT&timeframe=6h&count=2"
    both = request(Capability.CANDLES, CandlesAsk(BTC, "1h", START, START + 3 * HOUR, 50))
    assert both.params[2:] == (
        ("count", "50"),
        ("start_ts", str(START - 1)),
        ("end_ts", str(START + 2 * HOUR + 1)),
    )
    from_start = dict(request(Capability.CANDLES, CandlesAsk(BTC, "1h", START, None, 5)).params)
    assert (from_start["start_ts"], from_start["end_ts"]) == (str(START - 1), str(START + 4 * HOUR + 1))
    to_end = dict(request(Capability.CANDLES, CandlesAsk(BTC, "1h", None, START, 5)).params)
    assert (to_end["start_ts"], to_end["end_ts"]) == (str(START - 5 * HOUR - 1), str(START - HOUR + 1))


def test_candles_outside_the_range_are_cut() -> None:
    body = envelope(*(candle(START + i * HOUR) for i in range(5)))
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", START + HOUR, START + 3 * HOUR))
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]


def test_book_levels_have_an_order_count() -> None:
    levels = '{"bids":[["100","0.5","3"]],"asks":[["101","2","1"],["102","1","1"]],"t":1789999999123}'
    [book] = parse(Capability.BOOK, envelope(levels))
    assert (book.bids, book.asks[0], book.event_ms) == (((100.0, 0.5),), (101.0, 2.0), 1789999999123)
    assert parse(Capability.BOOK, envelope()) == []


def test_trades_are_in_ms_not_ns() -> None:
    body = envelope(
        '{"d":"15281981878","t":1789999999123,"tn":"1789999999123523623","q":"0.1","p":"65000","s":"SELL","i":"BTC_USDT"}',
        '{"d":2552833547970376700,"t":1789999999000,"q":0.2,"p":65001,"s":"BUY","i":"BTC_USDT"}',
    )
    first, second = parse(Capability.TRADES, body)
    assert first == (
        "crypto_com", "BTC_USDT", "BTC", "USDT", "15281981878", 65000.0, 0.1, "sell", 1789999999123,
    )  # fmt: skip
    assert (second.trade_id, second.side) == ("2552833547970376700", "buy")


def test_book_trades_and_instruments_requests() -> None:
    base = "/exchange/v1/public"
    assert (
        request(Capability.BOOK, BookAsk(BTC, 20)).target()
        == f"{base}/get-book?instrument_name=BTC_USDT&depth=20"
    )
    assert dict(request(Capability.BOOK, BookAsk(BTC, 999)).params)["depth"] == "150"
    assert request(Capability.TRADES, TradesAsk(BTC, 999)).target() == (
        f"{base}/get-trades?instrument_name=BTC_USDT&count=150"
    )
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == f"{base}/get-instruments"


def test_instruments_are_spot_pairs() -> None:
    body = envelope(
        '{"symbol":"BTC_USDT","inst_type":"CCY_PAIR","base_ccy":"BTC","quote_ccy":"USDT","tradable":true}',
        '{"symbol":"OLD_USD","inst_type":"CCY_PAIR","base_ccy":"OLD","quote_ccy":"USD","tradable":false}',
        '{"symbol":"BTCUSD-PERP","inst_type":"PERPETUAL_SWAP","base_ccy":"BTC","quote_ccy":"USD","tradable":true}',
    )
    assert parse(Capability.INSTRUMENTS, body) == [
        ("crypto_com", "BTC_USDT", "BTC", "USDT", True),
        ("crypto_com", "OLD_USD", "OLD", "USD", False),
    ]


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        (40004, "Invalid instrument_name", 400, SymbolNotListed),
        (40004, "Invalid depth", 400, type(None)),
        (40004, "Invalid depth", 200, UpstreamRejected),
        (30003, "SYMBOL_NOT_FOUND", 200, SymbolNotListed),
        (42901, "TOO_MANY_REQUESTS", 429, UpstreamRateLimited),
        (10001, "SYS_ERROR", 200, UpstreamBroken),
        (0, "", 200, type(None)),
    ],
)
def test_error_codes(code: int, message: str, status: int, kind: type) -> None:
    assert type(ADAPTER.explain(reply(f'{{"code":{code},"message":"{message}"}}', status))) is kind


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b'{"timestamp":"x","status":404}'])
def test_other_error_bodies_are_left_to_the_status(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize("capability", list(ASKS))
def test_an_error_inside_a_200_is_raised(capability: Capability) -> None:
    with pytest.raises(UpstreamRateLimited):
        parse(capability, '{"id":-1,"method":"public/x","code":42901,"message":"TOO_MANY_REQUESTS"}')


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ['{"id":-1,', "<html><body>busy</body></html>", "7", "[]"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, envelope(ticker("A_USD"), ticker("B_USD", a='"x"')), "$.result.data[1].a"),
        (Capability.CANDLES, envelope(candle(START).replace('"12"', "null")), "$.result.data[0].h"),
        (Capability.BOOK, envelope('{"bids":[["1"]],"asks":[]}'), "$.result.data[0].bids[0]"),
        (Capability.TRADES, envelope('{"d":"1","t":[],"q":"1","p":"1","s":"BUY"}'), "$.result.data[0].t"),
        (Capability.INSTRUMENTS, envelope('{"symbol":5}'), "$.result.data[0].symbol"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
