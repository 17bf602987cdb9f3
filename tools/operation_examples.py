"""Examples of the timetable's and the pools' routes for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from crypto_dt_source.api.schemas.pools import FailoverIn, MemberIn, PoolChangeIn, PoolIn

Ask = Callable[..., Awaitable[Any]]


async def timetabled(ask: Ask) -> dict[str, dict[str, Any]]:
    """Answers of the timetable's routes, by route and status."""
    found: dict[str, dict[str, Any]] = {"GET /api/jobs": {"200": await ask("/api/jobs", 200)}}
    one = "/api/jobs/store_prices"
    for route, target in (
        ("GET /api/jobs/{job_id}", one),
        ("GET /api/jobs/{job_id}/runs", f"{one}/runs"),
    ):
        found[route] = {
            "200": await ask(target, 200),
            "404": await ask(target.replace("store_prices", "nothing"), 404),
        }
    for action in ("pause", "resume"):
        found[f"POST /api/jobs/{{job_id}}/{action}"] = {
            "200": await ask(f"{one}/{action}", 200, ""),
            "404": await ask(f"/api/jobs/nothing/{action}", 404, ""),
        }
    # Nothing runs by itself where the examples are recorded.
    found["POST /api/jobs/{job_id}/run"] = {
        "202": found["GET /api/jobs/{job_id}"]["200"],
        "409": await ask(f"{one}/run", 409, ""),
    }
    return found


async def pooled(ask: Ask) -> dict[str, dict[str, Any]]:
    """Answers of the pools' routes, by route and status; what was made is gone again."""
    made = PoolIn.example["id"]
    pool = f"/api/pools/{made}"
    found: dict[str, dict[str, Any]] = {"GET /api/pools": {"200": await ask("/api/pools", 200)}}
    found["POST /api/pools"] = {
        "201": await ask("/api/pools", 201, PoolIn.example),
        "409": await ask("/api/pools", 409, PoolIn.example),
    }
    found["GET /api/pools/{pool_id}"] = {
        "200": await ask(pool, 200),
        "404": await ask("/api/pools/nothing", 404),
    }
    found["PUT /api/pools/{pool_id}"] = {"200": await ask(pool, 200, PoolChangeIn.example, method="PUT")}
    member = f"{pool}/members/gemini"
    route = "/api/pools/{pool_id}/members/{provider_id}"
    found[f"POST {route}"] = {"201": await ask(member, 201, MemberIn.example)}
    found[f"PUT {route}"] = {"200": await ask(member, 200, MemberIn.example, method="PUT")}
    found[f"DELETE {route}"] = {"200": await ask(member, 200, method="DELETE")}
    found["POST /api/pools/{pool_id}/rotate"] = {"200": await ask(f"{pool}/rotate", 200, "")}
    set_aside = {**FailoverIn.example, "until": None}
    aside = await ask(f"{pool}/failover", 200, set_aside)
    found["POST /api/pools/{pool_id}/failover"] = {"200": aside}
    back = f"{pool}/members/{set_aside['provider']}/return"
    found[f"POST {route}/return"] = {"200": await ask(back, 200, "")}
    for path, target in (("", "/api/pools/history"), ("/{pool_id}", f"{pool}/history")):
        name = "GET /api/pools/history" if not path else "GET /api/pools/{pool_id}/history"
        found[name] = {"200": await ask(target, 200)}
    found["DELETE /api/pools/{pool_id}"] = {"200": await ask(pool, 200, method="DELETE")}
    return found
