"""What every adapter builds on: numbers and times that cannot be, splitters that stay small, rows that are set aside."""

from __future__ import annotations

import msgspec
import pytest

from crypto_dt_source.model.ask import QuotesAsk
from crypto_dt_source.model.errors import PayloadChanged, UpstreamBroken, UpstreamError
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers import kit
from crypto_dt_source.providers.adapters import binance
from crypto_dt_source.providers.kit import (
    Reply,
    Separated,
    Splitter,
    decoder,
    iso_ms,
    number,
    read_rows,
    seconds,
)


@pytest.mark.parametrize(
    "value", [None, "", "-", "NaN", "nan", "inf", "1e400", "9" * 400, 10**400, float("nan")]
)
def test_what_is_no_finite_number_is_none(value: str | float | None) -> None:
    assert number(value) is None
    assert seconds(value) is None


@pytest.mark.parametrize("value", ["1e308", 1e308, -1e308, 10**20])
def test_what_can_be_no_time_is_none(value: str | float) -> None:
    assert seconds(value) is None


def test_seconds_are_milliseconds() -> None:
    assert seconds("1790000000.25") == 1_790_000_000_250


@pytest.mark.parametrize("text", [None, "", "x", "9" * 5000, "0001-01-01T00:00:00+14:00", "9999-13-01"])
def test_text_that_is_no_time_is_none(text: str | None) -> None:
    assert iso_ms(text) is None or abs(iso_ms(text) or 0) < 10**15


@pytest.mark.parametrize(
    ("split", "shape"),
    [(Splitter(["USD"]), "{}USD"), (Separated("-"), "{}-USD")],
    ids=["joined", "separated"],
)
def test_a_splitter_forgets_before_it_grows(
    monkeypatch: pytest.MonkeyPatch, split: Splitter | Separated, shape: str
) -> None:
    monkeypatch.setattr(kit, "MEMORY", 10)
    for place in range(25):
        assert split(shape.format(f"A{place}")) == Pair(f"A{place}", "USD")
        assert len(split._known) <= 10
    assert shape.format("A24") in split._known
    long = shape.format("A" * 1000)
    assert split(long) == Pair("A" * 1000, "USD")
    assert long not in split._known


class Row(msgspec.Struct):
    symbol: str
    price: float


class Page(msgspec.Struct):
    code: int
    rows: list[Row]


class Keyed(msgspec.Struct):
    rows: dict[str, Row]


def rows(good: int, *bad: object) -> list[object]:
    return [{"symbol": f"S{n}", "price": "1.5"} for n in range(good)] + list(bad)


def reply(body: object) -> Reply:
    return Reply("p", 200, msgspec.json.encode(body), 1_790_000_000_000)


def no_error(_: Reply) -> UpstreamError | None:
    return None


def test_a_bad_row_does_not_lose_the_others() -> None:
    bad = [{"symbol": "ODD", "price": {}}, {"price": 1}]
    found, unreadable = read_rows(decoder(list[Row]), Row, reply(rows(98, *bad)), no_error)
    assert [row.price for row in found] == [1.5] * 98
    assert [row.symbol for row in unreadable] == ["ODD", "row 99"]
    assert all("xpected" in row.reason or "missing" in row.reason for row in unreadable)


def test_rows_are_found_inside_an_envelope_and_by_key() -> None:
    bad = {"symbol": "ODD", "price": []}
    page, unreadable = read_rows(
        decoder(Page), Row, reply({"code": 0, "rows": rows(50, bad)}), no_error, "rows"
    )
    assert (len(page.rows), [row.symbol for row in unreadable]) == (50, ["ODD"])
    keyed = {"rows": {f"K{n}": row for n, row in enumerate(rows(50, bad))}}
    found, unreadable = read_rows(decoder(Keyed), Row, reply(keyed), no_error, "rows")
    assert (len(found.rows), [row.symbol for row in unreadable]) == (50, ["K50"])


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "rows": rows(48, {}, {})},  # more than two in a hundred
        {"code": 0, "rows": [{}]},
        {"code": 0, "rows": 5},
        {"code": "x", "rows": rows(50, {})},
        {"code": 0},
        [],
        "rows",
    ],
    ids=["many", "all", "no list", "envelope", "absent", "a list", "text"],
)
def test_a_body_of_another_shape_has_changed(body: object) -> None:
    with pytest.raises(PayloadChanged):
        read_rows(decoder(Page), Row, reply(body), no_error, "rows")


def test_a_body_cut_short_has_changed() -> None:
    with pytest.raises(PayloadChanged):
        read_rows(decoder(list[Row]), Row, Reply("p", 200, b'[{"symbol":"A","price":1},{', 0), no_error)


def test_an_error_the_api_names_is_that_error() -> None:
    with pytest.raises(UpstreamBroken):
        read_rows(decoder(list[Row]), Row, reply({"code": 5}), lambda _: UpstreamBroken("down"))


def test_a_venue_with_one_odd_ticker_keeps_its_quotes() -> None:
    ticker = {
        "symbol": "BTCUSDT", "lastPrice": "2", "bidPrice": "1.9", "askPrice": "2.1", "volume": "5", "quoteVolume": "9",
        "priceChangePercent": "1", "highPrice": "3", "lowPrice": "1", "closeTime": 1_790_000_000_000, "count": 4,
    }  # fmt: skip
    body = [ticker] * 99 + [ticker | {"symbol": "ETHUSDT", "count": None}]
    records = binance.quotes_parse(reply(body), QuotesAsk())
    assert sum(isinstance(record, Quote) for record in records) == 99
    assert [record.symbol for record in records if isinstance(record, Unreadable)] == ["ETHUSDT"]
