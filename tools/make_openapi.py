"""Records the OpenAPI document's examples from the simulated market, and the snapshots the contract tests compare with.

`make docs` runs it; run it alone after a change to a route: `.venv/bin/python tools/make_openapi.py`. It writes
`src/crypto_dt_source/api/examples.json`, `tests/contract/openapi.json` (the document without its examples) and
`tests/contract/routes.txt`.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("", "api", "contract")]

from api_document import routes_of, shape_of  # noqa: E402
from in_process import Service, service  # noqa: E402

import harness  # noqa: E402
from crypto_dt_source.api.app import create_app  # noqa: E402
from crypto_dt_source.api.errors import error_body  # noqa: E402
from crypto_dt_source.api.schemas.auth import KeyIn  # noqa: E402
from crypto_dt_source.api.schemas.diagnostics import EXAMPLE as DIAGNOSIS  # noqa: E402
from crypto_dt_source.api.schemas.sentiment import PromptIn, TextIn, TextsIn  # noqa: E402
from crypto_dt_source.api.schemas.sessions import BroadcastIn  # noqa: E402
from crypto_dt_source.api.schemas.system import ProviderIn  # noqa: E402
from crypto_dt_source.model.errors import DeadlineExceeded  # noqa: E402
from crypto_dt_source.services import collect, news  # noqa: E402
from discovery_examples import discovered  # noqa: E402
from operation_examples import pooled, timetabled  # noqa: E402
from resource_examples import resourced  # noqa: E402

EXAMPLES = ROOT / "src" / "crypto_dt_source" / "api" / "examples.json"
CONTRACT = ROOT / "tests" / "contract"
KEY = "operator-of-the-examples"
KEYS_AFTER_MS = 2 * 3_600_000
"""When keys are made, from the start: how long the work before takes in simulated time is not the same in every run."""
Ask = Callable[..., Coroutine[Any, Any, Any]]
ROWS = 2
"""Rows of a list that an example shows."""
ASKED = {
    "/api/prices": "/api/prices?symbols=BTC,ETH,BTX",
    "/api/prices/history/{symbol}": "/api/prices/history/BTC",
    "/api/prices/{symbol}/sources": "/api/prices/BTC/sources",
    "/api/prices/{symbol}": "/api/prices/BTC",
    "/api/market": "/api/market",
    "/api/market/history": "/api/market/history",
    "/api/market/gainers": "/api/market/gainers",
    "/api/market/losers": "/api/market/losers",
    "/api/market/categories": "/api/market/categories",
    "/api/trending": "/api/trending",
    "/api/exchanges": "/api/exchanges",
    "/api/exchanges/{exchange_id}": "/api/exchanges/binance",
    "/api/coins": "/api/coins",
    "/api/coins/search": "/api/coins/search?q=bit",
    "/api/coins/{symbol}": "/api/coins/bitcoin",
    "/api/ohlcv": "/api/ohlcv?symbol=BTC",
    "/api/ohlcv/coverage": "/api/ohlcv/coverage?symbol=BTC",
    "/api/historical-data": "/api/historical-data?dataset=ohlcv&symbol=BTC",
    "/api/orderbook": "/api/orderbook?symbol=BTC",
    "/api/trades": "/api/trades?symbol=BTC",
    "/api/derivatives/funding": "/api/derivatives/funding?symbol=BTC",
    "/api/derivatives/open-interest": "/api/derivatives/open-interest?symbol=BTC",
    "/api/defi": "/api/defi",
    "/api/defi/tvl-chart": "/api/defi/tvl-chart?days=7",
    "/api/defi/chains": "/api/defi/chains",
    "/api/defi/yields": "/api/defi/yields",
    "/api/defi/stablecoins": "/api/defi/stablecoins",
    "/api/defi/dex-volumes": "/api/defi/dex-volumes",
    "/api/blockchain/gas": "/api/blockchain/gas",
    "/api/blockchain/stats": "/api/blockchain/stats",
    "/api/news": "/api/news",
    "/api/news/sources": "/api/news/sources",
    "/api/sentiment": "/api/sentiment",
    "/api/sentiment/history": "/api/sentiment/history",
    "/api/sentiment/fear-greed": "/api/sentiment/fear-greed",
    "/api/sentiment/{symbol}": "/api/sentiment/BTC",
    "/api/models": "/api/models",
    "/api/providers": "/api/providers?q=binance",
    "/api/providers/category/{category}": "/api/providers/category/exchange",
    "/api/providers/{provider_id}": "/api/providers/binance",
    "/api/providers/{provider_id}/stats": "/api/providers/binance/stats",
    "/api/health": "/api/health",
    "/api/health/live": "/api/health/live",
    "/api/health/ready": "/api/health/ready",
    "/health": "/health",
    "/api/hf/health": "/api/hf/health",
    "/api/status": "/api/status",
    "/api/stats": "/api/stats",
    "/api/stats/export": "/api/stats/export",
    "/api/freshness": "/api/freshness",
    "/api/failures": "/api/failures",
    "/api/budgets": "/api/budgets",
    "/api/metrics": "/api/metrics",
    "/api/logs": "/api/logs",
    "/api/logs/recent": "/api/logs/recent",
    "/api/logs/errors": "/api/logs/errors",
    "/api/logs/stats": "/api/logs/stats",
    "/api/logs/export/json": "/api/logs/export/json",
    "/api/sessions": "/api/sessions",
    "/api/sessions/stats": "/api/sessions/stats",
    "/ws/stats": "/ws/stats",
}
"""The request behind the example of each route."""
TEXT = TextIn.example
TEXTS = TextsIn.example
POSTED: dict[str, tuple[str, dict[str, Any]]] = {
    "/api/analyze/text": ("/api/analyze/text", TEXT),
    "/api/analyze/batch": ("/api/analyze/batch", TEXTS),
    "/api/sentiment/analyze": ("/api/sentiment/analyze", TEXT),
    "/api/sentiment/crypto-analysis": ("/api/sentiment/crypto-analysis", TEXT),
    "/api/hf/run-sentiment": ("/api/hf/run-sentiment", TEXTS),
    "/api/models/{id}/load": ("/api/models/embedded/load", {}),
    "/api/broadcast": ("/api/broadcast", BroadcastIn.example),
}
"""The request and its body behind the example of each POST that can be shown here."""
REFUSED = {
    "/api/exchanges/{exchange_id}": "/api/exchanges/nowhere",
    "/api/defi/protocols/{slug}": "/api/defi/protocols/nothing",
    "/api/defi/tvl-chart": "/api/defi/tvl-chart?chain=nowhere",
    "/api/blockchain/gas": "/api/blockchain/gas?chain=nowhere",
    "/api/blockchain/stats": "/api/blockchain/stats?chain=nowhere",
    "/api/news/{id}": "/api/news/0000000000000000",
    "/api/providers/{provider_id}": "/api/providers/nowhere",
    "/api/providers/{provider_id}/stats": "/api/providers/nowhere/stats",
    "/api/providers/category/{category}": "/api/providers/category/nothing",
}
"""The request behind the 404 of routes that are not about a symbol."""
ERRORS = {
    "404": "/api/prices/BTX",
    "413": f"/api/prices?symbols={'x' * 9000}",
    "422": "/api/ohlcv?symbol=BTC&limit=0",
}


def short(value: Any) -> Any:
    """The same with every list cut to a few rows, and every mapping of providers to their jobs likewise."""
    if isinstance(value, list):
        return [short(item) for item in value[:ROWS]]
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    return value


async def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """Answers by route and status; `*` holds errors that are alike on every route."""
    found: dict[str, dict[str, Any]] = {"*": {}}
    async with service(folder, collected=False, mode="demo", cdts_admin_key=KEY) as api:

        async def ask(
            target: str,
            status: int,
            body: Any = None,
            key: str = KEY,
            kind: str = "application/json",
            method: str = "",
        ) -> Any:
            headers = {"X-Request-ID": "example", "X-API-Key": key, "Content-Type": kind}
            method = method or ("GET" if body is None else "POST")
            sent = body if isinstance(body, str) else None if body is None else json.dumps(body)
            answer = await api.client.request(method, target, headers=headers, content=sent)
            if answer.status_code != status:
                raise SystemExit(f"{target}: {answer.status_code} {answer.text[:300]}")
            return short(answer.json())

        found["GET /api/health/ready"] = {"503": await ask("/api/health/ready", 503)}
        api.upstreams.dead = True
        found["*"]["503"] = await ask("/api/market/categories", 503)
        api.upstreams.dead = False
        await api.pass_time(3600)
        await collect.one_round(api.rt)
        await collect.store_prices(api.rt)
        await news.read_feeds(api.rt)
        await api.get("/api/coins")
        await api.pass_time(2)
        for path, target in ASKED.items():
            await api.get(target)
            found.setdefault(f"GET {path}", {})["200"] = await ask(target, 200)
        for path in ("/api/sessions/stats", "/ws/stats"):
            # Another one in every run.
            found[f"GET {path}"]["200"]["data"]["epoch"] = "9f3a1b2c"
        await _operated(found, ask)
        found.update(await discovered(api.rt, ask))
        found.update(await resourced(api.rt, ask))
        found.update(await pooled(ask))
        found.update(await timetabled(ask))
        await _posted(found, ask)
        await _keys(found, ask, api)
        await _of_one(found, ask)
        for path, target in REFUSED.items():
            found[f"GET {path}"]["404"] = await ask(target, 404)
        for status, target in ERRORS.items():
            found["*"][status] = await ask(target, int(status))
    late, _ = error_body(DeadlineExceeded("The answer was not ready within 20 seconds."), "example")
    found["*"]["504"] = json.loads(late)
    return found


LINE = {
    "timestamp": "2026-11-22T06:00:00.250000Z",
    "level": "warning",
    "category": "gateway",
    "provider": "kraken",
    "message": "a stream stopped",
    "details": {"reason": "no data"},
}
"""Real lines and figures of a process are others in every run."""
LOG_COUNTS = {
    "total": 1,
    "by_level": {"warning": 1},
    "by_category": {"gateway": 1},
    "by_provider": {"kraken": 1},
    "oldest": LINE["timestamp"],
    "newest": LINE["timestamp"],
    "storage": {
        "kept": True,
        "files": 1,
        "size_bytes": 160,
        "room_bytes": 32_000_000,
        "waiting": 0,
        "dropped": 0,
        "error": None,
        "since_start": {"warning": 1},
    },
}
PROCESS = {"resident_bytes": 180_000_000, "cpu_seconds": 12.5, "open_files": 24}


async def _operated(found: dict[str, dict[str, Any]], ask: Ask) -> None:
    """The log, metrics, and providers as an operator changes them."""
    for path in ("", "/recent", "/errors", "/export/json"):
        answer = found[f"GET /api/logs{path}"]["200"]
        answer["data"] = [LINE]
        if path == "/export/json":
            answer["meta"]["rows"] = 1
    found["GET /api/logs/stats"]["200"]["data"] = LOG_COUNTS
    found["GET /api/metrics"]["200"]["data"].update(
        process=PROCESS, log={"lines": {"warning": 1}, "dropped": 0}
    )
    for route in ("POST /api/diagnostics/run", "GET /api/diagnostics/last", "GET /api/reports/models"):
        found[route] = {"200": DIAGNOSIS}
    gone = await ask("/api/logs?before=2026-01-01", 200, method="DELETE")
    found["DELETE /api/logs"] = {"200": {**gone, "deleted_lines": 0, "deleted_bytes": 0}}
    found["POST /api/providers/{provider_id}/health-check"] = {
        "200": await ask("/api/providers/kraken/health-check", 200, ""),
        "404": await ask("/api/providers/nowhere/health-check", 404, ""),
    }
    found["PATCH /api/providers/{provider_id}"] = {
        "200": await ask("/api/providers/kraken", 200, ProviderIn.example, method="PATCH"),
        "404": await ask("/api/providers/nowhere", 404, ProviderIn.example, method="PATCH"),
    }
    restored = {"enabled": True, "priority": None, "weight": None}
    await ask("/api/providers/kraken", 200, restored, method="PATCH")


async def _posted(found: dict[str, dict[str, Any]], ask: Ask) -> None:
    """Scored texts, the models, and what is said without the right key."""
    for path, (target, body) in POSTED.items():
        found[f"POST {path}"] = {"200": await ask(target, 200, body)}
    load = found["POST /api/models/{id}/load"]
    unloaded = copy.deepcopy(load["200"])
    unloaded["data"].update(id="finbert", state="unloaded", memory_mb=None)
    found["POST /api/models/{id}/unload"] = {
        "200": unloaded,
        "409": await ask("/api/models/embedded/unload", 409, {}),
    }
    told = found["POST /api/analyze/text"]["200"]["meta"]
    found["POST /api/models/{id}/generate"] = {
        "200": {
            "model": "opt-125m",
            "prompt": PromptIn.example["prompt"],
            "text": " …",
            "timestamp": told["fetched_at"],
            "meta": {**told, "source": ["opt-125m"], "model": "opt-125m", "revision": "…"},
        },
        "422": await ask("/api/models/embedded/generate", 422, PromptIn.example),
    }
    for name in ("load", "unload", "generate"):
        body = PromptIn.example if name == "generate" else {}
        found[f"POST /api/models/{{id}}/{name}"]["404"] = await ask(f"/api/models/none/{name}", 404, body)
    for path in ("/api/analyze/text", "/api/analyze/batch", "/api/hf/run-sentiment"):
        body = {**(TEXT if path.endswith("text") else TEXTS), "model": "none"}
        found[f"POST {path}"]["404"] = await ask(path, 404, body)
    for path in ("/api/sentiment/analyze", "/api/sentiment/crypto-analysis"):
        found[f"POST {path}"]["404"] = found["POST /api/analyze/text"]["404"]
    found["*"]["400"] = await ask("/api/analyze/text", 400, "no JSON")
    found["*"]["415"] = await ask("/api/analyze/text", 415, TEXT, kind="text/plain")
    found["*"]["409"] = await ask("/api/analyze/text", 409, {**TEXT, "model": "finbert"})
    found["*"]["401"] = await ask("/api/analyze/batch", 401, TEXTS, key="")


async def _keys(found: dict[str, dict[str, Any]], ask: Ask, api: Service) -> None:
    """Keys and tokens, their secrets, ids and times in the shape of real ones and not real."""
    await api.pass_time((harness.START_MS + KEYS_AFTER_MS - api.clock.now_ms()) / 1000)
    made = await ask("/api/auth/keys", 201, KeyIn.example)
    name, secret = made["data"]["id"], made["data"]["key"]
    # Two of one moment would stand in the order of their ids.
    await api.pass_time(2)
    found["POST /api/auth/keys"] = {"201": made}
    found["GET /api/auth/me"] = {"200": await ask("/api/auth/me", 200, key=secret)}
    found["GET /api/usage"] = {"200": await ask("/api/usage", 200, key=secret)}
    found["POST /api/auth/token"] = {
        "200": await ask("/api/auth/token", 200, {"api_key": secret}, key=""),
        "422": await ask("/api/auth/token", 422, {}, key=""),
    }
    found["*"]["403"] = await ask("/api/auth/keys", 403, KeyIn.example, key=secret)
    rotated = await ask(f"/api/auth/keys/{name}/rotate?grace_seconds=3600", 201, "")
    found["POST /api/auth/keys/{id}/rotate"] = {
        "201": rotated,
        "404": await ask("/api/auth/keys/key_0123456789Ab/rotate", 404, ""),
        "409": await ask(f"/api/auth/keys/{name}/rotate", 409, ""),
    }
    found["DELETE /api/auth/keys/{id}"] = {
        "200": await ask(f"/api/auth/keys/{name}", 200, method="DELETE"),
        "404": await ask("/api/auth/keys/key_0123456789Ab", 404, method="DELETE"),
    }
    found["GET /api/auth/keys"] = {"200": await ask("/api/auth/keys", 200)}
    found["GET /api/auth/audit"] = {"200": await ask("/api/auth/audit", 200)}
    told = {secret: "cdts_live_…", rotated["data"]["key"]: "cdts_live_…"}
    for name in [name for name in found if "/auth/" in name or name.endswith("usage")]:
        found[name] = _stable(found[name], told)
    found["*"]["403"] = _stable(found["*"]["403"], told)


_KEY_ID = re.compile(r"key_[0-9A-Za-z]{12}")
_PREFIX = re.compile(r"cdts_live_[0-9A-Za-z]{6}…")


def _stable(value: Any, told: dict[str, str]) -> Any:
    """The same in every run, and nothing in it that opens anything."""
    if isinstance(value, dict):
        made = {key: _stable(item, told) for key, item in value.items()}
        return {**made, "access_token": "eyJ….eyJ….…"} if "access_token" in made else made
    if isinstance(value, list):
        return [_stable(item, told) for item in value]
    if not isinstance(value, str):
        return value
    for secret, shown in told.items():
        value = value.replace(secret, shown)
    return _PREFIX.sub("cdts_live_0Ab1Cd…", _KEY_ID.sub("key_0123456789Ab", value))


async def _of_one(found: dict[str, dict[str, Any]], ask: Ask) -> None:
    """Pages of what the lists named."""
    slug = found["GET /api/defi"]["200"]["data"][0]["slug"]
    found["GET /api/defi/protocols/{slug}"] = {"200": await ask(f"/api/defi/protocols/{slug}", 200)}
    article = found["GET /api/news"]["200"]["data"][0]["id"]
    found["GET /api/news/{id}"] = {"200": await ask(f"/api/news/{article}", 200)}


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")


def main() -> int:
    """Write all three files."""
    with tempfile.TemporaryDirectory() as folder:
        examples = asyncio.run(recorded(Path(folder)))
    write(EXAMPLES, json.dumps(examples, indent=1, ensure_ascii=False) + "\n")
    app = create_app()
    write(CONTRACT / "openapi.json", json.dumps(shape_of(app.openapi()), indent=1, ensure_ascii=False) + "\n")
    write(CONTRACT / "routes.txt", "".join(f"{line}\n" for line in routes_of(app.openapi())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
