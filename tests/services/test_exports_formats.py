"""Every format of an export says what the rows say: exactly, absent values included, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crypto_dt_source.clock import rfc3339
from crypto_dt_source.services import exports_arrow as arrow
from crypto_dt_source.services.exports_columns import COLUMNS, JsonRows, Seen

T0 = 1_700_006_400_000
FACTS = {"dataset": "any", "mode": "demo"}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "prices": [
        (T0, 67000.123456789, "ok", 1.5, 0.01, 9, "median/1"),
        (T0 + 7, None, "no_consensus", None, 12.5, 2, None),
        (T0 + 60_000, 5e-324, "single_source", None, None, 1, "median/1"),
    ],
    "ohlcv": [
        (T0, 1.0, 1.7976931348623157e308, 0.1, 0.30000000000000004, None, 3.0, 2**52 + 1, "binance", 1),
        (T0 + 60_000, 2.5, 2.5, 2.5, 2.5, 0.0, None, None, "kraken", True),
        (T0 + 120_000, 1e15, 1e16, 1e-7, 123456789012345.6, 1e-5, 2.0, 0, "binance", 0),
    ],
    "news": [
        (T0 + 1, "a1", "=HYPERLINK(1)", "https://x.test/?a,b", "feed", "bullish", 0.75, "m", ("BTC", "ETH")),
        (T0 + 1, "a2", 'He said "no", twice\r\nand left ', "https://x.test/2", "feed", None, None, None, ()),
        (T0 + 2, "a3", "Ünïcödé 🚀 新闻", "https://x.test/3", "other", "neutral", 0.4, "m", ("SOL",)),
    ],
    "market": [
        (T0, "coingecko", 67000.5, 3500.0, 3.1e12, 8.2e10, 51.5, None, 17000, -1.25),
        (T0, "coinpaprika", None, None, None, None, None, None, None, None),
    ],
}
DATASETS = tuple(ROWS)


def meta(seen: Seen) -> dict[str, Any]:
    return {"rows": seen.rows, "sources": sorted(seen.sources), "last_ms": seen.last_ms}


def written(rows: Any, values: Sequence[Any], size: int = 2) -> bytes:
    """The file that a format makes of pages of `size` rows."""
    pieces = [rows.add(values[at : at + size]) for at in range(0, len(values), size)]
    return b"".join([*pieces, rows.end()])


def plain(dataset: str) -> list[dict[str, Any]]:
    """The rows as Arrow gives them back."""
    found = []
    for row in ROWS[dataset]:
        kinds = zip(COLUMNS[dataset], row, strict=True)
        found.append(
            {
                column.name: bool(value)
                if column.kind == "flag"
                else list(value)
                if column.kind == "texts"
                else value
                for column, value in kinds
            }
        )
    return found


def from_table(table: pa.Table) -> list[dict[str, Any]]:
    """A table's rows, times as ms."""
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    for name in times:
        at = table.schema.get_field_index(name)
        assert table.schema.field(name).type == pa.timestamp("ms", tz="UTC")
        table = table.set_column(at, name, table.column(name).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@pytest.mark.parametrize("dataset", DATASETS)
def test_parquet_reads_back_equal(dataset: str) -> None:
    body = written(arrow.ParquetRows(dataset, FACTS), ROWS[dataset])
    table = pq.read_table(io.BytesIO(body))
    assert from_table(table) == plain(dataset)
    assert table.schema.metadata == {b"dataset": b"any", b"mode": b"demo"}


@pytest.mark.parametrize("dataset", DATASETS)
def test_arrow_reads_back_equal(dataset: str) -> None:
    body = written(arrow.ArrowRows(dataset, FACTS), ROWS[dataset])
    table = ipc.open_stream(body).read_all()
    assert from_table(table) == plain(dataset)
    assert table.schema.metadata == {b"dataset": b"any", b"mode": b"demo"}


@pytest.mark.parametrize("dataset", DATASETS)
def test_json_reads_back_equal(dataset: str) -> None:
    document = json.loads(written(JsonRows(dataset, meta), ROWS[dataset]))
    for given_row, row in zip(document["data"], plain(dataset), strict=True):
        time = COLUMNS[dataset][0].name
        assert given_row.pop(time) == rfc3339(row[time])
        assert given_row.pop(f"{time}_ms") == row.pop(time)
        assert given_row == row
    assert document["meta"]["rows"] == len(ROWS[dataset])
    assert document["meta"]["last_ms"] == ROWS[dataset][-1][0]
    named = {"prices": [], "ohlcv": ["binance", "kraken"], "news": ["feed", "other"]}
    assert document["meta"]["sources"] == named.get(dataset, ["coingecko", "coinpaprika"])


def parsed(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True))


