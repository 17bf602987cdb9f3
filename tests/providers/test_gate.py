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
from crypto_dt_source.providers.adapters.gate import ADAPTER
from crypto_dt_source.providers.kit import Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
START = 1_789_999_200_000 // HOUR * HOUR
BTC = Pair("BTC", "USDT")
ASKS = {
    Capability.QUOTES: QuotesAsk(),
    Capability.CANDLES: CandlesAsk(BTC, "30m"),
    Capability.BOOK: BookAsk(BTC),
    Capability.TRADES: TradesAsk(BTC),
    Capability.INSTRUMENTS: InstrumentsAsk(),
}


def reply(body: str | bytes, status: int = 200) -> Reply:
    return Reply("gate", status, body.encode() if isinstance(body, str) else body, NOW)


def parse(capability: Capability, body: str | bytes, ask: object | None = None) -> list:
    return list(ADAPTER.endpoints[capability].parse(reply(body), ask or ASKS[capability]))


def request(capability: Capability, ask: object) -> Request:
    return ADAPTER.endpoints[capability].request(ask)


def row(pair: str = "BTC_USDT", **changed: str) -> str:
    fields = {
        "currency_pair": pair,
        "last": "65000.5",
        "lowest_ask": "65001",
        "highest_bid": "65000",
        "change_percentage": "-1.25",
        "base_volume": "120.5",
        "quote_volume": "7832560.25",
        "high_24h": "66000",
        "low_24h": "64000",
        "etf_net_value": "2.4",
    } | changed
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in fields.items()) + "}"


@pytest.mark.parametrize(
    ("name", "capability", "least"),
    [
        ("tickers", Capability.QUOTES, 1),
        ("candlesticks", Capability.CANDLES, 1),
        ("order_book", Capability.BOOK, 1),
        ("trades", Capability.TRADES, 1),
        ("currency_pairs", Capability.INSTRUMENTS, 60),
    ],
)
def test_recorded_bodies_become_normal_records(
    wire: Path, name: str, capability: Capability, least: int
) -> None:
    records = parse(capability, (wire / "gate" / f"{name}.json").read_bytes())
    assert len(records) >= least
    assert [violation(r) for r in records] == [None] * len(records)


def test_recorded_errors_are_unlisted_symbols(wire: Path) -> None:
    for name in ("error_400_invalid_currency", "error_400_invalid_pair"):
        error = ADAPTER.explain(reply((wire / "gate" / f"{name}.json").read_bytes(), 400))
        assert type(error) is SymbolNotListed


def test_ticker_numbers_are_text_and_change_is_percent() -> None:
    [quote] = parse(Capability.QUOTES, f"[{row()}]")
    assert quote == (
        "gate", "BTC_USDT", "BTC", "USDT", 65000.5, 65000.0, 65001.0, 120.5, 7832560.25, -1.25, 66000.0, 64000.0,
        None, NOW,
    )  # fmt: skip


def test_empty_text_is_absent_and_spoils_no_other_row() -> None:
    body = f"[{row(lowest_ask='', highest_bid='', change_percentage='', high_24h='')},{row('ETH_USDT')}]"
    first, second = parse(Capability.QUOTES, body)
    assert (first.bid, first.ask, first.change_pct, first.high, first.low) == (
        None,
        None,
        None,
        None,
        64000.0,
    )
    assert second.base == "ETH"
    [spaced] = parse(Capability.QUOTES, f"[{row(lowest_ask='')}]".replace(":", ": "))
    assert spaced.ask is None


def test_zero_prices_and_pairs_without_trades_are_left_out() -> None:
    body = f"[{row(last='0')},{row(last='')},{row(base_volume='0')},{row('A_B_C')},{row('SOL_USDT', highest_bid='0')}]"
    [quote] = parse(Capability.QUOTES, body)
    assert quote.symbol == "SOL_USDT"
    assert quote.bid is None


def test_several_pairs_are_cut_from_the_full_list() -> None:
    ask = QuotesAsk((BTC, Pair("ETH", "USDT")))
    assert request(Capability.QUOTES, ask) == Request("/api/v4/spot/tickers")
    assert request(Capability.QUOTES, QuotesAsk()).target() == "/api/v4/spot/tickers"
    assert (
        request(Capability.QUOTES, QuotesAsk((BTC,))).target()
        == "/api/v4/spot/tickers?currency_pair=BTC_USDT"
    )
    body = f"[{row()},{row('XRP_USDT')},{row('ETH_USDT')}]"
    assert [q.base for q in parse(Capability.QUOTES, body, ask)] == ["BTC", "ETH"]


def test_candle_columns_time_in_seconds_and_closed_flag() -> None:
    # t, quote volume, close, high, low, open, base volume, closed
    s = START // 1000
    body = (
        f'[["{s}","1000.5","11","12","9","10","100","true"],'
        f'["{s + 3600}","2000","10.5","11.5","10","11","190","false"]]'
    )
    first, second = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h"))
    assert first == (START, 10.0, 12.0, 9.0, 11.0, 100.0, 1000.5, None, True)
    assert second.open_ms == START + HOUR
    assert second.closed is False


