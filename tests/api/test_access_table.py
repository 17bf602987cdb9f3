"""Who may call which route: the table of the contract, and every route walked with every kind of caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from in_process import Service, error_of, service

from crypto_dt_source.api.access import ADMIN, KEY, PRO_TIER, PUBLIC, Level
from crypto_dt_source.api.app import create_app
from crypto_dt_source.services import access

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "0d4f3f1c9a6b7e25-operator-of-this-walk"
TABLE = {
    "GET /.well-known/security.txt": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /asyncapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /redoc": PUBLIC,
    "GET /docs/assets/{name}": PUBLIC,
    "GET /": PUBLIC,
    "GET /favicon.ico": PUBLIC,
    "GET /static/{digest}/{path}": PUBLIC,
    "GET /guide": PUBLIC,
    "GET /guide/{name}": PUBLIC,
    "GET /llms.txt": PUBLIC,
    "GET /api/market": PUBLIC,
    "GET /api/market/history": PUBLIC,
    "GET /api/market/gainers": PUBLIC,
    "GET /api/market/losers": PUBLIC,
    "GET /api/market/categories": PUBLIC,
    "GET /api/prices": PUBLIC,
    "GET /api/prices/{symbol}": PUBLIC,
    "GET /api/prices/{symbol}/sources": PUBLIC,
    "GET /api/prices/history/{symbol}": PUBLIC,
    "GET /api/ohlcv": PUBLIC,
    "GET /api/ohlcv/coverage": PUBLIC,
    "GET /api/trending": PUBLIC,
    "GET /api/coins": PUBLIC,
    "GET /api/coins/{symbol}": PUBLIC,
    "GET /api/coins/search": PUBLIC,
    "GET /api/orderbook": PUBLIC,
    "GET /api/trades": PUBLIC,
    "GET /api/exchanges": PUBLIC,
    "GET /api/exchanges/{exchange_id}": PUBLIC,
    "GET /api/derivatives/funding": PUBLIC,
    "GET /api/derivatives/open-interest": PUBLIC,
    "GET /api/historical-data": PRO_TIER,
    "POST /api/diagnostics/run": ADMIN,
    "GET /api/diagnostics/last": ADMIN,
    "GET /api/reports/models": ADMIN,
    "GET /api/discovery/status": PUBLIC,
    "GET /api/resources/discovery/status": PUBLIC,
    "GET /api/discovery/candidates": PUBLIC,
    "GET /api/reports/discovery": PUBLIC,
    "POST /api/discovery/run": ADMIN,
    "POST /api/resources/discovery/run": ADMIN,
    "POST /api/discovery/candidates/{id}/approve": ADMIN,
    "POST /api/discovery/candidates/{id}/reject": ADMIN,
    "POST /api/discovery/candidates/{id}/take-back": ADMIN,
    "GET /api/defi": PUBLIC,
    "GET /api/defi/tvl-chart": PUBLIC,
    "GET /api/defi/protocols/{slug}": PUBLIC,
    "GET /api/defi/chains": PUBLIC,
    "GET /api/defi/yields": PUBLIC,
    "GET /api/defi/stablecoins": PUBLIC,
    "GET /api/defi/dex-volumes": PUBLIC,
    "GET /api/news": PUBLIC,
    "GET /api/news/{id}": PUBLIC,
    "GET /api/news/sources": PUBLIC,
    "GET /api/sentiment": PUBLIC,
    "GET /api/sentiment/history": PUBLIC,
    "GET /api/sentiment/fear-greed": PUBLIC,
    "GET /api/sentiment/{symbol}": PUBLIC,
    "POST /api/analyze/text": PUBLIC,
    "POST /api/analyze/batch": KEY,
    "POST /api/sentiment/analyze": PUBLIC,
    "POST /api/sentiment/crypto-analysis": PUBLIC,
    "POST /api/hf/run-sentiment": PUBLIC,
    "GET /api/models": PUBLIC,
    "POST /api/models/{id}/load": ADMIN,
    "POST /api/models/{id}/unload": ADMIN,
    "POST /api/models/{id}/generate": KEY,
    "GET /api/blockchain/gas": PUBLIC,
    "GET /api/blockchain/stats": PUBLIC,
    "GET /api/providers": PUBLIC,
    "GET /api/providers/{provider_id}": PUBLIC,
    "GET /api/providers/category/{category}": PUBLIC,
    "GET /api/providers/{provider_id}/stats": PUBLIC,
    "GET /api/providers/scoreboard": PUBLIC,
    "GET /api/providers/{provider_id}/scoreboard": PUBLIC,
    "GET /api/resources": PUBLIC,
    "GET /api/resources/category/{category}": PUBLIC,
    "GET /api/resources/export/json": PUBLIC,
    "GET /api/resources/export/csv": PUBLIC,
    "POST /api/resources/import/json": ADMIN,
    "POST /api/resources/import/csv": ADMIN,
    "POST /api/resources/backup": ADMIN,
    "POST /api/resources/provider": ADMIN,
    "DELETE /api/resources/provider/{id}": ADMIN,
    "POST /api/providers/{provider_id}/health-check": ADMIN,
    "PATCH /api/providers/{provider_id}": ADMIN,
    "GET /api/pools": PUBLIC,
    "GET /api/pools/history": PUBLIC,
    "GET /api/pools/{pool_id}": PUBLIC,
    "GET /api/pools/{pool_id}/history": PUBLIC,
    "POST /api/pools": ADMIN,
    "PUT /api/pools/{pool_id}": ADMIN,
    "DELETE /api/pools/{pool_id}": ADMIN,
    "POST /api/pools/{pool_id}/members/{provider_id}": ADMIN,
    "PUT /api/pools/{pool_id}/members/{provider_id}": ADMIN,
    "DELETE /api/pools/{pool_id}/members/{provider_id}": ADMIN,
    "POST /api/pools/{pool_id}/members/{provider_id}/return": ADMIN,
    "POST /api/pools/{pool_id}/rotate": ADMIN,
    "POST /api/pools/{pool_id}/failover": ADMIN,
    "GET /api/health": PUBLIC,
    "GET /api/health/live": PUBLIC,
    "GET /api/health/ready": PUBLIC,
    "GET /health": PUBLIC,
    "GET /api/hf/health": PUBLIC,
    "GET /api/status": PUBLIC,
    "GET /api/stats": PUBLIC,
    "GET /api/stats/export": PUBLIC,
    "GET /api/freshness": PUBLIC,
    "GET /api/failures": PUBLIC,
    "GET /api/budgets": PUBLIC,
    "GET /api/metrics": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /api/logs": ADMIN,
    "GET /api/logs/recent": ADMIN,
    "GET /api/logs/errors": ADMIN,
    "GET /api/logs/stats": ADMIN,
    "GET /api/logs/export/json": ADMIN,
    "GET /api/logs/export/csv": ADMIN,
    "DELETE /api/logs": ADMIN,
    "GET /api/stream": PUBLIC,
    "GET /api/jobs": PUBLIC,
    "GET /api/jobs/{job_id}": PUBLIC,
    "GET /api/jobs/{job_id}/runs": PUBLIC,
    "POST /api/jobs/{job_id}/run": ADMIN,
    "POST /api/jobs/{job_id}/pause": ADMIN,
    "POST /api/jobs/{job_id}/resume": ADMIN,
    "GET /api/sessions": ADMIN,
    "GET /api/sessions/stats": ADMIN,
    "GET /ws/stats": PUBLIC,
    "POST /api/broadcast": ADMIN,
    "POST /api/auth/token": PUBLIC,
    "GET /api/auth/me": KEY,
    "GET /api/usage": KEY,
    "GET /api/auth/keys": ADMIN,
    "POST /api/auth/keys": ADMIN,
    "DELETE /api/auth/keys/{id}": ADMIN,
    "POST /api/auth/keys/{id}/rotate": ADMIN,
    "GET /api/auth/audit": ADMIN,
}
"""The REST table of API.md, what is answered for clients of the earlier API, the documents, and the audit log."""
REACH = {
    "nobody": (),
    "free": (KEY,),
    "pro": (KEY, PRO_TIER),
    "enterprise": (KEY, PRO_TIER),
    "free admin": (KEY, PRO_TIER, ADMIN),
    "admin": (KEY, PRO_TIER, ADMIN),
    "operator": (KEY, PRO_TIER, ADMIN),
    "free's token": (KEY,),
    "admin's token": (KEY, PRO_TIER, ADMIN),
}
"""What each caller reaches beyond what is public."""
WRONG = ("expired", "revoked", "mistyped", "unknown", "some text", "revoked key's token")
NOT_CHECKED = (
    "/api/health",
    "/api/hf/health",
    "/health",
    "/docs",
    "/redoc",
    "/static/",
    "/favicon.ico",
    "/guide",
    "/llms.txt",
    "/openapi.json",
    "/asyncapi.json",
    "/.well-known/",
)
"""Answered whoever asks and whatever he shows: a probe, and what is for reading."""
NONSENSE = "page=zzz&limit=zzz&days=zzz&grace_seconds=zzz&dataset=zzz&channels=zzz"


def routes(found: Iterable[Any]) -> Iterator[tuple[str, APIRoute]]:
    for route in found:
        # A mount, a WebSocket or a plain route would be open to everybody unseen.
        assert isinstance(route, APIRoute), route
        for method in route.methods or ():
            yield f"{method} {route.path_format}", route


def levels(dependant: Dependant) -> set[str]:
    found = {dependant.call.level} if isinstance(dependant.call, Level) else set()
    return found.union(*map(levels, dependant.dependencies))


ROUTES = dict(routes(create_app().routes))


async def test_the_table_names_every_route_and_no_other() -> None:
    assert sorted(ROUTES) == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
async def test_a_route_has_the_level_of_the_table_and_says_so(name: str) -> None:
    found = levels(ROUTES[name].dependant)
    assert found == ({TABLE[name]} - {PUBLIC})
    responses = set(ROUTES[name].responses)
    assert {401, 403} <= responses or not found
    assert (
        {401, 403}.isdisjoint(responses)
        or found
        or name.endswith(("auth/token", "run-sentiment", "/metrics"))
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("walk")
    async with service(
        folder, collected=False, cdts_admin_key=OPERATOR, pro_tier_limit="unlimited", pro_tier_daily=0
    ) as running:
        # What no upstream answers is refused in another way, and quicker.
        running.upstreams.dead = True
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(api: Service) -> dict[str, dict[str, str]]:
    """The headers of each caller."""
    held = api.rt.access
    tokens = held.keyring.tokens

    async def made(tier: str, *scopes: str, **more: Any) -> tuple[str, Any]:
        return await access.create(held, "walker", tier=tier, scopes=scopes or ("read",), **more)

    free, admin = await made("free"), await made("enterprise", "read", "admin")
    expired, revoked = (
        await made("pro", expires_ms=api.clock.now_ms() + 1000),
        await made("pro", "read", "admin"),
    )
    ended = tokens.issue(revoked[1])[0]
    await access.revoke(held, revoked[1].id)
    await api.pass_time(2)
    secrets = {
        "free": free[0],
        "pro": (await made("pro"))[0],
        "enterprise": (await made("enterprise"))[0],
        "free admin": (await made("free", "admin"))[0],
        "admin": admin[0],
        "operator": OPERATOR,
        "expired": expired[0],
        "revoked": revoked[0],
        "mistyped": free[0][:-1] + ("0" if free[0][-1] != "0" else "1"),
        "unknown": "cdts_live_" + "0" * 43 + "0T62Co",
        "some text": "hunter2",
    }
    bearers = {
        "free's token": tokens.issue(free[1])[0],
        "admin's token": tokens.issue(admin[1])[0],
        "revoked key's token": ended,
    }
    return {
        "nobody": {},
        **{name: {"X-API-Key": secret} for name, secret in secrets.items()},
        **{name: {"Authorization": f"Bearer {token}"} for name, token in bearers.items()},
    }


async def call(api: Service, name: str, headers: dict[str, str]) -> Any:
    method, _, path = name.partition(" ")
    for parameter in ("symbol", "exchange_id", "slug", "id", "pool_id", "provider_id", "category", "name"):
        path = path.replace(f"{{{parameter}}}", "key_000000000000")
    body = {"content": b"{}", "headers": {**headers, "Content-Type": "application/json"}}
    return await api.client.request(
        method, f"{path}?{NONSENSE}", **(body if method == "POST" else {"headers": headers})
    )


@pytest.mark.parametrize("name", TABLE)
async def test_who_may_call_is_not_refused_and_nobody_else_gets_further(
    api: Service, shown: dict[str, dict[str, str]], name: str
) -> None:
    level = TABLE[name]
    for caller, reach in REACH.items():
        answer = await call(api, name, shown[caller])
        if level == PUBLIC or level in reach:
            by_itself = name == "POST /api/auth/token" and caller.endswith("token")
            assert (answer.status_code in (401, 403)) == by_itself, (caller, answer.text)
        elif caller == "nobody":
            body = error_of(answer, 401, "unauthenticated")
            assert body["details"] == {"needs": level}
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            # Before the parameters are looked at, which are all wrong.
            assert error_of(answer, 403, "forbidden")["details"]["needs"] == level
    for caller in WRONG:
        answer = await call(api, name, shown[caller])
        path = name.partition(" ")[2]
        if path == "/" or path.startswith(NOT_CHECKED):
            assert answer.status_code not in (401, 403)
        else:
            error_of(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert not any(value in answer.text for value in shown[caller].values())


@pytest.mark.parametrize("name", [name for name in TABLE if name.startswith("GET") and TABLE[name] != PUBLIC])
async def test_head_opens_nothing(api: Service, shown: dict[str, dict[str, str]], name: str) -> None:
    head = name.replace("GET", "HEAD", 1)
    assert (await call(api, head, {})).status_code == 401
    assert (await call(api, head, shown["unknown"])).status_code == 401
    status = (await call(api, head, shown["free"])).status_code
    assert (status == 403) == (TABLE[name] != KEY)


@pytest.mark.parametrize(
    "path", ["/api/auth/keys/", "/api//auth/keys", "/API/auth/keys", "/api/auth/keys/x/y", "/api/auth"]
)
async def test_no_other_spelling_of_a_path_is_a_way_in(api: Service, path: str) -> None:
    error_of(await api.get(path), 404, "not_found")
    error_of(await api.client.request("PATCH", "/api/auth/keys"), 405, "method_not_allowed")
