"""Write docs/examples: every route of the API with a request and what it answers. `make docs` runs it, after
`tools/make_openapi.py`, whose recorded answers it shows. `tests/docs/test_examples.py` sends every request to a running demo."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from crypto_dt_source.api.access import ADMIN, KEY, PRO_TIER, PUBLIC, Level
from crypto_dt_source.api.app import ROUTERS, TAGS, create_app

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "examples"
MADE = "*Generated from the code by `make docs`; a test sends every request to a running `cdts demo`.*"
SERVER = "http://127.0.0.1:7860"
WIDTH = 110
LONGEST_TEXT = 160
ASKED = {
    "GET /api/prices": "?symbols=BTC,ETH,BTX",
    "GET /api/prices/history/{symbol}": "/api/prices/history/BTC",
    "GET /api/prices/{symbol}/sources": "/api/prices/BTC/sources",
    "GET /api/prices/{symbol}": "/api/prices/BTC",
    "GET /api/exchanges/{exchange_id}": "/api/exchanges/binance",
    "GET /api/coins/search": "?q=bit",
    "GET /api/coins/{symbol}": "/api/coins/bitcoin",
    "GET /api/ohlcv": "?symbol=BTC",
    "GET /api/ohlcv/coverage": "?symbol=BTC",
    "GET /api/historical-data": "?dataset=ohlcv&symbol=BTC",
    "GET /api/orderbook": "?symbol=BTC",
    "GET /api/trades": "?symbol=BTC",
    "GET /api/derivatives/funding": "?symbol=BTC",
    "GET /api/derivatives/open-interest": "?symbol=BTC",
    "GET /api/defi/tvl-chart": "?days=7",
    "GET /api/defi/protocols/{slug}": "/api/defi/protocols/$ID",
    "GET /api/sentiment/{symbol}": "/api/sentiment/BTC",
    "POST /api/models/{id}/load": "/api/models/embedded/load",
    "POST /api/models/{id}/unload": "/api/models/finbert/unload",
    "POST /api/models/{id}/generate": "/api/models/opt-125m/generate",
    "GET /api/providers": "?q=binance",
    "GET /api/providers/category/{category}": "/api/providers/category/exchange",
    "GET /api/resources": "?q=kraken&category=exchange",
    "GET /api/resources/category/{category}": "/api/resources/category/sentiment?page_size=1",
    "DELETE /api/resources/provider/{id}": "/api/resources/provider/harbour",
    "POST /api/pools/{pool_id}/members/{provider_id}": "/api/pools/own_books/members/gemini",
    "PUT /api/pools/{pool_id}/members/{provider_id}": "/api/pools/own_books/members/gemini",
    "DELETE /api/pools/{pool_id}/members/{provider_id}": "/api/pools/own_books/members/gemini",
    "POST /api/pools/{pool_id}/members/{provider_id}/return": "/api/pools/own_books/members/kraken/return",
    "POST /api/auth/keys/{id}/rotate": "?grace_seconds=3600",
    "POST /api/diagnostics/run": "?auto_fix=true&dry_run=true",
    "GET /api/stats/export": "?format=csv",
    "DELETE /api/logs": "?before=2026-01-01",
}
"""What is asked of a route: a whole path, or a query for its own path."""
FILLED = {"{provider_id}": "kraken", "{pool_id}": "own_books", "{job_id}": "store_prices", "{id}": "$ID"}
ID_OF = {
    "GET /api/defi/protocols/{slug}": "GET /api/defi",
    "GET /api/news/{id}": "GET /api/news",
    "POST /api/discovery/candidates/{id}/approve": "GET /api/discovery/candidates",
    "POST /api/discovery/candidates/{id}/reject": "GET /api/discovery/candidates",
    "POST /api/discovery/candidates/{id}/take-back": "GET /api/discovery/candidates",
    "POST /api/auth/keys/{id}/rotate": "POST /api/auth/keys",
    "DELETE /api/auth/keys/{id}": "POST /api/auth/keys",
}
"""Of a request with `$ID` in its address: the route whose answer has that id (of a protocol: its slug)."""
LATER = {
    "POST /api/pools/{pool_id}/members/{provider_id}/return": 1,
    "DELETE /api/pools/{pool_id}/members/{provider_id}": 2,
    "DELETE /api/pools/{pool_id}": 3,
    "POST /api/auth/keys/{id}/rotate": 1,
    "DELETE /api/auth/keys/{id}": 2,
    "POST /api/resources/import/json": 1,
    "POST /api/resources/import/csv": 2,
    "DELETE /api/resources/provider/{id}": 3,
}
"""What undoes something is shown after what makes it: of the requests of one resource the later ones."""
SENT_AS = {ADMIN: '-H "X-API-Key: $ADMIN" ', PRO_TIER: '-H "X-API-Key: $KEY" ', KEY: '-H "X-API-Key: $KEY" '}
NEEDS = {
    ADMIN: "Needs a key with the admin scope.",
    PRO_TIER: "Needs a key of the pro tier.",
    KEY: "Needs a key of any tier.",
    PUBLIC: "",
}


class Example(NamedTuple):
    """A route as the page shows it: its title, the command, what is answered and as what."""

    route: str
    title: str
    told: list[str]
    command: str
    answer: str
    language: str


def level_of(dependant: Dependant) -> str:
    """The access level of a route."""
    if isinstance(dependant.call, Level):
        return dependant.call.level
    return next((level for inner in dependant.dependencies if (level := level_of(inner)) != PUBLIC), PUBLIC)


def levels() -> dict[str, str]:
    """The access level of every route."""
    return {
        f"{method} {route.path_format}": level_of(route.dependant)
        for module in ROUTERS
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def target(route: str) -> str:
    """The path and query that a route's example asks."""
    _, _, path = route.partition(" ")
    asked = ASKED.get(route, "")
    if asked.startswith("/"):
        return asked
    for parameter, value in FILLED.items():
        path = path.replace(parameter, value)
    return path + asked