@pytest.mark.parametrize("dataset", DATASETS)
def test_csv_reads_back_equal(dataset: str) -> None:
    body = written(arrow.CsvRows(dataset, FACTS), ROWS[dataset])
    assert body.endswith(b"\r\n")
    for given_row, row in zip(parsed(body), ROWS[dataset], strict=True):
        expected: dict[str, Any] = {}
        for column, value in zip(COLUMNS[dataset], row, strict=True):
            text = given_row[column.name]
            if column.kind == "time":
                expected |= {column.name: rfc3339(value), f"{column.name}_ms": str(value)}
            elif column.kind == "number" and value is not None:
                assert float(text) == value
                assert not text.lstrip("-").isdigit()
                expected[column.name] = text
            elif column.kind == "flag":
                expected[column.name] = "true" if value else "false"
            elif column.kind == "texts":
                expected[column.name] = " ".join(value)
            else:
                expected[column.name] = "" if value is None else str(value)
        if dataset == "news" and row[1] == "a1":
            expected["title"] = "'=HYPERLINK(1)"
        assert given_row == expected


@pytest.mark.parametrize("dataset", DATASETS)
def test_without_rows_the_columns_are_still_told(dataset: str) -> None:
    names = [column.name for column in COLUMNS[dataset]]
    assert pq.read_table(io.BytesIO(written(arrow.ParquetRows(dataset, FACTS), []))).column_names == names
    assert ipc.open_stream(written(arrow.ArrowRows(dataset, FACTS), [])).read_all().column_names == names
    header = written(arrow.CsvRows(dataset, FACTS), []).decode()
    assert header == ",".join([names[0], f"{names[0]}_ms", *names[1:]]) + "\r\n"
    document = json.loads(written(JsonRows(dataset, meta), []))
    assert document == {"data": [], "meta": {"rows": 0, "sources": [], "last_ms": None}}


def test_a_row_group_of_parquet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ROW_GROUP", 4)
    rows = [(T0 + n, "x", *[float(n)] * 6, n, None) for n in range(11)]
    body = written(arrow.ParquetRows("market", FACTS), rows, 2)
    file = pq.ParquetFile(io.BytesIO(body))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4, 4, 3]
    assert file.read().column("active_coins").to_pylist() == list(range(11))


DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")
HOSTILE = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.text("=+-@\t\r\n \",;'|＝＠\u00a0ab1\x00", max_size=8),
    st.sampled_from(["=cmd|' /C calc'!A0", '"=1+1"', '","=1', "-2+3", "@SUM(1)", '=1\r\n=2,"', "\ufeff=1"]),
)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=4))
@example([("", "x")])
@example([(" =1", "\u3000+1")])
def test_no_text_is_a_formula_or_leaves_its_field(texts: list[tuple[str, str]]) -> None:
    rows = [(T0, "id", title, "u", source, None, -0.5, None, ("BTC",)) for title, source in texts]
    found = parsed(written(arrow.CsvRows("news", FACTS), rows))
    assert len(found) == len(rows)
    for row, (title, source) in zip(found, texts, strict=True):
        assert row["confidence"] == "-0.5"
        assert (row["id"], row["url"], row["symbols"]) == ("id", "u", "BTC")
        for shown, text in ((row["title"], title), (row["source"], source)):
            assert shown in (text, f"'{text}")
            assert not shown.startswith(DANGEROUS)
            assert not shown.lstrip().startswith(DANGEROUS)
            if text[:1].isalnum():
                assert shown == text


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=1, max_size=20))
@example([0.0, -0.0, 1e15, 1e16, 999999999999999.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
def test_a_float_reads_back_as_itself_and_never_as_an_integer(values: list[float | None]) -> None:
    texts = arrow.float_texts(pa.array(values, pa.float64())).to_pylist()
    for text, value in zip(texts, values, strict=True):
        if value is None:
            assert text is None
        else:
            assert math.copysign(1, float(text)) == math.copysign(1, value)
            assert float(text) == value
            assert not text.lstrip("-").isdigit()


@given(st.lists(st.integers(1_230_768_000_000, 4_102_444_799_999), min_size=1, max_size=20))
@example([1_700_000_000_000, 1_700_000_000_001, 1_699_999_999_999])
def test_times_print_as_everywhere(times: list[int]) -> None:
    texts = arrow.rfc3339_texts(pa.array(times, pa.timestamp("ms", tz="UTC"))).to_pylist()
    assert texts == [rfc3339(ms) for ms in times]
