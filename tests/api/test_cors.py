"""Pages of other origins: who may read what, preflights, and what caches are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from in_process import ADDRESS, Service, error_of, service

from crypto_dt_source.api.app import published
from crypto_dt_source.api.cors import SENT, SHOWN, Cors
from crypto_dt_source.security.keys import new_record
from crypto_dt_source.services import access

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/prices?symbols=BTC"
OURS, OTHERS = "https://app.example.org", "https://evil.example"
FOREIGN = (
    OTHERS,
    "null",
    f"{OURS}.evil.example",
    f"{OURS}:8443",
    OURS.upper(),
    "http://app.example.org",
    "*",
)


@asynccontextmanager
async def opened(api: Service, origins: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the same service with CORS_ORIGINS set."""
    app = published(api.edge, api.clock, origins=origins)
    assert isinstance(app, Cors)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ADDRESS) as client:  # type: ignore[arg-type]
        yield client


def preflight(origin: str, method: str = "GET", headers: str = "x-api-key") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


def by_origin(answer: httpx2.Response) -> bool:
    """Whether caches are told to keep the answer for one origin alone."""
    return "Origin" in answer.headers.get("vary", "").split(", ")


def cors_of(answer: httpx2.Response) -> dict[str, str]:
    return {n: v for n, v in answer.headers.items() if n.startswith("access-control-")}


async def test_without_the_setting_nobody_is_let_in(api: Service) -> None:
    assert published(api.edge, api.clock) is api.edge
    answer = await api.client.get(PATH, headers={"Origin": OURS})
    assert cors_of(answer) == {}
    error_of(await api.client.options(PATH, headers=preflight(OURS)), 405, "method_not_allowed")


async def test_a_page_of_a_named_origin_reads_answers_and_what_they_say_beside(api: Service) -> None:
    async with opened(api, f"https://other.example,{OURS}") as client:
        for _ in ("from the application", "from the warm answer"):
            answer = await client.get(PATH, headers={"Origin": OURS})
            assert cors_of(answer) == {
                "access-control-allow-origin": OURS,
                "access-control-expose-headers": ", ".join(SHOWN),
            }
            assert by_origin(answer)
        exposed = {name.lower() for name in SHOWN}
        assert {"ratelimit", "retry-after", "x-request-id", "etag", "age", "x-tier-limit"} <= exposed


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_reads_nothing(api: Service, origin: str) -> None:
    async with opened(api, OURS) as client:
        answer = await client.get(PATH, headers={"Origin": origin})
        assert (answer.status_code, cors_of(answer)) == (200, {})
        assert by_origin(answer)
        refused = await client.options(PATH, headers=preflight(origin))
        error_of(refused, 403, "forbidden")
        assert "access-control-allow-origin" not in refused.headers
        assert "access-control-allow-methods" not in refused.headers


async def test_a_cache_between_never_gives_one_origins_answer_to_another(api: Service) -> None:
    """Told apart by origin also where a request names none: else that answer would be kept for everybody."""
    async with opened(api, OURS) as client:
        for headers in ({}, {"Origin": OURS}, {"Origin": OTHERS}):
            assert by_origin(await client.get(PATH, headers=headers))
    async with opened(api, "*") as client:
        answers = [await client.get(PATH, headers=headers) for headers in ({}, {"Origin": OTHERS})]
        for answer in answers:
            assert answer.headers["access-control-allow-origin"] == "*"
            assert not by_origin(answer)


@pytest.mark.parametrize("origins", ["*", OURS, f"{OURS},*"])
async def test_credentials_are_never_allowed(api: Service, origins: str) -> None:
    async with opened(api, origins) as client:
        answers = [
            await client.get(PATH, headers={"Origin": OURS, "Cookie": "a=b"}),
            await client.options(PATH, headers=preflight(OURS)),
        ]
        for answer in answers:
            assert "access-control-allow-credentials" not in answer.headers
            assert "set-cookie" not in answer.headers


async def test_errors_and_unchanged_answers_can_be_read_too(api: Service) -> None:
    async with opened(api, OURS) as client:
        etag = (await client.get(PATH)).headers["etag"]
        for path, headers, status in (
            ("/nope", {}, 404),
            ("/api/ohlcv", {}, 422),
            (PATH, {"If-None-Match": etag}, 304),
            (PATH, {"X-API-Key": "wrong"}, 401),
            ("/" + "x" * 9000, {}, 413),
        ):
            answer = await client.get(path, headers={"Origin": OURS, **headers})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == OURS, path


async def test_a_preflight_costs_no_limit_and_reaches_no_route(tmp_path: Path) -> None:
    limits = {"free_tier_limit": "2/minute", "collected": False}
    async with service(tmp_path, **limits) as limited, opened(limited, OURS) as client:  # type: ignore[arg-type]
        for _ in range(20):
            answer = await client.options("/api/analyze/batch", headers=preflight(OURS, "POST"))
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == OURS
            assert {"GET", "HEAD", "POST", "DELETE"} <= set(
                answer.headers["access-control-allow-methods"].split(", ")
            )
            assert answer.headers["access-control-allow-headers"] == ", ".join(SENT)
            assert int(answer.headers["access-control-max-age"]) > 0
            assert by_origin(answer)
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert limited.rt.accounts.total_requests == 0
        statuses = [
            (await client.get("/api/providers", headers={"Origin": OURS})).status_code for _ in range(3)
        ]
        assert statuses == [200, 200, 429]
        told = await client.get("/api/providers", headers={"Origin": OURS})
        assert told.status_code == 429
        assert told.headers["access-control-allow-origin"] == OURS


async def test_options_that_is_no_preflight_is_a_request_like_any(api: Service) -> None:
    async with opened(api, "*") as client:
        for headers in ({}, {"Origin": OURS}, {"Access-Control-Request-Method": "GET"}):
            error_of(await client.options(PATH, headers=headers), 405, "method_not_allowed")


async def test_a_key_of_other_pages_is_refused_where_the_page_may_read_that(fresh: Service) -> None:
    """CORS_ORIGINS says who may read answers, the key whose pages may use it."""
    secret, record = new_record(
        "pages",
        "free",
        ["read"],
        salt=fresh.rt.access.keyring.salt,
        now_ms=fresh.clock.now_ms(),
        origins=[OURS],
    )
    fresh.rt.access.keyring.take_up([record])
    assert await access.follow(fresh.rt.access) == 0
    async with opened(fresh, "*") as client:
        allowed = await client.get(PATH, headers={"Origin": OURS, "X-API-Key": secret})
        refused = await client.get(PATH, headers={"Origin": OTHERS, "X-API-Key": secret})
    assert allowed.status_code == 200
    error_of(refused, 403, "forbidden")
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_other_protocols_pass_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        seen.append(scope["type"])  # type: ignore[index]

    for kind in ("lifespan", "websocket"):
        await Cors(inner, OURS)({"type": kind, "headers": []}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan", "websocket"]
