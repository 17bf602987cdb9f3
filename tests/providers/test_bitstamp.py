from __future__ import annotations

from pathlib import Path

import pytest

from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.bitstamp import ADAPTER
from crypto_dt_source.providers.kit import Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
START = NOW // HOUR * HOUR - 10 * HOUR
BTC = Pair("BTC", "USD")
ASKS = {
    Capability.QUOTES: QuotesAsk((BTC,)),
    Capability.CANDLES: CandlesAsk(BTC, "1m"),
    Capability.BOOK: BookAsk(BTC),
    Capability.TRADES: TradesAsk(BTC),
    Capability.INSTRUMENTS: InstrumentsAsk(),
}


def reply(body: str | bytes, status: int = 200) -> Reply:
    return Reply("bitstamp", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


def row(pair: str = "", **changed: str) -> str:
    fields = {
        "ask": '"65001"', "bid": '"65000"', "high": '"66000"', "last": '"65000.5"', "low": '"64000"',
        "open": '"65100"', "open_24": '"65823.3"', "percent_change_24": '"-1.25"', "side": '"0"',
        "timestamp": '"1789999990"', "volume": '"120.5"', "vwap": '"65010"',
    } | changed  # fmt: skip
    if pair:
        fields["pair"] = f'"{pair}"'
    return "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"


@pytest.mark.parametrize(
    ("name", "capability", "least"),
    [
        ("ticker", Capability.QUOTES, 1),
        ("ohlc", Capability.CANDLES, 10),
        ("order_book", Capability.BOOK, 1),
        ("transactions", Capability.TRADES, 60),
        ("trading_pairs_info", Capability.INSTRUMENTS, 50),
    ],
)
def test_recorded_bodies_become_normal_records(
    wire: Path, name: str, capability: Capability, least: int
) -> None:
    records = parse(capability, (wire / "bitstamp" / f"{name}.json").read_bytes())
    assert len(records) >= least
    assert [violation(r) for r in records] == [None] * len(records)


def test_the_single_ticker_takes_its_pair_from_the_ask() -> None:
    [quote] = parse(Capability.QUOTES, row())
    assert quote == (
        "bitstamp", "btcusd", "BTC", "USD", 65000.5, 65000.0, 65001.0, 120.5, None, -1.25, 66000.0, 64000.0,
        1789999990000, NOW,
    )  # fmt: skip
    assert parse(Capability.QUOTES, row(), QuotesAsk()) == []


def test_the_full_list_names_each_pair_and_nulls_are_absent() -> None:
    dry = row("ETH/EUR", bid="null", ask='"0"', percent_change_24="null")
    first, second = parse(Capability.QUOTES, f"[{row('BTC/USD')},{dry}]", QuotesAsk())
    assert (first.symbol, first.base, first.quote) == ("btcusd", "BTC", "USD")
    assert (second.symbol, second.bid, second.ask, second.change_pct) == ("etheur", None, None, None)


def test_perpetuals_idle_and_priceless_pairs_are_left_out() -> None:
    rows = [
        row("BTC/USD-PERP"),
        row("XYZ"),
        row("OLD/USD", volume='"0.00000000"'),
        row("NEW/USD", last="null"),
        row("NIL/USD", last='"0"'),
        row("SOL/USD"),
    ]
    assert [q.base for q in parse(Capability.QUOTES, f"[{','.join(rows)}]", QuotesAsk())] == ["SOL"]


def test_several_pairs_are_cut_from_the_full_list() -> None:
    ask = QuotesAsk((BTC, Pair("ETH", "USD")))
    assert request(Capability.QUOTES, QuotesAsk((BTC,))) == Request("/api/v2/ticker/btcusd/")
    assert request(Capability.QUOTES, ask) == Request("/api/v2/ticker/")
    assert request(Capability.QUOTES, QuotesAsk()) == Request("/api/v2/ticker/")
    body = f"[{row('BTC/USD')},{row('BTC/EUR')},{row('ETH/USD')}]"
    assert [q.symbol for q in parse(Capability.QUOTES, body, ask)] == ["btcusd", "ethusd"]


def candles(*opens: int) -> str:
    rows = ",".join(
        f'{{"timestamp":"{ms // 1000}","open":"10","high":"12","low":"9","close":"11","volume":"3.5"}}'
        for ms in opens
    )
    return f'{{"data":{{"pair":"BTC/USD","ohlc":[{rows}]}}}}'


def test_candles_are_closed_by_the_clock() -> None:
    running = NOW // HOUR * HOUR
    first, last = parse(Capability.CANDLES, candles(running - HOUR, running), CandlesAsk(BTC, "1h"))
    assert first == (running - HOUR, 10.0, 12.0, 9.0, 11.0, 3.5, None, None, True)
    assert last.closed is False


def test_candle_requests_never_send_both_ends() -> None:
    s = START // 1000
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1h", limit=5000)).target() == (
        "/api/v2/ohlc/btcusd/?step=3600&limit=1000"
    )
    both = request(Capability.CANDLES, CandlesAsk(BTC, "1h", START, START + 3 * HOUR))
    assert both.params == (("step", "3600"), ("start", str(s)), ("limit", "3"))
    from_start = request(Capability.CANDLES, CandlesAsk(BTC, "1d", START, None, 7))
    assert dict(from_start.params)["limit"] == "7"
    assert int(dict(from_start.params)["start"]) % 86400 == 0
    to_end = request(Capability.CANDLES, CandlesAsk(BTC, "1h", None, START, 10))
    assert to_end.params == (("step", "3600"), ("end", str(s - 3600)), ("limit", "10"))


