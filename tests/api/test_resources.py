"""The catalogue over HTTP: list, export, import, copies, one entry more or less, and the scoreboard's routes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.routes.resources import EXAMPLE
from crypto_dt_source.api.schemas.resources import (
    CopyPage,
    Exported,
    ImportPage,
    RemovedPage,
    ResourceList,
    ResourcePage,
)
from crypto_dt_source.api.schemas.scoreboard import ProviderScorePage, ScoreList
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.entry_fields import fields_of
from crypto_dt_source.services import access, resources
from crypto_dt_source.store.repos import own_entries, scores
from crypto_dt_source.store.repos.scores import HourRow

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service whose client is an admin; each test leaves the catalogue as the package has it."""
    folder = tmp_path_factory.mktemp("resources")
    async with service(
        folder, collected=False, news_feeds="desk=https://desk.example.com/rss?k=1"
    ) as running:
        key = await access.first_key(running.rt.access)
        assert key is not None
        running.client.headers["X-API-Key"] = key
        yield running


async def as_packaged(api: Service) -> None:
    """Nothing of a test is left: the package's entries, the feed of the settings, no row."""
    assert {i: e for i, e in api.rt.entries.items() if i != "desk"} == dict(catalog.load())
    assert await own_entries.everything(api.rt.store) == []


async def post(api: Service, path: str, body: Any, headers: dict[str, str] = JSON) -> Any:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await api.client.post(f"/api/resources/{path}", content=content, headers=headers)


async def test_the_catalogue_is_listed_and_every_filter_narrows(api: Service) -> None:
    body = await api.data("/api/resources?page_size=250")
    ResourceList.model_validate(body, extra="forbid")
    assert body["page"]["total"] == len(api.rt.entries) == len(catalog.load()) + 1
    counted = body["meta"]["in_use_by_category"]
    assert counted["rpc"] == sum(e.category == "rpc" for e in catalog.load().values())
    assert sum(counted.values()) >= 200
    (kraken,) = (await api.data("/api/resources?category=exchange&status=live&kind=venue&q=kraken"))["data"]
    assert (kraken["id"], kraken["origin"], kraken["in_use"]) == ("kraken", "package", True)
    assert (await api.data("/api/resources/category/explorer"))["page"]["total"] == counted["explorer"]
    await api.error("/api/resources/category/nothing", 404, "not_found")
    await api.error("/api/resources?status=asleep", 422, "invalid_parameter")


async def test_a_feed_of_the_settings_shows_its_site_and_is_not_exported(api: Service) -> None:
    (desk,) = (await api.data("/api/resources?origin=settings"))["data"]
    assert (desk["id"], desk["base_url"]) == ("desk", "https://desk.example.com/")
    for kind in ("json", "csv"):
        text = (await api.get(f"/api/resources/export/{kind}")).text
        assert "desk.example.com" not in text
    error_of(await api.client.delete("/api/resources/provider/desk"), 409, "conflict")


@pytest.mark.parametrize(("kind", "headers"), [("json", JSON), ("csv", CSV)])
async def test_an_export_taken_in_again_changes_nothing(
    api: Service, kind: str, headers: dict[str, str]
) -> None:
    whole = (await api.get(f"/api/resources/export/{kind}")).content
    if kind == "json":
        Exported.model_validate(json.loads(whole), extra="forbid")
    answer = await post(api, f"import/{kind}", whole, headers)
    assert answer.status_code == 200, answer.text
    ImportPage.model_validate(answer.json(), extra="forbid")
    assert answer.json()["data"] == {"added": [], "replaced": [], "unchanged": len(catalog.load())}
    await as_packaged(api)


@pytest.mark.parametrize("kind", ["json", "csv"])
async def test_every_entry_comes_back_as_it_was(api: Service, kind: str) -> None:
    whole = (await api.get(f"/api/resources/export/{kind}")).content
    given = resources.read_json(whole) if kind == "json" else resources.read_csv(whole)
    assert {row.id: (row.category, row.fields) for row in given} == {
        entry.id: (entry.category, fields_of(entry)) for entry in catalog.load().values()
    }


async def test_one_entry_is_added_shown_and_taken_away(api: Service) -> None:
    made = await post(api, "provider", EXAMPLE)
    assert made.status_code == 201, made.text
    ResourcePage.model_validate(made.json(), extra="forbid")
    assert made.json()["data"]["origin"] == "admin"
    error_of(await post(api, "provider", EXAMPLE), 409, "conflict")
    assert (await api.data("/api/providers/harbour"))["data"]["state"] == "idle"
    exported = (await api.get("/api/resources/export/csv")).text
    gone = await api.client.delete("/api/resources/provider/harbour")
    RemovedPage.model_validate(gone.json(), extra="forbid")
    error_of(await api.client.delete("/api/resources/provider/harbour"), 404, "not_found")
    await as_packaged(api)
    answer = await post(api, "import/csv", exported.encode(), CSV)
    assert answer.json()["data"]["added"] == ["harbour"]
    assert api.rt.added["harbour"].origin == "import"
    await api.client.delete("/api/resources/provider/harbour")
    actions = [row["action"] for row in (await api.data("/api/auth/audit?limit=10"))["data"]]
    assert "DELETE /api/resources/provider/{id}" in actions
    assert "POST /api/resources/provider" in actions


async def test_a_packaged_entry_that_was_taken_away_comes_back_with_an_import(api: Service) -> None:
    row = {"id": "celo_forno", "category": "rpc", "fields": fields_of(catalog.load()["celo_forno"])}
    await api.client.delete("/api/resources/provider/celo_forno")
    assert "celo_forno" not in api.rt.gateway.sources
    answer = await post(api, "import/json", {"entries": [row]})
    assert answer.json()["data"] == {"added": ["celo_forno"], "replaced": [], "unchanged": 0}
    assert "celo_forno" in api.rt.gateway.sources
    await as_packaged(api)


