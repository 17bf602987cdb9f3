"""Asking a service whose limits are small: from any address, through proxies, with keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
from in_process import ADDRESS, Service, service

from crypto_dt_source.services import access

PATH = "/api/providers/binance"
"""A limited route that needs no data; its answer is kept warm."""
SMALL: dict[str, Any] = {
    "free_tier_limit": "3/minute",
    "free_tier_daily": 5,
    "pro_tier_limit": "6/minute",
    "pro_tier_daily": 9,
}


def limited(folder: Path, **more: Any) -> Any:
    """`service` under SMALL limits, without data."""
    return service(folder, **{"collected": False, **SMALL, **more})


async def ask(
    running: Service, path: str = PATH, *, peer: str = "203.0.113.5", method: str = "GET", **headers: str
) -> httpx2.Response:
    """One request whose connection comes from `peer`."""
    transport = httpx2.ASGITransport(app=running.edge, client=(peer, 40_000))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.request(method, path, headers=given)


async def statuses(running: Service, count: int, path: str = PATH, **more: Any) -> list[int]:
    """The statuses of so many requests, one after the other."""
    return [(await ask(running, path, **more)).status_code for _ in range(count)]


async def key(running: Service, tier: str, name: str = "a caller") -> str:
    """The secret of a new key."""
    return (await access.create(running.rt.access, name, tier=tier))[0]


def told(answer: httpx2.Response) -> dict[str, str]:
    """The limiter's headers of an answer."""
    return {
        name: value
        for name, value in answer.headers.items()
        if name.startswith(("ratelimit", "x-ratelimit", "retry-after"))
    }
