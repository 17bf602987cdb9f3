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
from crypto_dt_source.providers.adapters.gemini import ADAPTER, split_all
from crypto_dt_source.providers.kit import Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
START = NOW // HOUR * HOUR - 10 * HOUR
BTC = Pair("BTC", "USD")
ASKS = {
    Capability.QUOTES: QuotesAsk((BTC,)),
    Capability.CANDLES: CandlesAsk(BTC, "1h"),
    Capability.BOOK: BookAsk(BTC),
    Capability.TRADES: TradesAsk(BTC),
    Capability.INSTRUMENTS: InstrumentsAsk(),
}


def reply(body: str | bytes, status: int = 200) -> Reply:
    return Reply("gemini", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


def price(pair: str, last: str = '"65000.5"', change: str = '"0.0125"') -> str:
    return f'{{"pair":"{pair}","price":{last},"percentChange24h":{change}}}'


@pytest.mark.parametrize(
    ("name", "capability", "least"),
    [
        ("pubticker", Capability.QUOTES, 1),
        ("book", Capability.BOOK, 1),
        ("trades", Capability.TRADES, 60),
        ("symbols", Capability.INSTRUMENTS, 50),
        ("symbol_details", Capability.INSTRUMENTS, 1),
    ],
)
def test_recorded_bodies_become_normal_records(
    wire: Path, name: str, capability: Capability, least: int
) -> None:
    records = parse(capability, (wire / "gemini" / f"{name}.json").read_bytes())
    assert len(records) >= least
    assert [violation(r) for r in records] == [None] * len(records)


def test_the_price_feed_has_no_volume_and_its_change_is_a_fraction() -> None:
    [quote] = parse(Capability.QUOTES, f"[{price('BTCUSD')}]", QuotesAsk())
    assert quote == (
        "gemini", "BTCUSD", "BTC", "USD", 65000.5, None, None, None, None, 1.25, None, None, None, NOW,
    )  # fmt: skip


def test_the_price_feed_leaves_out_perpetuals_and_rows_without_a_price() -> None:
    rows = [
        price("BTCGUSDPERP"),
        price("BTCUSDCPERP"),
        price("GEMI-BTC-UP"),
        price("XRPUSD", "null"),
        price("LTCUSD", '"0"'),
        price("SOLUSD", change="null"),
    ]
    [quote] = parse(Capability.QUOTES, f"[{','.join(rows)}]", QuotesAsk())
    assert (quote.base, quote.change_pct) == ("SOL", None)


def test_a_g_before_usd_belongs_to_the_quote_only_for_a_listed_base() -> None:
    names = ["BTCUSD", "BTCGUSD", "PAXGUSD", "GUSDUSD", "XRPRLUSD", "ethbtc", "EFILFIL", "USDCUSD", "SOLUSDT"]
    assert [str(pair) for pair in split_all(names)] == [
        "BTC/USD", "BTC/GUSD", "PAXG/USD", "GUSD/USD", "XRP/RLUSD", "ETH/BTC", "EFIL/FIL", "USDC/USD", "SOL/USDT",
    ]  # fmt: skip


def test_the_single_ticker_has_volumes_by_currency() -> None:
    body = (
        '{"bid":"65000","ask":"65001","last":"65000.5",'
        '"volume":{"BTC":"915.5","USD":"59508000.25","timestamp":1789999800000}}'
    )
    [quote] = parse(Capability.QUOTES, body)
    assert quote == (
        "gemini", "btcusd", "BTC", "USD", 65000.5, 65000.0, 65001.0, 915.5, 59508000.25, None, None, None, None, NOW,
    )  # fmt: skip
    assert parse(Capability.QUOTES, body, QuotesAsk()) == []


def test_the_single_ticker_without_trades_or_without_price_is_no_quote() -> None:
    assert parse(Capability.QUOTES, '{"last":"1","volume":{"BTC":"0","USD":"0","timestamp":1}}') == []
    assert parse(Capability.QUOTES, '{"last":null,"volume":{}}') == []
    [quote] = parse(Capability.QUOTES, '{"last":"1","bid":null,"ask":"0"}')
    assert quote[5:9] == (None, None, None, None)


def test_quotes_requests_and_filter() -> None:
    ask = QuotesAsk((BTC, Pair("ETH", "USD")))
    assert request(Capability.QUOTES, QuotesAsk((BTC,))) == Request("/v1/pubticker/btcusd")
    assert request(Capability.QUOTES, ask) == Request("/v1/pricefeed")
    assert request(Capability.QUOTES, QuotesAsk()) == Request("/v1/pricefeed")
    body = f"[{price('BTCUSD')},{price('SOLUSD')},{price('ETHUSD')}]"
    assert [q.base for q in parse(Capability.QUOTES, body, ask)] == ["BTC", "ETH"]


def test_candles_come_newest_first_in_a_fixed_window() -> None:
    running = NOW // HOUR * HOUR
    body = "[" + ",".join(f"[{running - i * HOUR},10,12,9,11,3.5]" for i in range(6)) + "]"
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", limit=2))
    assert [(c.open_ms, c.closed) for c in rows] == [(running - HOUR, True), (running, False)]
    assert rows[0] == (running - HOUR, 10.0, 12.0, 9.0, 11.0, 3.5, None, None, True)
    cut = CandlesAsk(BTC, "1h", running - 4 * HOUR, running - HOUR, 2)
    assert [c.open_ms for c in parse(Capability.CANDLES, body, cut)] == [
        running - 4 * HOUR,
        running - 3 * HOUR,
    ]


def test_candle_requests_have_no_range() -> None:
    plain = Request("/v2/candles/btcusd/1hr")
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1h")) == plain
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1h", START, NOW, 5)) == plain
    endpoint = ADAPTER.endpoints[Capability.CANDLES]
    assert endpoint.window is False
    assert "1d" not in endpoint.intervals


def test_book_levels_are_objects() -> None:
    body = (
        '{"bids":[{"price":"100","amount":"0.5","timestamp":"1789999999"}],'
        '"asks":[{"price":"101","amount":"2","timestamp":"1789999999"}]}'
    )
    [book] = parse(Capability.BOOK, body)
    assert (book.symbol, book.bids, book.asks, book.event_ms) == (
        "btcusd",
        ((100.0, 0.5),),
        ((101.0, 2.0),),
        None,
    )


def test_trades_use_ms_and_auctions_have_no_taker() -> None:
    def trade(tid: int, kind: str, broken: str = "false") -> str:
        return (
            f'{{"timestamp":1789999999,"timestampms":1789999999123,"tid":{tid},"price":"65000","amount":"0.1",'
            f'"exchange":"gemini","type":"{kind}","broken":{broken}}}'
        )

    rows = parse(
        Capability.TRADES,
        f"[{trade(9, 'sell')},{trade(8, 'auction')},{trade(7, 'buy', 'true')},{trade(6, 'buy')}]",
    )
    assert rows[0] == ("gemini", "btcusd", "BTC", "USD", "9", 65000.0, 0.1, "sell", 1789999999123)
    assert [(t.trade_id, t.side) for t in rows[1:]] == [("8", None), ("6", "buy")]


def test_a_ticker_cannot_leave_its_place_in_the_path() -> None:
    assert (
        request(Capability.TRADES, TradesAsk(Pair("A/../B", "USD"), 5)).target()
        == "/v1/trades/a%2F..%2Fbusd?limit_trades=5"
    )


def test_book_trades_and_instruments_requests() -> None:
    assert (
        request(Capability.BOOK, BookAsk(BTC, 20)).target() == "/v1/book/btcusd?limit_bids=20&limit_asks=20"
    )
    assert request(Capability.TRADES, TradesAsk(BTC, 999)).target() == "/v1/trades/btcusd?limit_trades=500"
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == "/v1/symbols/details/all"


def test_instruments_with_details_and_as_bare_names() -> None:
    body = (
        '[{"symbol":"BTCUSD","base_currency":"BTC","quote_currency":"USD","status":"open","product_type":"spot"},'
        '{"symbol":"OLDUSD","base_currency":"OLD","quote_currency":"USD","status":"closed","product_type":"spot"},'
        '{"symbol":"BTCGUSDPERP","base_currency":"BTC","quote_currency":"GUSD","status":"open","product_type":"swap"}]'
    )
    assert parse(Capability.INSTRUMENTS, body) == [
        ("gemini", "btcusd", "BTC", "USD", True),
        ("gemini", "oldusd", "OLD", "USD", False),
    ]
    assert parse(Capability.INSTRUMENTS, '["btcusd","btcgusd","btcgusdperp"]') == [
        ("gemini", "btcusd", "BTC", "USD", True),
        ("gemini", "btcgusd", "BTC", "GUSD", True),
    ]


@pytest.mark.parametrize(
    ("reason", "message", "status", "kind"),
    [
        ("InvalidSymbol", "", 400, SymbolNotListed),
        ("Bad Request", "Supplied value 'x' is not a valid symbol", 400, SymbolNotListed),
        ("RateLimit", "slow down", 429, UpstreamRateLimited),
        ("Maintenance", "back soon", 503, UpstreamBroken),
        ("EndpointNotFound", "no", 404, type(None)),
        ("EndpointNotFound", "no", 200, UpstreamRejected),
    ],
)
def test_errors(reason: str, message: str, status: int, kind: type) -> None:
    body = f'{{"result":"error","reason":"{reason}","message":"{message}"}}'
    assert type(ADAPTER.explain(reply(body, status))) is kind


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b'{"result":"ok"}'])
def test_other_error_bodies_are_left_to_the_status(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize("capability", list(ASKS))
def test_an_error_inside_a_200_is_raised(capability: Capability) -> None:
    with pytest.raises(SymbolNotListed):
        parse(capability, '{"result":"error","reason":"InvalidSymbol","message":"x"}')


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ["[", '{"bid', "<html><body>busy</body></html>", "7"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, f"[{price('BTCUSD')},{price('ETHUSD', '{}')}]", "$[1].price"),
        (Capability.QUOTES, '{"last":"x"}', "$.last"),
        (Capability.CANDLES, '[[1789999999000,1,"x",1,1,1]]', "$[0][2]"),
        (Capability.BOOK, '{"bids":[{"price":"1"}],"asks":[]}', "$.bids[0]"),
        (Capability.TRADES, '[{"timestampms":"x","tid":1,"price":"1","amount":"1"}]', "$[0].timestampms"),
        (Capability.INSTRUMENTS, '["btcusd",5]', "$[1]"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