def test_candles_outside_the_range_are_cut() -> None:
    body = candles(*(START + i * HOUR for i in range(5)))
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", START + HOUR, START + 3 * HOUR))
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]


def test_book_time_is_in_microseconds_and_depth_is_cut() -> None:
    body = (
        '{"timestamp":"1789999999","microtimestamp":"1789999999244908",'
        '"bids":[["100","1"],["99","2"],["98","3"]],"asks":[["101","1"]]}'
    )
    [book] = parse(Capability.BOOK, body, BookAsk(BTC, 2))
    assert book.event_ms == 1789999999244
    assert book.bids == ((100.0, 1.0), (99.0, 2.0))
    [old] = parse(Capability.BOOK, '{"timestamp":"1789999999","bids":[],"asks":[["101","1"]]}')
    assert old.event_ms == 1789999999000


def test_trade_sides_seconds_and_limit() -> None:
    body = (
        '[{"date":"1789999999","tid":"9","price":"65000","type":"0","amount":"0.1"},'
        '{"date":"1789999998","tid":"8","price":"64999","type":"1","amount":"0.2"},'
        '{"date":"1789999997","tid":"7","price":"64998","type":"1","amount":"0.3"}]'
    )
    first, second = parse(Capability.TRADES, body, TradesAsk(BTC, 2))
    assert first == ("bitstamp", "btcusd", "BTC", "USD", "9", 65000.0, 0.1, "buy", 1789999999000)
    assert second.side == "sell"


def test_a_ticker_cannot_leave_its_place_in_the_path() -> None:
    assert (
        request(Capability.BOOK, BookAsk(Pair("A/../B", "USD"))).target()
        == "/api/v2/order_book/a%2F..%2Fbusd/"
    )


def test_book_trades_and_instruments_requests() -> None:
    assert request(Capability.BOOK, BookAsk(BTC)).target() == "/api/v2/order_book/btcusd/"
    assert request(Capability.TRADES, TradesAsk(BTC)).target() == "/api/v2/transactions/btcusd/?time=hour"
    assert (
        request(Capability.TRADES, TradesAsk(BTC, 2000)).target() == "/api/v2/transactions/btcusd/?time=day"
    )
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == "/api/v2/trading-pairs-info/"


def test_instruments_say_whether_they_trade() -> None:
    body = (
        '[{"name":"BTC/USD","url_symbol":"btcusd","trading":"Enabled"},'
        '{"name":"OLD/EUR","url_symbol":"oldeur","trading":"Disabled"},'
        '{"name":"BTC/USD-PERP","url_symbol":"btcusd-perp","trading":"Enabled"}]'
    )
    assert parse(Capability.INSTRUMENTS, body) == [
        ("bitstamp", "btcusd", "BTC", "USD", True),
        ("bitstamp", "oldeur", "OLD", "EUR", False),
    ]


@pytest.mark.parametrize("body", ["<html>Not found</html>", "", '{"status":"error","reason":"no such pair"}'])
def test_404_is_an_unlisted_pair_whatever_the_body(body: str) -> None:
    assert type(ADAPTER.explain(reply(body, 404))) is SymbolNotListed


def test_other_errors() -> None:
    limited = '{"status":"error","reason":"Request rate limit exceeded.","code":"400.002"}'
    assert type(ADAPTER.explain(reply(limited, 400))) is UpstreamRateLimited
    wrong = '{"status":"error","reason":{"limit":["too big"]},"code":"API0000"}'
    assert ADAPTER.explain(reply(wrong, 400)) is None
    assert type(ADAPTER.explain(reply(wrong, 200))) is UpstreamRejected
    assert ADAPTER.explain(reply("<html>", 403)) is None
    assert ADAPTER.explain(reply(b"\xff", 500)) is None


def test_an_error_inside_a_200_is_raised() -> None:
    with pytest.raises(UpstreamRateLimited):
        parse(Capability.BOOK, '{"status":"error","reason":"Request rate limit exceeded."}')


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ['{"data":{"oh', "<html><body>busy</body></html>", "7"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, row(last='"abc"'), "$.last"),
        (Capability.QUOTES, f"[{row('BTC/USD')},{row('ETH/USD', volume='[]')}]", "$[1].volume"),
        (Capability.CANDLES, candles(START).replace('"12"', "null"), "$.data.ohlc[0].high"),
        (Capability.BOOK, '{"timestamp":"1","bids":[["a","1"]],"asks":[]}', "$.bids[0][0]"),
        (Capability.TRADES, '[{"date":"x","tid":"1","price":"1","type":"0","amount":"1"}]', "$[0].date"),
        (Capability.INSTRUMENTS, '[{"name":null,"url_symbol":"a","trading":"Enabled"}]', "$[0].name"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
