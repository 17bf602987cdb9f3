"""CoinDesk Data: the `Err` object, seconds, inclusive ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import CAPABILITY_OF, Ask, CandlesAsk, CoinsAsk, QuotesAsk
from crypto_dt_source.model.errors import (
    KeyRefused,
    PayloadChanged,
    SymbolNotListed,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.coindesk_data import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000
BTC = Pair("BTC", "USD")
HOUR = 3_600_000
T0 = 1_777_629_600_000


def reply(content: Any, status: int = 200, received_ms: int = NOW) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("coindesk_data", status, body, received_ms)


def parse(content: Any, ask: Ask, received_ms: int = NOW) -> list[Any]:
    records = list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content, 200, received_ms), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


@pytest.mark.parametrize(
    ("name", "ask", "count"),
    [
        ("index_historical_days.json", CandlesAsk(BTC, "1d"), 1),
        ("index_historical_hours.json", CandlesAsk(Pair("DPI", "WETH"), "1h"), 10),
    ],
)
def test_recorded_bodies(wire: Path, name: str, ask: Ask, count: int) -> None:
    assert len(parse((wire / "coindesk_data" / name).read_bytes(), ask)) == count


def test_the_recorded_error_is_our_mistake_not_the_sources(wire: Path) -> None:
    body = (wire / "coindesk_data" / "error_404_not_trading.json").read_bytes()
    assert type(ADAPTER.explain(reply(body, 404))) is UpstreamRejected
    with pytest.raises(UpstreamRejected):
        parse(body, CandlesAsk(BTC, "1h"))


def tick(name: str = "BTC-USD", value: float | None = 64500.25) -> dict[str, Any]:
    return {
        "TYPE": "985",
        "MARKET": "cadli",
        "INSTRUMENT": name,
        "VALUE": value,
        "VALUE_LAST_UPDATE_TS": 1777629600,
        "MOVING_24_HOUR_VOLUME": 30000.5,
        "MOVING_24_HOUR_QUOTE_VOLUME": 1.9e9,
        "MOVING_24_HOUR_HIGH": 65000,
        "MOVING_24_HOUR_LOW": 0,
        "MOVING_24_HOUR_CHANGE_PERCENTAGE": -0.5,
    }


def test_ticks_are_quotes_in_dollars_under_the_coins_ticker() -> None:
    body = {"Data": {"BTC-USD": tick(), "X-EUR": tick("X-EUR", 2), "Y-USD": tick("Y-USD", None)}, "Err": {}}
    first, second = parse(body, QuotesAsk(ids=("BTC", "X-EUR", "Y")))
    assert first == (
        "coindesk_data", "BTC", "BTC", "USD", 64500.25, None, None, 30000.5, 1.9e9, -0.5, 65000.0, None,
        1777629600000, NOW,
    )  # fmt: skip
    assert (second.symbol, second.base, second.quote) == ("X-EUR", "X", "EUR")


def test_an_unknown_instrument_does_not_lose_the_known_ones() -> None:
    err = {
        "type": 1,
        "message": "Invalid instrument",
        "other_info": {"param": "instruments", "values": ["NO-USD"]},
    }
    assert len(parse({"Data": {"BTC-USD": tick()}, "Err": err}, QuotesAsk(ids=("BTC", "NO")))) == 1
    with pytest.raises(SymbolNotListed):
        parse({"Data": {}, "Err": err}, QuotesAsk(ids=("NO",)))


def top() -> dict[str, Any]:
    coin = {
        "SYMBOL": "SOL",
        "NAME": "Solana",
        "PRICE_USD": 151.5,
        "PRICE_USD_LAST_UPDATE_TS": 1777629600,
        "CIRCULATING_MKT_CAP_USD": 7e10,
        "SPOT_MOVING_24_HOUR_QUOTE_VOLUME_USD": 3e9,
        "SPOT_MOVING_24_HOUR_CHANGE_PERCENTAGE_USD": -1.25,
        "SUPPLY_CIRCULATING": 4.7e8,
        "SUPPLY_MAX": -1,
        "TOPLIST_BASE_RANK": {"CIRCULATING_MKT_CAP_USD": 6},
    }
    return {"Data": {"STATS": {"PAGE": 1}, "LIST": [coin, {"SYMBOL": "N", "NAME": "No price"}]}, "Err": {}}


def test_the_top_list_gives_coins_and_quotes() -> None:
    (coin,) = parse(top(), CoinsAsk())
    assert (coin.native_id, coin.rank, coin.price, coin.max_supply) == ("SOL", 6, 151.5, None)
    (quote,) = parse(top(), QuotesAsk())
    assert (quote.symbol, quote.base, quote.quote_volume, quote.change_pct) == ("SOL", "SOL", 3e9, -1.25)
    assert quote.event_ms == coin.event_ms == 1777629600000


def bar(open_ms: int, low: float = 9.0) -> dict[str, Any]:
    return {
        "UNIT": "HOUR",
        "TIMESTAMP": open_ms // 1000,
        "OPEN": 10.0,
        "HIGH": 12.0,
        "LOW": low,
        "CLOSE": 11.0,
        "VOLUME": 5.0,
        "QUOTE_VOLUME": 55.0,
    }


def test_candles_keep_to_the_window_and_know_the_running_one() -> None:
    body = {"Data": [bar(T0 + i * HOUR, 9.0 if i else 0.0) for i in range(5)], "Err": {}}
    rows = parse(body, CandlesAsk(BTC, "1h"), T0 + 4 * HOUR + 1)
    assert [(c.open_ms, c.closed) for c in rows] == [(T0 + i * HOUR, i < 4) for i in (1, 2, 3, 4)]
    assert rows[0] == (T0 + HOUR, 10.0, 12.0, 9.0, 11.0, 5.0, 55.0, None, True)
    cut = parse(body, CandlesAsk(BTC, "1h", start_ms=T0 + 2 * HOUR, end_ms=T0 + 4 * HOUR))
    assert [c.open_ms for c in cut] == [T0 + 2 * HOUR, T0 + 3 * HOUR]


INDEX = "/index/cc/v1"


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (
            QuotesAsk(ids=("btc", "X-EUR", "BTC")),
            f"{INDEX}/latest/tick?market=cadli&instruments=BTC-USD%2CX-EUR&apply_mapping=true",
        ),
        (
            CoinsAsk(page=3, per_page=500),
            "/asset/v1/top/list?page=11&page_size=100&sort_by=CIRCULATING_MKT_CAP_USD&sort_direction=DESC"
            "&groups=ID%2CBASIC%2CSUPPLY%2CPRICE%2CMKT_CAP%2CVOLUME%2CCHANGE%2CTOPLIST_RANK&toplist_quote_asset=USD",
        ),
        (
            CandlesAsk(BTC, "1d", limit=7),
            f"{INDEX}/historical/days?market=cadli&instrument=BTC-USD&limit=7",
        ),
        (
            CandlesAsk(BTC, "1m", end_ms=T0, limit=5000),
            f"{INDEX}/historical/minutes?market=cadli&instrument=BTC-USD&limit=2000&to_ts=1777629599",
        ),
        (
            CandlesAsk(BTC, "1h", start_ms=T0, limit=5),
            f"{INDEX}/historical/hours?market=cadli&instrument=BTC-USD&limit=5&to_ts=1777647599",
        ),
        (
            CandlesAsk(BTC, "1h", start_ms=T0, end_ms=T0 + 2 * HOUR),
            f"{INDEX}/historical/hours?market=cadli&instrument=BTC-USD&limit=2&to_ts=1777636799",
        ),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


def test_many_coins_are_asked_in_several_calls() -> None:
    ask = QuotesAsk(ids=tuple(f"C{i}" for i in range(120)))
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    request, sent = endpoint.request(ask), []
    while request is not None:
        sent += dict(request.params)["instruments"].split(",")
        request = endpoint.next(reply({}), ask, request)
    assert sent == [f"{name}-USD" for name in ask.ids]


def test_errors() -> None:
    def err(message: str, kind: int = 1, param: str | None = None) -> dict[str, Any]:
        return {"Data": {}, "Err": {"type": kind, "message": message, "other_info": {"param": param}}}

    assert type(ADAPTER.explain(reply(err("over your rate limit", 99), 429))) is UpstreamRateLimited
    assert type(ADAPTER.explain(reply(err("a valid API key is needed"), 401))) is KeyRefused
    assert type(ADAPTER.explain(reply(err("unknown", param="instrument"), 404))) is SymbolNotListed
    for body in (b"<html>", b"[]", b'{"Data":[],"Err":{}}', b"\xff"):
        assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize("body", [b"<html>", b'{"Data":[{"TIME', b"[]", b"\xff", b'{"Data":5}'])
@pytest.mark.parametrize("ask", [QuotesAsk(), QuotesAsk(ids=("BTC",)), CoinsAsk(), CandlesAsk(BTC, "1h")])
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"Data": [{**bar(T0), "OPEN": None}]}, CandlesAsk(BTC, "1h"))
    assert caught.value.path == "$.Data[0].OPEN"