async def test_an_import_with_wrong_rows_changes_nothing_and_names_each(api: Service) -> None:
    fields = EXAMPLE["fields"]
    rows = [
        {"id": "harbour", "category": "exchange", "fields": fields},
        {"id": "harbour", "category": "exchange", "fields": fields},
        {"id": "Bad Id", "category": "exchange", "fields": fields},
        {"id": "inside", "category": "exchange", "fields": {**fields, "base_url": "https://10.0.0.1"}},
        {
            "id": "priceless",
            "category": "exchange",
            "fields": {**fields, "tables": {"quotes": {"path": "/t"}}},
        },
        {"id": "desk", "category": "news", "fields": fields},
    ]
    body = error_of(await post(api, "import/json", {"entries": rows}), 422, "invalid_parameter")
    assert body["details"]["wrong_rows"] == 5
    assert [(row["row"], row["field"]) for row in body["details"]["rows"]] == [
        (2, "id"),
        (3, "id"),
        (4, "base_url"),
        (5, "tables.quotes.price"),
        (6, "id"),
    ]
    await as_packaged(api)


async def test_a_text_that_is_a_formula_is_marked_and_comes_back(api: Service) -> None:
    names = ["=HYPERLINK(1)", "'=1", "@SUM", "-1", "+1", "''", "\uff1dA", "plain"]
    rows = [
        {"id": f"odd{place}", "category": "odd", "fields": {**EXAMPLE["fields"], "name": name}}
        for place, name in enumerate(names)
    ]
    assert (await post(api, "import/json", {"entries": rows})).status_code == 200
    text = (await api.get("/api/resources/export/csv")).text
    cells = [line["name"] for line in csv.DictReader(io.StringIO(text)) if line["category"] == "odd"]
    assert cells == ["'=HYPERLINK(1)", "''=1", "'@SUM", "'-1", "'+1", "''", "'\uff1dA", "plain"]
    back = [row.fields["name"] for row in resources.read_csv(text.encode()) if row.category == "odd"]
    assert back == names
    for place in range(len(names)):
        await api.client.delete(f"/api/resources/provider/odd{place}")
    await as_packaged(api)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("import/json", b"{", JSON, 422, "invalid_parameter"),
        ("import/json", b"[]", JSON, 422, "invalid_parameter"),
        ("import/json", b'{"entries": [7]}', JSON, 422, "invalid_parameter"),
        ("import/json", b'{"entries": [], "version": 9}', JSON, 422, "invalid_parameter"),
        ("import/json", b"[" * 5000 + b"]" * 5000, JSON, 400, "bad_request"),
        ("import/json", b"[]", CSV, 415, "unsupported_media_type"),
        ("import/csv", b"id,category\r\n", CSV, 422, "invalid_parameter"),
        ("import/csv", b"id,colour\r\na,b\r\n", CSV, 422, "invalid_parameter"),
        ("import/csv", b"id,category,limits\r\nab,cd,{\r\n", CSV, 422, "invalid_parameter"),
        ("import/csv", b"id,category\r\nab\r\n", CSV, 422, "invalid_parameter"),
        ("import/csv", b"\xff\xfe", CSV, 422, "invalid_parameter"),
        ("import/csv", b"x" * 1_100_000, CSV, 413, "too_large"),
        ("provider", b'[{"id": "aa", "category": "bb", "fields": {}}, {}]', JSON, 422, "invalid_parameter"),
    ],
    ids=range(13),
)
async def test_a_body_that_is_no_catalogue_is_refused(
    api: Service, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    error_of(await post(api, path, body, headers), status, code)
    await as_packaged(api)


async def test_copies_are_whole_and_bounded(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "COPIES_KEPT", 2)
    for _ in range(3):
        made = await post(api, "backup", b"")
        assert made.status_code == 201, made.text
        CopyPage.model_validate(made.json(), extra="forbid")
        await api.pass_time(1)
    folder = api.rt.catalogue_folder
    assert folder is not None
    files = sorted(path.name for path in folder.iterdir())
    assert len(files) == 2
    assert files[-1] == made.json()["data"]["file"]
    whole = (folder / files[-1]).read_bytes()
    assert len(whole) == made.json()["data"]["size_bytes"]
    assert len(resources.read_json(whole)) == made.json()["data"]["entries"] == len(catalog.load())


async def test_the_scoreboard_is_public_and_no_providers_id(api: Service) -> None:
    now = api.clock.now_ms() // 3_600_000 * 3_600_000
    row = HourRow("kraken", now - 3_600_000, 10, 1, 0, 5, 1, 20.0, 40.0, 1000.0, 0.1)
    await scores.put(api.rt.store, [row])
    body = await api.data("/api/providers/scoreboard?window=7d&category=exchange")
    ScoreList.model_validate(body, extra="forbid")
    assert [(found["id"], found["availability_pct"]) for found in body["data"]] == [("kraken", 90.0)]
    assert body["meta"]["window"] == "7d"
    one = await api.data("/api/providers/kraken/scoreboard")
    ProviderScorePage.model_validate(one, extra="forbid")
    assert one["data"]["windows"]["24h"]["excluded_pct"] == 20.0
    await api.error("/api/providers/nowhere/scoreboard", 404, "not_found")
    await api.error("/api/providers/scoreboard?window=1y", 422, "invalid_parameter")
