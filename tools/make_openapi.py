"""Records the OpenAPI document's examples from the simulated market, and the snapshots the contract tests compare with.

`make docs` runs it; run it alone after a change to a route: `.venv/bin/python tools/make_openapi.py`. It writes
`src/crypto_dt_source/api/examples.json`, `tests/contract/openapi.json` (the document without its examples) and
`tests/contract/routes.txt`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("", "api", "contract")]

from api_document import routes_of, shape_of  # noqa: E402
from in_process import service  # noqa: E402

from crypto_dt_source.api.app import create_app  # noqa: E402
from crypto_dt_source.api.errors import error_body  # noqa: E402
from crypto_dt_source.model.errors import DeadlineExceeded  # noqa: E402
from crypto_dt_source.services import collect  # noqa: E402

EXAMPLES = ROOT / "src" / "crypto_dt_source" / "api" / "examples.json"
CONTRACT = ROOT / "tests" / "contract"
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
    "/api/orderbook": "/api/orderbook?symbol=BTC",
    "/api/trades": "/api/trades?symbol=BTC",
    "/api/providers": "/api/providers?q=binance",
    "/api/providers/category/{category}": "/api/providers/category/exchange",
    "/api/providers/{provider_id}": "/api/providers/binance",
    "/api/providers/{provider_id}/stats": "/api/providers/binance/stats",
    "/api/health": "/api/health",
    "/api/health/live": "/api/health/live",
    "/api/health/ready": "/api/health/ready",
}
"""The request behind the example of each route."""
REFUSED = {
    "/api/exchanges/{exchange_id}": "/api/exchanges/nowhere",
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
    async with service(folder, collected=False, mode="demo") as api:

        async def ask(target: str, status: int) -> Any:
            answer = await api.client.get(target, headers={"X-Request-ID": "example"})
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
        await api.get("/api/coins")
        await api.pass_time(2)
        for path, target in ASKED.items():
            await api.get(target)
            found.setdefault(f"GET {path}", {})["200"] = await ask(target, 200)
        for path, target in REFUSED.items():
            found[f"GET {path}"]["404"] = await ask(target, 404)
        for status, target in ERRORS.items():
            found["*"][status] = await ask(target, int(status))
    late, _ = error_body(DeadlineExceeded("The answer was not ready within 20 seconds."), "example")
    found["*"]["504"] = json.loads(late)
    return found


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
