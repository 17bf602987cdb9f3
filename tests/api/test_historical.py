"""GET /api/historical-data: every dataset in every format, what a tier gives, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from historical import CANDLES, KEYS, LAST, PATH, QUERIES, REPAIRED, get, with_history
from in_process import Service, error_of

from crypto_dt_source import __version__
from crypto_dt_source.api.routes.historical import _file_name
from crypto_dt_source.clock import rfc3339
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.services.exports import Export, Window
from harness import START_MS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with with_history(tmp_path_factory.mktemp("history")) as running:
        yield running


def times_as_ms(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in table.to_pylist():
        name, moment = next(iter(row.items()))
        ms = round(moment.timestamp() * 1000)
        rows.append({name: rfc3339(ms), f"{name}_ms": ms, **{k: v for k, v in row.items() if k != name}})
    return rows


@pytest.mark.parametrize("dataset", list(QUERIES))
async def test_every_format_has_the_same_rows(filled: Service, dataset: str) -> None:
    answer = await get(filled, QUERIES[dataset])
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    rows = document["data"]
    assert len(rows) == document["meta"]["rows"] == {"ohlcv": len(CANDLES), "news": 3}.get(dataset, 2)
    parquet = await get(filled, f"{QUERIES[dataset]}&format=parquet")
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert times_as_ms(pq.read_table(io.BytesIO(parquet.content))) == rows
    arrow = await get(filled, f"{QUERIES[dataset]}&format=arrow")
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert times_as_ms(ipc.open_stream(arrow.content).read_all()) == rows
    text = await get(filled, f"{QUERIES[dataset]}&format=csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(text.text, newline=""), strict=True))
    assert [list(row) for row in found] == [list(row) for row in rows]
    for shown, row in zip(found, rows, strict=True):
        assert shown == {name: as_csv(shown[name], value) for name, value in row.items()}


def as_csv(shown: str, value: Any) -> str:
    """What CSV should say of a JSON value; of a float, what it does say when that is the same number."""
    if isinstance(value, float):
        assert float(shown) == value
        return shown
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"'{value}" if value == "=1+1" else str(value)


async def test_rows_say_what_was_stored(filled: Service) -> None:
    rows = (await get(filled, QUERIES["ohlcv"])).json()["data"]
    for row, stored in zip(rows, CANDLES, strict=True):
        assert row == {
            "open_time": rfc3339(stored.open_ms),
            "open_time_ms": stored.open_ms,
            **{name: getattr(stored, name) for name in ("open", "high", "low", "close", "volume")},
            "quote_volume": stored.quote_volume,
            "trades": stored.trades,
            "source": "kraken" if stored is REPAIRED else "binance",
            "closed": stored.closed,
        }
    news_rows = (await get(filled, QUERIES["news"])).json()["data"]
    assert news_rows[0]["title"] == "=1+1"
    assert news_rows[0]["symbols"] == ["BTC", "ETH"]
    assert (news_rows[0]["sentiment"], news_rows[0]["confidence"], news_rows[0]["model"]) == (
        "bullish",
        0.7,
        "embedded",
    )
    assert news_rows[1]["sentiment"] is None
    of_btc = (await get(filled, f"{QUERIES['news']}&symbol=BTC")).json()["data"]
    assert [row["id"] for row in of_btc] == ["id0"]


async def test_what_an_answer_says_of_itself(filled: Service) -> None:
    start, end = rfc3339(LAST - 2 * DAY_MS), rfc3339(LAST)
    query = f"{QUERIES['ohlcv']}&start={start}&end={end}"
    answer = await get(filled, query)
    about = answer.json()["meta"]
    assert about["source"] == ["binance", "kraken"]
    expected = {
        "dataset": "ohlcv",
        "symbol": "BTC",
        "id": "bitcoin",
        "pair": "BTC/USDT",
        "interval": "1h",
        "start": start,
        "end": end,
        "rows": 48,
        "mode": "live",
        "ambiguous": {},
    }
    assert {name: about[name] for name in expected} == expected
    assert "tier_limit" not in about
    parquet = await get(filled, f"{query}&format=parquet")
    told = pq.read_table(io.BytesIO(parquet.content)).schema.metadata
    assert told == {
        b"dataset": b"ohlcv",
        b"symbol": b"BTC",
        b"id": b"bitcoin",
        b"pair": b"BTC/USDT",
        b"interval": b"1h",
        b"provider": b"binance",
        b"start": start.encode(),
        b"end": end.encode(),
        b"mode": b"live",
        b"generated_at": rfc3339(filled.clock.now_ms()).encode(),
        b"service": f"crypto-dt-source {__version__}".encode(),
    }
    for found, place, ending in ((answer, "inline", "json"), (parquet, "attachment", "parquet")):
        name = f"crypto-dt-source-ohlcv-BTC-1h-20260919-20260921.{ending}"
        assert found.headers["content-disposition"] == f'{place}; filename="{name}"'
        assert found.headers["cache-control"] == "no-store"
        assert (found.headers["x-mode"], found.headers["x-source"]) == ("live", "binance")
        assert found.headers["x-pair"] == "BTC/USDT"


async def test_a_file_name_has_no_place_for_tricks() -> None:
    about = {
        "dataset": "prices",
        "symbol": '../"\r\nX: 1;é',
        "interval": None,
        "start": "2026-09-19T00:00:00Z",
    }
    name = _file_name(about, Export("prices", Window(START_MS, START_MS + 1, None), lambda: None))  # type: ignore[arg-type, return-value]
    assert name == "crypto-dt-source-prices-X_1-20260919-20260921"


async def test_a_tier_gives_its_days_and_says_so(filled: Service) -> None:
    days = 90
    first = filled.clock.now_ms() // HOUR_MS * HOUR_MS - days * DAY_MS
    expected = [c.open_ms for c in CANDLES if c.open_ms >= first]
    whole = (await get(filled, QUERIES["ohlcv"], "pro")).json()
    assert [row["open_time_ms"] for row in whole["data"]] == expected
    assert "tier_limit" not in whole["meta"]
    asked = filled.clock.now_ms() - 95 * DAY_MS - 5
    query = f"{QUERIES['ohlcv']}&start={asked}"
    cut = await get(filled, query, "pro")
    assert [row["open_time_ms"] for row in cut.json()["data"]] == expected
    assert cut.json()["meta"]["tier_limit"] == {
        "limit": "history_days",
        "tier": "pro",
        "asked": 96,
        "given": days,
    }
    assert cut.json()["meta"]["start"] == rfc3339(first)
    for format in ("csv", "parquet", "arrow", "json"):  # noqa: A001 - the parameter's name
        answer = await get(filled, f"{query}&format={format}", "pro")
        assert answer.headers["x-tier-limit"] == "history_days=90"
        if format == "parquet":
            told = pq.read_table(io.BytesIO(answer.content))
            assert told.schema.metadata[b"tier_limit"] == b"history_days=90"
            assert told.num_rows == len(expected)
    free_of_it = await get(filled, query, "enterprise")
    assert "x-tier-limit" not in free_of_it.headers
    assert free_of_it.json()["data"][0]["open_time_ms"] == -(-asked // HOUR_MS) * HOUR_MS
    nothing = await get(filled, f"{QUERIES['ohlcv']}&start=2020-01-01&end=2020-02-01", "pro")
    assert nothing.json()["data"] == []
    assert nothing.json()["meta"]["tier_limit"]["given"] == days


async def test_who_may(filled: Service) -> None:
    error_of(await filled.get(f"{PATH}?{QUERIES['market']}"), 401, "unauthenticated")
    error_of(await get(filled, QUERIES["market"], "free"), 403, "forbidden")
    # Who may not learns nothing about parameters either.
    error_of(await filled.get(f"{PATH}?dataset=nonsense"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "dataset"),
        ("dataset=quotes", "dataset"),
        ("dataset=market&format=xlsx", "format"),
        ("dataset=market&symbol=BTC", "symbol"),
        ("dataset=prices", "symbol"),
        ("dataset=ohlcv", "symbol"),
        ("dataset=ohlcv&symbol=BTC&interval=7m", "interval"),
        ("dataset=market&start=yesterday", "start"),
        ("dataset=market&start=2026-09-02&end=2026-09-01", "end"),
        ("dataset=market&start=2026-09-02&end=2026-09-02", "end"),
        ("dataset=market&start=2090-01-01", "start"),
    ],
)
async def test_a_wrong_parameter_is_named(filled: Service, query: str, parameter: str) -> None:
    body = error_of(await get(filled, query), 422, "invalid_parameter")
    assert body["details"]["parameter"] == parameter


async def test_what_is_not_known(filled: Service) -> None:
    error_of(await get(filled, "dataset=prices&symbol=NOSUCHCOIN"), 404, "unknown_symbol")
    error_of(await get(filled, "dataset=ohlcv&symbol=BTC&provider=nowhere"), 404, "not_found")


async def test_a_window_without_rows_is_answered(filled: Service) -> None:
    query = "dataset=market&start=2026-01-01&end=2026-01-02"
    assert (await get(filled, query)).json()["data"] == []
    assert (await get(filled, f"{query}&format=csv")).text.startswith("timestamp,timestamp_ms,provider,")
    assert pq.read_table(io.BytesIO((await get(filled, f"{query}&format=parquet")).content)).num_rows == 0
    assert ipc.open_stream((await get(filled, f"{query}&format=arrow")).content).read_all().num_rows == 0


async def test_head_has_the_headers_alone(filled: Service) -> None:
    answer = await filled.client.head(
        f"{PATH}?{QUERIES['ohlcv']}&format=csv", headers={"X-API-Key": KEYS["pro"]}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content == b""
