"""Metrics: parsed by Prometheus' own parser, every name declared and nothing else; labels bounded."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from in_process import Service, error_of, service
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from crypto_dt_source.services import choices
from crypto_dt_source.services.metric_names import BY_NAME, METRICS

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "0d4f3f1c9a6b7e25-operator-of-the-metrics"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("metrics")
    limit = "5/minute"
    async with service(folder, collected=False, cdts_admin_key=OPERATOR, free_tier_limit=limit) as running:
        assert (await choices.check(running.rt, "kraken")).failure is None
        yield running


async def scraped(api: Service, **headers: str) -> dict[str, Metric]:
    await api.pass_time(2)
    answer = await api.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def family_of(name: str) -> str:
    return name.removesuffix("_total")


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    name = family_of(BY_NAME[re.sub(r"_(bucket|sum|count)$", "", sample)].name)
    (only,) = [s.value for s in found[name].samples if s.name == sample and s.labels == labels]
    return float(only)


async def test_every_metric_is_declared_and_every_declared_one_is_there(api: Service) -> None:
    found = await scraped(api)
    assert set(found) == {family_of(metric.name) for metric in METRICS}
    for name, kind, text, labels in METRICS:
        family = found[family_of(name)]
        assert (family.type, family.documentation) == (kind, text) or name.startswith("process_")
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(labels), sample
            assert sample.name == name or kind == "histogram"


async def test_figures_are_those_of_the_services(api: Service) -> None:
    rt = api.rt
    for _ in range(3):
        await api.pass_time(2)
        await api.get("/api/providers/binance")
    await api.get("/api/providers/nobody-has-this")
    found = await scraped(api)
    route = "/api/providers/{provider_id}"
    assert value(found, "cdts_http_requests_total", route=route, status="200") == 3
    assert value(found, "cdts_http_requests_total", route=route, status="404") == 1
    assert value(found, "cdts_http_request_duration_seconds_count", route=route) == 4
    assert value(found, "cdts_http_request_duration_seconds_bucket", route=route, le="+Inf") == 4
    source = rt.gateway.source("kraken")
    assert value(found, "cdts_upstream_calls_total", provider="kraken") == source.health.calls > 0
    assert value(found, "cdts_upstream_breaker_open", provider="kraken") == 0
    assert value(found, "cdts_store_up") == value(found, "cdts_store_writable") == 1
    assert value(found, "cdts_store_size_bytes") > 0
    assert value(found, "cdts_component_status", component="database") == 1
    assert value(found, "process_resident_memory_bytes") > 1e6
    budgets = {(line.scope, str(line.per_s)): line.amount - line.used for line in rt.gateway.budgets()}
    for (scope, window), left in budgets.items():
        assert value(found, "cdts_upstream_budget_left", scope=scope, window_seconds=window) == left


async def test_background_work_that_is_off_is_told_from_nobody_leading(api: Service) -> None:
    """The alert asks both: a process that is not to run the timetable misses nothing."""
    for watched in (False, True):
        api.rt.schedule.watched = watched
        found = await scraped(api)
        assert value(found, "cdts_timetable_wanted") == value(found, "cdts_timetable_runs_here") == watched
    api.rt.schedule.watched = False


async def test_no_label_holds_what_people_type(api: Service) -> None:
    for path in ("/api/coins/secret-name", "/nowhere/secret-name", "/api/prices?symbols=secret-name"):
        await api.get(path)
    answer = await api.client.get("/metrics")
    await api.pass_time(2)
    assert "secret-name" not in (await api.client.get("/metrics")).text
    assert answer.status_code == 200


async def test_a_scraper_is_not_counted_and_the_rest_is(api: Service) -> None:
    await api.pass_time(120)
    for _ in range(9):
        await api.pass_time(2)
        assert (await api.get("/metrics")).status_code == 200
    statuses = [(await api.get("/api/metrics")).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    found = await scraped(api)
    assert value(found, "cdts_access_refused_total", code="rate_limited") >= 1
    wrong = [(await api.client.get("/metrics", headers={"X-API-Key": "guess"})).status_code for _ in range(2)]
    assert wrong == [429, 429]


async def test_only_admins_where_that_is_set(api: Service) -> None:
    api.rt.metrics_access = "admin"
    await api.pass_time(120)
    try:
        for path in ("/metrics", "/api/metrics"):
            error_of(await api.get(path), 401, "unauthenticated")
        assert "cdts_info" in await scraped(api, Authorization=f"Bearer {OPERATOR}")
        answer = await api.client.get("/api/metrics", headers={"X-API-Key": OPERATOR})
        assert answer.status_code == 200
        # What an admin was answered is not kept for others.
        error_of(await api.get("/metrics"), 401, "unauthenticated")
    finally:
        api.rt.metrics_access = "public"


async def test_the_summary_says_the_same(api: Service) -> None:
    await api.pass_time(120)
    body = (await api.data("/api/metrics"))["data"]
    assert body["requests"]["since_start"] == sum(body["requests"]["by_status"].values())
    assert body["requests"]["since_start"] == sum(row["count"] for row in body["requests"]["routes"])
    assert body["upstreams"]["calls"] == sum(s.health.calls for s in api.rt.gateway.sources.values())
    assert body["store"]["status"] == "ok"
    assert body["process"]["resident_bytes"] > 1e6
    shares = [row["left_pct"] for row in body["scarce_budgets"]]
    assert shares == sorted(shares)
