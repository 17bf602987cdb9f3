"""The log over HTTP: every filter with every other, pages, counts, files, deletion; for admins alone."""

from __future__ import annotations

import csv
import errno
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.store.repos import audit

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "0d4f3f1c9a6b7e25-operator-of-the-logs-x"
ADMIN = {"X-API-Key": OPERATOR}
LEVELS = ("info", "warning", "error", "critical")
FORMULAS = ("=1+1", " \t@SUM(A1)", "-2", "+3", "\uff1dcmd", "\tx")


def stamp(second: int) -> str:
    return f"2026-11-22T06:00:{second:02d}.000000Z"


def lines() -> list[dict[str, Any]]:
    """One line a second: level, component and provider in every combination."""
    every = itertools.product(LEVELS, ("gateway", "store"), ("kraken", "okx", None))
    made = []
    for second, (level, component, provider) in enumerate(every):
        row = {
            "timestamp": stamp(second),
            "level": level,
            "component": component,
            "event": f'line {second} ÄB"c',
            "n": second,
        }
        made.append(row if provider is None else {**row, "provider": provider})
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("logs")
    async with service(folder, collected=False, cdts_admin_key=OPERATOR) as running:
        await fill(running, lines())
        yield running


async def fill(api: Service, rows: list[dict[str, Any]]) -> None:
    """Exactly these lines in one file, and the end of one that a killed process was writing."""
    import msgspec

    files = api.rt.logs
    files.delete()
    assert files.folder is not None
    files.folder.mkdir(exist_ok=True)
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows) + b'{"timestamp":"2026'
    (files.folder / "0000000001-1.jsonl").write_bytes(body)


async def asked(api: Service, path: str = "", **query: Any) -> Any:
    answer = await api.client.get(f"/api/logs{path}", params=query, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(body: Any) -> list[int]:
    return [row["details"]["n"] for row in body["data"]]


FILTERS: dict[str, tuple[Any, Any]] = {
    "level": ("WARNING", lambda row: row["level"] == "warning"),
    "category": ("store", lambda row: row["component"] == "store"),
    "provider": ("okx", lambda row: row.get("provider") == "okx"),
    "since": (stamp(7), lambda row: row["timestamp"] >= stamp(7)),
    "until": (stamp(11), lambda row: row["timestamp"] < stamp(11)),
    "q": ("1 äb", lambda row: "1 äb" in row["event"].casefold()),
}


async def test_every_filter_narrows_every_other(api: Service) -> None:
    for size in range(len(FILTERS) + 1):
        for names in itertools.combinations(FILTERS, size):
            query = {name: FILTERS[name][0] for name in names}
            wanted = [row["n"] for row in lines() if all(FILTERS[name][1](row) for name in names)]
            body = await asked(api, page_size=250, **query)
            assert numbers(body) == wanted[::-1], names
            assert body["meta"]["complete"] is True


async def test_a_row_says_all_the_line_says(api: Service) -> None:
    body = await asked(api, since=stamp(3), until=stamp(4))
    assert body["data"] == [
        {
            "timestamp": stamp(3),
            "level": "info",
            "category": "store",
            "provider": "kraken",
            "message": 'line 3 ÄB"c',
            "details": {"n": 3},
        }
    ]
    assert (await asked(api, q='b"C'))["data"]


async def test_pages_follow_each_other(api: Service) -> None:
    found: list[int] = []
    number: int | None = 1
    while number is not None:
        body = await asked(api, page=number, page_size=7, level="error")
        found += numbers(body)
        assert body["page"]["number"] == number
        number = body["page"]["next"]
    assert found == [row["n"] for row in lines() if row["level"] == "error"][::-1]
    assert (await asked(api, page=4000, page_size=250))["data"] == []


async def test_recent_errors_and_counts(api: Service) -> None:
    assert numbers(await asked(api, "/recent", limit=2)) == [23, 22]
    errors = await asked(api, "/errors", provider="kraken", limit=250)
    assert {row["level"] for row in errors["data"]} == {"error", "critical"}
    assert len(errors["data"]) == 4
    counts = (await asked(api, "/stats", category="store"))["data"]
    assert counts["total"] == 12
    assert counts["by_level"] == dict.fromkeys(LEVELS, 3)
    assert counts["by_category"] == {"store": 12}
    assert counts["by_provider"] == {"kraken": 4, "okx": 4}
    assert (counts["oldest"], counts["newest"]) == (stamp(3), stamp(23))
    assert counts["storage"]["kept"] is True


async def test_exports_hold_what_the_pages_hold(api: Service) -> None:
    body = await asked(api, "/export/json", provider="okx")
    assert numbers(body) == [row["n"] for row in lines() if row.get("provider") == "okx"]
    assert body["meta"]["rows"] == len(body["data"])
    none = await asked(api, "/export/json", q="nothing has this")
    assert (none["data"], none["meta"]["rows"]) == ([], 0)
    answer = await api.client.get("/api/logs/export/csv", params={"provider": "okx"}, headers=ADMIN)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["message"] for row in rows] == [row["message"] for row in body["data"]]
    assert rows[0]["details"] == '{"n":1}'


