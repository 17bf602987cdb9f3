"""Examples of the catalogue's and the scoreboard's routes for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from crypto_dt_source.api.routes.resources import EXAMPLE
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.repos import scores
from crypto_dt_source.store.repos.scores import HourRow

HOUR_MS = 3_600_000
Ask = Callable[..., Awaitable[Any]]


async def resourced(rt: Runtime, ask: Ask) -> dict[str, dict[str, Any]]:
    """Answers by route and status; what was added is gone again."""
    hour = rt.clock.now_ms() // HOUR_MS * HOUR_MS - HOUR_MS
    await scores.put(rt.store, [HourRow("kraken", hour, 58, 1, 0, 2750, 12, 84.0, 212.0, 1840.0, 0.031)])
    found = {
        "GET /api/providers/scoreboard": {"200": await ask("/api/providers/scoreboard", 200)},
        "GET /api/providers/{provider_id}/scoreboard": {
            "200": await ask("/api/providers/kraken/scoreboard", 200),
            "404": await ask("/api/providers/nowhere/scoreboard", 404),
        },
        "GET /api/resources": {"200": await ask("/api/resources?q=kraken&category=exchange", 200)},
        "GET /api/resources/category/{category}": {
            "200": await ask("/api/resources/category/sentiment?page_size=1", 200),
            "404": await ask("/api/resources/category/nothing", 404),
        },
        "GET /api/resources/export/json": {"200": await ask("/api/resources/export/json", 200)},
    }
    provider = "POST /api/resources/provider"
    found[provider] = {"201": await ask("/api/resources/provider", 201, EXAMPLE)}
    found[provider]["409"] = await ask("/api/resources/provider", 409, EXAMPLE)
    inside = {**EXAMPLE, "fields": {**EXAMPLE["fields"], "base_url": "https://10.0.0.1"}}
    found[provider]["422"] = await ask("/api/resources/provider", 422, {**inside, "id": "pier"})
    found["DELETE /api/resources/provider/{id}"] = {
        "200": await ask("/api/resources/provider/harbour", 200, method="DELETE"),
        "404": await ask("/api/resources/provider/harbour", 404, method="DELETE"),
    }
    taken = await ask("/api/resources/import/json", 200, {"entries": [EXAMPLE]})
    refused = await ask("/api/resources/import/json", 422, {"entries": [EXAMPLE, inside]})
    for kind in ("json", "csv"):
        found[f"POST /api/resources/import/{kind}"] = {"200": taken, "422": refused}
    await ask("/api/resources/provider/harbour", 200, method="DELETE")
    found["POST /api/resources/backup"] = {"201": await ask("/api/resources/backup", 201, "")}
    return found
