"""Status, statistics, freshness, failures, budgets and health: what they say is so, and as it is documented."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.app import create_app
from crypto_dt_source.model.errors import UpstreamError, UpstreamUnreachable
from crypto_dt_source.services import collect, statistics
from crypto_dt_source.services.upstreams import ADVICE
from crypto_dt_source.stream import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "0d4f3f1c9a6b7e25-operator-of-the-stats-x"
ADMIN = {"X-API-Key": OPERATOR}
GETS = (
    "/api/health",
    "/health",
    "/api/hf/health",
    "/api/status",
    "/api/stats",
    "/api/stats/export",
    "/api/freshness",
    "/api/failures",
    "/api/budgets",
    "/api/metrics",
    "/api/logs",
    "/api/logs/recent",
    "/api/logs/errors",
    "/api/logs/stats",
    "/api/logs/export/json",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("stats")
    async with service(folder, collected=False, cdts_admin_key=OPERATOR) as running:
        running.sim.faults.add("okx", "5xx")
        for provider in ("kraken", "okx"):
            await running.client.post(f"/api/providers/{provider}/health-check", headers=ADMIN)
        yield running


def closed(schema: Any) -> Any:
    """The schema with no room for fields it does not name."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        return {**made, "additionalProperties": False} if isinstance(made.get("properties"), dict) else made
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("path", GETS)
async def test_the_answer_is_as_documented(api: Service, path: str) -> None:
    answer = await api.client.get(path, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    document = create_app().openapi()
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate(closed({**schema, "components": document["components"]}), answer.json())


async def test_health_has_every_component_of_the_contract(api: Service) -> None:
    body = await api.data("/api/health")
    wanted = {"database", "providers", "models", "websocket", "cache", "scheduler", "limiter", "streams"}
    assert set(body["components"]) >= wanted
    assert all(component["since"] for component in body["components"].values())
    assert body["status"] == "degraded"
    assert body["components"]["providers"]["reason"] == "no provider has delivered quotes yet"
    assert {"uptime_seconds", "active_connections", "request_count_1h", "average_response_time_ms"} <= set(
        body["metrics"]
    )
    assert set(await api.data("/api/hf/health")) == set(body)
    for upstream in "abcde":
        api.rt.gateway.outage.failed(upstream, UpstreamUnreachable("no route"))
    cut_off = (await api.data("/api/health"))["components"]["providers"]["reason"]
    assert cut_off.endswith("; look at DNS, the proxy and the firewall")
    api.rt.gateway.outage.heard()


async def test_failures_are_by_class_with_what_to_do(api: Service) -> None:
    await api.pass_time(20)
    body = await api.data("/api/failures")
    (row,) = body["data"]
    assert row["code"] == "upstream_server_error"
    assert row["what_to_do"] == ADVICE["upstream_server_error"].what_to_do
    assert row["providers"] == [{"provider": "okx", "count": row["count"]}]
    # The same once they are in the store.
    await collect.store_accounts(api.rt)
    await api.pass_time(20)
    assert (await api.data("/api/failures"))["data"] == body["data"]
    await api.pass_time(2 * 3600)
    assert (await api.data("/api/failures?hours=1"))["data"] == []
    assert (await api.data("/api/failures"))["data"] == body["data"]


def _classes(cls: type[UpstreamError]) -> set[type[UpstreamError]]:
    return {cls}.union(*map(_classes, cls.__subclasses__()))


async def test_every_class_of_failure_has_advice() -> None:
    assert {cls.code for cls in _classes(UpstreamError)} <= set(ADVICE)


async def test_freshness_is_against_the_ttl(api: Service) -> None:
    await api.data("/api/exchanges")
    await api.pass_time(2)
    rows = {row["kind"]: row for row in (await api.data("/api/freshness"))["data"]}
    assert rows["exchanges"]["stale"] is False
    assert rows["exchanges"]["source"]
    assert rows["trending"] | {"ttl_seconds": 0} == {
        "kind": "trending",
        "ttl_seconds": 0,
        "fetched_at": None,
        "age_seconds": None,
        "stale": True,
        "held": 0,
        "source": [],
    }
    await api.pass_time(rows["exchanges"]["ttl_seconds"])
    rows = {row["kind"]: row for row in (await api.data("/api/freshness"))["data"]}
    assert rows["exchanges"]["stale"] is True
    assert rows["exchanges"]["age_seconds"] > rows["exchanges"]["ttl_seconds"]


async def test_budgets_say_what_is_left(api: Service) -> None:
    rows = (await api.data("/api/budgets"))["data"]
    assert rows == sorted(rows, key=lambda row: (row["scope"], row["per_seconds"]))
    lines = {(line.scope, line.per_s): line for line in api.rt.gateway.budgets()}
    for row in rows:
        assert row["used"] + row["left"] == row["amount"]
        assert row["providers"]
        assert (row["scope"], row["per_seconds"]) in lines or row["keyed"]


async def test_the_export_has_every_figure(api: Service) -> None:
    await api.pass_time(20)
    body = (await api.data("/api/stats"))["data"]
    answer = await api.get("/api/stats/export?format=csv")
    assert answer.headers["content-disposition"].endswith('.csv"')
    rows = dict(csv.reader(io.StringIO(answer.text)))
    assert rows["requests.since_start"] == str(body["requests"]["since_start"])
    assert rows["providers.by_state.gone"] == str(body["providers"]["by_state"]["gone"])
    assert "upstreams.by_provider_24h.okx.failures" in rows


async def test_statistics_are_told_to_the_stream(api: Service) -> None:
    told: list[Event] = []
    api.rt.bus.add(told.append)
    assert await statistics.broadcast(api.rt) == 0
    (event,) = told
    assert event.channel == "system"
    assert event.data["event"] == "statistics"
    assert event.data["status"] == "degraded"
    assert len(msgspec.json.encode(event.data)) < 2500
    assert event.data["statistics"]["providers"]["total"] == len(api.rt.entries)


async def test_a_provider_is_changed_by_what_the_body_names(api: Service) -> None:
    async def patch(body: Any, status: int = 200, name: str = "gemini") -> Any:
        answer = await api.client.patch(f"/api/providers/{name}", json=body, headers=ADMIN)
        assert answer.status_code == status, answer.text
        return answer.json()

    body = await patch({"priority": 2, "weight": 0.5})
    row = body["data"]
    assert (row["enabled"], row["priority"], row["weight"]) == (True, 2, 0.5)
    row = (await patch({"enabled": False, "weight": None}))["data"]
    assert (row["enabled"], row["priority"], row["weight"], row["state"]) == (False, 2, None, "off")
    assert (await patch({"priority": 0}, 422))["details"]["parameter"] == "priority"
    assert (await patch({"weight": 1e9}, 422))["details"]["parameter"] == "weight"
    assert (await patch({}, 404, "nobody"))["code"] == "not_found"
    assert await patch({}, 409, next(e.id for e in api.rt.entries.values() if e.status == "gone"))
    await patch({"enabled": True, "priority": None})


async def test_a_probe_says_how_it_ended(api: Service) -> None:
    for provider, failure in (("kraken", None), ("okx", "upstream_server_error")):
        answer = await api.client.post(f"/api/providers/{provider}/health-check", headers=ADMIN)
        data = answer.json()["data"]
        assert (data["ok"], data["failure"]) == (failure is None, failure)
        assert data["provider"]["id"] == provider
    error_of(await api.client.post("/api/providers/kraken/health-check"), 401, "unauthenticated")