async def test_no_cell_is_a_formula(api: Service) -> None:
    texts = [f"{text},{text}" for text in FORMULAS]
    rows = [
        {"timestamp": stamp(1), "level": "info", "component": text, "provider": text, "event": text}
        for text in texts
    ]
    await fill(api, rows)
    answer = await api.client.get("/api/logs/export/csv", headers=ADMIN)
    found = list(csv.reader(io.StringIO(answer.text)))[1:]
    assert [row[4] for row in found] == [f"'{text}" for text in texts]
    assert all(cell.startswith("'") for row in found for cell in row[2:5])
    await fill(api, lines())


async def test_deletion_is_by_time_and_in_the_audit_log(api: Service) -> None:
    answer = await api.client.delete("/api/logs", params={"before": stamp(20)}, headers=ADMIN)
    body = answer.json()
    # The end of a line that nobody finished goes with the old ones.
    assert (body["deleted_lines"], body["before"]) == (21, "2026-11-22T06:00:20Z")
    assert numbers(await asked(api)) == [23, 22, 21, 20]
    (api.rt.logs.folder / "no file.jsonl").mkdir()
    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(Path, "unlink", Mock(side_effect=PermissionError(errno.EACCES, "Permission denied")))
        refused = error_of(await api.client.delete("/api/logs", headers=ADMIN), 503, "store_unavailable")
    assert "Permission denied" in refused["error"]
    everything = await api.client.delete("/api/logs", headers=ADMIN)
    assert everything.json()["deleted_lines"] == 4
    assert (await asked(api))["data"] == []
    newest = await audit.page(api.rt.store, 2, None)
    assert [(row.action, row.status) for row in newest] == [
        ("DELETE /api/logs", 200),
        ("DELETE /api/logs", 503),
    ]
    older = await audit.page(api.rt.store, 3, None)
    assert [row.target for row in older] == ["before=now", "before=now", "before=2026-11-22T06:00:20Z"]
    await fill(api, lines())


@pytest.mark.parametrize("path", ["", "/recent", "/errors", "/stats", "/export/json", "/export/csv"])
async def test_only_admins_read_it(api: Service, path: str) -> None:
    error_of(await api.client.get(f"/api/logs{path}"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("name", "value"),
    [("level", "loud"), ("since", "yesterday"), ("q", ""), ("page", "0"), ("category", "a\x00b")],
)
async def test_wrong_filters_are_named(api: Service, name: str, value: str) -> None:
    answer = await api.client.get("/api/logs", params={name: value}, headers=ADMIN)
    details = error_of(answer, 422, "invalid_parameter")["details"]
    assert details["parameter"] == name
    if name == "level":
        assert details["allowed"] == ["debug", *LEVELS]
