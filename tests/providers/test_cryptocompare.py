"""CryptoCompare: errors inside a 200, seconds, one row more than asked, a running bar that contradicts itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import CAPABILITY_OF, Ask, AssetsAsk, CandlesAsk, CoinsAsk, QuotesAsk
from crypto_dt_source.model.errors import (
    KeyRefused,
    PayloadChanged,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.cryptocompare import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000
BTC = Pair("BTC", "USD")
HOUR = 3_600_000


def reply(content: Any, status: int = 200, received_ms: int = NOW) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("cryptocompare", status, body, received_ms)


def parse(content: Any, ask: Ask, received_ms: int = NOW) -> list[Any]:
    records = list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content, 200, received_ms), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


@pytest.mark.parametrize(
    ("name", "ask", "count"),
    [
        ("pricemultifull.json", QuotesAsk(ids=("BTC",)), 1),
        ("pricemulti.json", QuotesAsk(ids=("BTC", "ETH", "LTC")), 9),
        ("price.json", QuotesAsk(pairs=(Pair("WETH", "EUR"),)), 1),
        ("generate_avg.json", QuotesAsk(ids=("BTC",)), 1),
        ("histoday.json", CandlesAsk(BTC, "1d"), 31),
        ("histohour_limit10.json", CandlesAsk(BTC, "1h"), 10),
        ("histominute_limit10.json", CandlesAsk(BTC, "1m"), 10),
        ("coinlist.json", AssetsAsk(), 60),
    ],
)
def test_recorded_bodies(wire: Path, name: str, ask: Ask, count: int) -> None:
    assert len(parse((wire / "cryptocompare" / name).read_bytes(), ask)) == count


def test_the_recorded_rate_limit_is_one(wire: Path) -> None:
    body = (wire / "cryptocompare" / "error_rate_limit_200.json").read_bytes()
    for ask in (QuotesAsk(), CoinsAsk(), CandlesAsk(BTC, "1h"), AssetsAsk()):
        with pytest.raises(UpstreamRateLimited):
            parse(body, ask)


RAW = {
    "TYPE": "5",
    "FROMSYMBOL": "BTC",
    "TOSYMBOL": "USD",
    "PRICE": 64500.25,
    "LASTUPDATE": 1777629600,
    "VOLUME24HOUR": 30000.5,
    "VOLUME24HOURTO": 1.9e9,
    "TOTALVOLUME24HTO": 2.5e10,
    "HIGH24HOUR": 65000,
    "LOW24HOUR": 64000,
    "CHANGEPCT24HOUR": 1.5,
    "CHANGEPCTHOUR": -0.25,
    "MKTCAP": 1.27e12,
    "SUPPLY": 19700000,
}


def test_full_prices_in_seconds() -> None:
    body = {"RAW": {"BTC": {"USD": RAW}, "Dead": {"USD": {**RAW, "PRICE": 0}}}, "DISPLAY": {}}
    (quote,) = parse(body, QuotesAsk(ids=("BTC", "Dead")))
    assert quote[:5] == ("cryptocompare", "BTC", "BTC", "USD", 64500.25)
    assert quote[5:] == (None, None, 30000.5, 1.9e9, 1.5, 65000.0, 64000.0, 1777629600000, NOW)


def test_the_top_list_gives_quotes_and_coins() -> None:
    top = {
        "Message": "Success",
        "Type": 100,
        "Data": [
            {
                "CoinInfo": {"Id": "1182", "Name": "BTC", "FullName": "Bitcoin", "MaxSupply": 2.1e7},
                "RAW": {"USD": RAW},
            },
            {"CoinInfo": {"Id": "5", "Name": "none", "FullName": "No price"}},
            {
                "CoinInfo": {"Id": "6", "Name": "x$*", "FullName": "X", "MaxSupply": -1},
                "RAW": {"USD": {"PRICE": 2, "LASTUPDATE": 0}},
            },
        ],
    }
    assert [(q.symbol, q.base) for q in parse(top, QuotesAsk())] == [("BTC", "BTC"), ("x$*", "X$*")]
    btc, odd = parse(top, CoinsAsk(page=2, per_page=100))
    assert (btc.native_id, btc.name, btc.rank, btc.max_supply, btc.circulating_supply) == (
        "BTC", "Bitcoin", None, 2.1e7, 1.97e7,
    )  # fmt: skip
    assert (btc.volume_24h, btc.change_1h_pct, btc.event_ms) == (2.5e10, -0.25, 1777629600000)
    assert (odd.rank, odd.max_supply, odd.market_cap, odd.event_ms) == (None, None, None, None)


def test_bare_prices_need_the_asked_pair() -> None:
    assert parse({"EUR": 5.5}, QuotesAsk(ids=("X",))) == []
    (quote,) = parse({"EUR": 5.5, "USD": 6}, QuotesAsk(pairs=(Pair("X", "EUR"),)))
    assert (quote.base, quote.quote, quote.price, quote.event_ms) == ("X", "EUR", 5.5, None)


def bar(open_ms: int, **changes: float) -> dict[str, float]:
    row = {"time": open_ms // 1000, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0}
    return {**row, "volumefrom": 5.0, "volumeto": 55.0, **changes}


T0 = 1_777_629_600_000
ASK = CandlesAsk(BTC, "1h")


def test_both_paths_of_the_history_read_alike() -> None:
    rows = [bar(T0), bar(T0 + HOUR)]
    bare = parse({"Response": "Success", "Data": rows}, ASK, T0 + HOUR + 1)
    wrapped = parse({"Response": "Success", "Data": {"Aggregated": False, "Data": rows}}, ASK, T0 + HOUR + 1)
    assert bare == wrapped
    assert bare[0] == (T0, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)
    assert [c.closed for c in bare] == [True, False]


def test_only_a_running_bar_that_contradicts_itself_is_left_out() -> None:
    odd = bar(T0 + HOUR, close=13.0)
    assert [c.open_ms for c in parse({"Data": {"Data": [bar(T0), odd]}}, ASK)] == [T0]
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[CandlesAsk]]
    inside = list(endpoint.parse(reply({"Data": {"Data": [odd, bar(T0 + 2 * HOUR)]}}), ASK))
    assert [violation(c) is None for c in inside] == [False, True]


def test_times_before_the_first_price_are_not_candles() -> None:
    zero = bar(T0, open=0, high=0, low=0, close=0, volumefrom=0, volumeto=0)
    assert [c.open_ms for c in parse({"Data": {"Data": [zero, bar(T0 + HOUR)]}}, ASK)] == [T0 + HOUR]
    assert parse({"Data": {"Data": []}}, ASK) == []


def test_start_is_inclusive_and_end_exclusive() -> None:
    body = {"Data": {"Data": [bar(T0 + i * HOUR) for i in range(6)]}}
    ask = CandlesAsk(BTC, "1h", start_ms=T0 + HOUR, end_ms=T0 + 4 * HOUR)
    assert [c.open_ms for c in parse(body, ask)] == [T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR]
    newest = CandlesAsk(BTC, "1h", limit=2)
    assert [c.open_ms for c in parse(body, newest)] == [T0 + 4 * HOUR, T0 + 5 * HOUR]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (QuotesAsk(), "/data/top/mktcapfull?limit=100&page=0&tsym=USD"),
        (QuotesAsk(ids=("BTC", " ETH", "BTC")), "/data/pricemultifull?fsyms=BTC%2CETH&tsyms=USD"),
        (CoinsAsk(page=2, per_page=250), "/data/top/mktcapfull?limit=50&page=5&tsym=USD"),
        (AssetsAsk(), "/data/all/coinlist"),
        (CandlesAsk(BTC, "1d", limit=10), "/data/v2/histoday?fsym=BTC&tsym=USD&limit=9"),
        (CandlesAsk(BTC, "1m", limit=9999), "/data/v2/histominute?fsym=BTC&tsym=USD&limit=1999"),
        (
            CandlesAsk(BTC, "1h", end_ms=T0, limit=5),
            "/data/v2/histohour?fsym=BTC&tsym=USD&limit=4&toTs=1777629599",
        ),
        (
            CandlesAsk(BTC, "1h", start_ms=T0, limit=5),
            "/data/v2/histohour?fsym=BTC&tsym=USD&limit=4&toTs=1777647599",
        ),
        (
            CandlesAsk(BTC, "1h", start_ms=T0, end_ms=T0 + 2 * HOUR, limit=500),
            "/data/v2/histohour?fsym=BTC&tsym=USD&limit=1&toTs=1777636799",
        ),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


def test_many_tickers_go_in_calls_the_api_allows() -> None:
    ask = QuotesAsk(ids=tuple(f"TICKER{i}" for i in range(300)))
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    request, sent = endpoint.request(ask), []
    while request is not None:
        symbols = dict(request.params)["fsyms"]
        assert len(symbols) <= 1000
        sent += symbols.split(",")
        request = endpoint.next(reply({}), ask, request)
    assert tuple(sent) == ask.ids


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        (99, "You are over your rate limit", UpstreamRateLimited),
        (2, "cccagg_or_exchange market does not exist for this coin pair (X-USD)", SymbolNotListed),
        (1, "There is no data for the symbol X .", SymbolNotListed),
        (1, "You need a valid auth key or api key to access this endpoint", KeyRefused),
        (2, "limit param is not an integer", UpstreamRejected),
    ],
)
def test_errors_inside_a_200(kind: int, message: str, expected: type[UpstreamError]) -> None:
    content = {"Response": "Error", "Message": message, "HasWarning": False, "Type": kind, "Data": {}}
    for ask in (QuotesAsk(), CoinsAsk(), ASK, AssetsAsk()):
        with pytest.raises(expected) as caught:
            parse(content, ask)
        assert type(caught.value) is expected
    assert type(ADAPTER.explain(reply(content, 401))) is expected


def test_other_bodies_explain_nothing() -> None:
    for body in (b"<html>", b"[]", b'{"Response":"Success"}', b"\xff"):
        assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"Data":[{"time":', b"[]", b"\xff", b'{"Data":{"x":5}, "RAW": 5}']
)
@pytest.mark.parametrize("ask", [QuotesAsk(), CoinsAsk(), AssetsAsk()])
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"Data": {"Data": [bar(T0), {**bar(T0), "high": "x"}]}}, ASK)
    assert caught.value.path == "$.Data.Data[1].high"
    with pytest.raises(PayloadChanged) as caught:
        parse({"RAW": {"BTC": {"USD": {"PRICE": []}}}}, QuotesAsk(ids=("BTC",)))
    assert caught.value.path == "$.RAW[...][...].PRICE"