def command(route: str, level: str, operation: dict[str, Any]) -> str:
    """The request as a command line."""
    method = route.partition(" ")[0]
    url = SERVER + target(route)
    quoted = f'"{url}"' if "$" in url else shlex.quote(url) if "?" in url else url
    if route == "POST /api/auth/token":
        # The key stands in the header here: the example of the body has none that is real.
        return f'curl -X POST -H "X-API-Key: $KEY" {quoted}'
    sent = ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "text/csv":
            sent = f"-H 'Content-Type: {kind}' --data-binary @catalogue.csv "
        else:
            sent = f"-H 'Content-Type: {kind}' -d {shlex.quote(json.dumps(content['example'], ensure_ascii=False))} "
    verb = "" if method == "GET" else f"-X {method} "
    return f"curl {verb}{SENT_AS.get(level, '')}{sent}{quoted}"


def written(value: Any, indent: int = 0) -> str:
    """JSON as the pages show it: what fits on a line is one, a list is its first item and an ellipsis."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        value = value[:LONGEST_TEXT].rstrip() + "…"
    if isinstance(value, list):
        rest = ", …" if len(value) > 1 else ""
        line = "[" + ", ".join(flat(item) for item in value[:1]) + rest + "]"
        if len(line) + indent <= WIDTH or not value:
            return line
        pad = " " * (indent + 2)
        inner = pad + written(value[0], indent + 2) + (f",\n{pad}…" if rest else "")
        return f"[\n{inner}\n{' ' * indent}]"
    if isinstance(value, dict) and value:
        line = flat(value)
        if len(line) + indent <= WIDTH:
            return line
        pad = " " * (indent + 2)
        return "{\n" + ",\n".join(packed(value, pad)) + "\n" + " " * indent + "}"
    return json.dumps(value, ensure_ascii=False)


def flat(value: Any) -> str:
    """The same on one line, however long."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([*(flat(item) for item in value[:1]), *["…"] * (len(value) > 1)]) + "]"
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        value = value[:LONGEST_TEXT].rstrip() + "…"
    return json.dumps(value, ensure_ascii=False)


def packed(fields: dict[str, Any], pad: str) -> Iterator[str]:
    """The fields of an object, as many on a line as fit."""
    line = ""
    for name, value in fields.items():
        simple = not isinstance(value, dict | list) or len(flat(value)) <= WIDTH // 2
        said = f"{json.dumps(name)}: {flat(value) if simple else written(value, len(pad))}"
        if line and (not simple or len(line) + len(said) + 2 > WIDTH):
            yield line
            line = ""
        line = f"{line}, {said}" if line else pad + said
        if not simple:
            yield line
            line = ""
    if line:
        yield line


def answered(operation: dict[str, Any], route: str) -> tuple[str, str]:
    """What is answered, and the language of its block."""
    answer = next(answer for status, answer in operation["responses"].items() if status < "400")
    kinds = answer["content"]
    if "format=csv" in target(route) or "application/json" not in kinds:
        (kind,) = (kind for kind in kinds if kind.startswith("text/"))
        return str(kinds[kind]["example"]).replace("\r\n", "\n").rstrip() + "\n", "text"
    return written(kinds["application/json"]["example"]) + "\n", "json"


def examples(document: dict[str, Any]) -> dict[str, list[Example]]:
    """Every route's example, by tag."""
    known = levels()
    found: dict[str, list[tuple[int, int, Example]]] = {tag["name"]: [] for tag in TAGS}
    resources: dict[str, int] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            beside = f"{operation['tags'][0]} {'/'.join(path.split('/')[:3])}"
            resource = resources.setdefault(beside, len(resources))
            route = f"{method.upper()} {path}"
            level = known[route]
            said = operation["description"].split("\n\n")[0].replace("\n", " ")
            needs = "" if "admin scope" in said else NEEDS[level]
            told = [line for line in (said, needs, from_where(route)) if line]
            body, language = answered(operation, route)
            made = Example(
                route, operation["summary"], told, command(route, level, operation), body, language
            )
            found[operation["tags"][0]].append((resource, LATER.get(route, 0), made))
    return {
        tag: [one for *_, one in sorted(rows, key=lambda row: row[:2])] for tag, rows in found.items() if rows
    }


def from_where(route: str) -> str:
    name = "slug" if "{slug}" in route else "id"
    return f"`$ID` is the `{name}` of one in the answer of `{ID_OF[route]}`." if route in ID_OF else ""


def page(tag: dict[str, str], rows: list[Example]) -> str:
    parts = [
        f"# Examples: {tag['name']}",
        MADE,
        f"{tag['description']} Answers are those of a simulated market and shortened: `…` stands for more of a list. "
        "`$KEY` is an API key, `$ADMIN` one with the admin scope ([access.md](../access.md)).",
    ]
    for one in rows:
        parts += [
            f"## {one.title}: `{one.route}`",
            " ".join(one.told),
            f"```console\n$ {one.command}\n```",
            f"```{one.language}\n{one.answer}```",
        ]
    return "\n\n".join(parts) + "\n"


def generated(document: dict[str, Any]) -> dict[str, str]:
    """Every page by its path in the repository, of an OpenAPI document."""
    tags = {tag["name"]: tag for tag in TAGS}
    return {
        f"docs/examples/{name.replace(' ', '-')}.md": page(tags[name], rows)
        for name, rows in examples(document).items()
    }


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated(create_app().openapi()).items():
        (ROOT / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