def test_candle_request_never_sends_limit_with_a_range() -> None:
    assert request(Capability.CANDLES, CandlesAsk(BTC, "1h", limit=5000)).target() == (
        "/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1h&limit=1000"
    )
    s = START // 1000
    both = request(Capability.CANDLES, CandlesAsk(BTC, "1h", START, START + 3 * HOUR))
    assert both.params[2:] == (("from", str(s)), ("to", str(s + 7200)))
    from_start = request(Capability.CANDLES, CandlesAsk(BTC, "1h", START + 1, None, 10))
    assert from_start.params[2:] == (("from", str(s + 3600)), ("to", str(s + 36000)))
    to_end = request(Capability.CANDLES, CandlesAsk(BTC, "1h", None, START, 10))
    assert to_end.params[2:] == (("from", str(s - 36000)), ("to", str(s - 3600)))
    capped = dict(
        request(Capability.CANDLES, CandlesAsk(BTC, "1m", START, START + 90 * 24 * HOUR, 9999)).params
    )
    assert (int(capped["to"]) - int(capped["from"])) // 60 + 1 == 1000


def test_candles_outside_the_range_are_cut() -> None:
    s = START // 1000
    body = "[" + ",".join(f'["{s + i * 3600}","1","1","1","1","1","1","true"]' for i in range(5)) + "]"
    rows = parse(Capability.CANDLES, body, CandlesAsk(BTC, "1h", START + HOUR, START + 4 * HOUR, 2))
    assert [c.open_ms for c in rows] == [START + HOUR, START + 2 * HOUR]


def test_weeks_that_open_on_thursday_are_not_offered() -> None:
    assert "1w" not in ADAPTER.endpoints[Capability.CANDLES].intervals


def test_book_time_is_the_last_change() -> None:
    body = '{"current":1789999999000,"update":1789999998500,"asks":[["101","2"]],"bids":[["100","0.5"],["99","1"]]}'
    [book] = parse(Capability.BOOK, body)
    assert book.bids == ((100.0, 0.5), (99.0, 1.0))
    assert book.asks == ((101.0, 2.0),)
    assert book.event_ms == 1789999998500
    [old] = parse(Capability.BOOK, '{"asks":[],"bids":[["100","0.5"]]}')
    assert old.event_ms is None


def test_book_trades_and_instruments_requests() -> None:
    assert request(Capability.BOOK, BookAsk(BTC, 20)).target() == (
        "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=20"
    )
    assert dict(request(Capability.BOOK, BookAsk(BTC, 1000)).params)["limit"] == "100"
    assert request(Capability.TRADES, TradesAsk(BTC, 5000)).target() == (
        "/api/v4/spot/trades?currency_pair=BTC_USDT&limit=1000"
    )
    assert request(Capability.INSTRUMENTS, InstrumentsAsk()).target() == "/api/v4/spot/currency_pairs"


def test_trade_time_is_ms_with_a_fraction() -> None:
    body = (
        '[{"id":"7","create_time":"1789999999","create_time_ms":"1789999999123.987","side":"sell","amount":"0.15",'
        '"price":"65000","sequence_id":"1"}]'
    )
    [trade] = parse(Capability.TRADES, body)
    assert trade == ("gate", "BTC_USDT", "BTC", "USDT", "7", 65000.0, 0.15, "sell", 1789999999123)


def test_instruments_say_whether_they_trade() -> None:
    body = (
        '[{"id":"BTC_USDT","base":"BTC","quote":"USDT","trade_status":"tradable"},'
        '{"id":"OLD_USDT","base":"OLD","quote":"USDT","trade_status":"untradable"}]'
    )
    assert [(i.symbol, i.active) for i in parse(Capability.INSTRUMENTS, body)] == [
        ("BTC_USDT", True),
        ("OLD_USDT", False),
    ]


@pytest.mark.parametrize(
    ("label", "status", "kind"),
    [
        ("INVALID_CURRENCY_PAIR", 400, SymbolNotListed),
        ("INVALID_CURRENCY", 400, SymbolNotListed),
        ("TOO_MANY_REQUESTS", 429, UpstreamRateLimited),
        ("SERVER_ERROR", 500, UpstreamBroken),
        ("INVALID_PARAM_VALUE", 400, type(None)),
        ("INVALID_PARAM_VALUE", 200, UpstreamRejected),
    ],
)
def test_error_labels(label: str, status: int, kind: type) -> None:
    assert type(ADAPTER.explain(reply(f'{{"label":"{label}","message":"x"}}', status))) is kind


@pytest.mark.parametrize("body", [b"<html>403</html>", b"Forbidden", b"", b"\xff\xfe", b'{"code":1}'])
def test_other_error_bodies_are_left_to_the_status(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 403)) is None


def test_an_error_inside_a_200_is_raised() -> None:
    with pytest.raises(SymbolNotListed):
        parse(Capability.CANDLES, '{"label":"INVALID_CURRENCY","message":"Invalid currency X"}')


@pytest.mark.parametrize("capability", list(ASKS))
@pytest.mark.parametrize("body", ["[", "<html><body>busy</body></html>", "7"])
def test_broken_bodies(capability: Capability, body: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == "$"


@pytest.mark.parametrize(
    ("capability", "body", "path"),
    [
        (Capability.QUOTES, f"[{row()},{row(last='abc')}]", "$[1].last"),
        (Capability.CANDLES, '[["1790000000","x","1","1","1","1","1","true"]]', "$[0][1]"),
        (Capability.BOOK, '{"asks":[["1"]],"bids":[]}', "$.asks[0]"),
        (
            Capability.TRADES,
            '[{"id":"1","create_time_ms":"1","side":"buy","amount":{},"price":"1"}]',
            "$[0].amount",
        ),
        (Capability.INSTRUMENTS, '[{"id":1,"base":"A","quote":"B","trade_status":"tradable"}]', "$[0].id"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(capability: Capability, body: str, path: str) -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse(capability, body)
    assert caught.value.path == path
