"""The OpenAPI document and the two pages that show it. Their scripts come with the installation: a browser that opens
them asks this server and nobody else."""

from __future__ import annotations

import asyncio
import copy
from functools import cache
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from ..model.errors import NotFound
from .dashboard import File, packed, sent

OPENAPI = "/openapi.json"
ASSETS = "/docs/assets"
SWAGGER_SCRIPT = """SwaggerUIBundle({
  url: new URL("../../openapi.json", document.currentScript.src).href,
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
REDOC_SCRIPT = """Redoc.init(new URL("../../openapi.json", document.currentScript.src).href,
  {disableSearch: false, hideDownloadButton: false}, document.getElementById("docs"));
"""
PACKAGED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
"""Files of the package that carries Swagger UI and ReDoc, with their types."""
OWN = {"swagger.js": SWAGGER_SCRIPT, "redoc.js": REDOC_SCRIPT}
REMOTE_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'"
)
"""What the pages may load. The two libraries write styles into the page; scripts only come from this server."""


def _page(title: str, style: str, *scripts: str) -> bytes:
    link = f'<link rel="stylesheet" href="docs/assets/{style}">' if style else ""
    tags = "".join(f'<script src="docs/assets/{name}"></script>' for name in scripts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Crypto-DT-Source {title}</title><link rel="icon" href="docs/assets/favicon.png">{link}</head>'
        f'<body style="margin:0"><div id="docs"></div>{tags}</body></html>'
    ).encode()


SWAGGER_PAGE = _page("API", "swagger-ui.css", "swagger-ui-bundle.js", "swagger.js")
REDOC_PAGE = _page("reference", "", "redoc.standalone.js", "redoc.js")


@cache
def _folder() -> Traversable:
    return resources.files("fastapi_offline") / "static"


def _read(name: str) -> bytes:
    body = (_folder() / name).read_bytes()
    # ReDoc shows a logo from its maker's server at the foot of its menu.
    return body.replace(REMOTE_LOGO, b"data:,") if name == "redoc.standalone.js" else body


async def _asset(name: str) -> Response:
    if name in OWN:
        body, kind = OWN[name].encode(), "text/javascript"
    elif name in PACKAGED:
        body, kind = await asyncio.to_thread(_read, name), PACKAGED[name]
    else:
        raise NotFound("There is no such file; /docs shows the API.")
    return kept(body, kind, 86_400)


def kept(body: bytes, kind: str, max_age_s: int, **more: str) -> Response:
    """An answer a browser may keep, with an ETag to ask again by."""
    etag = f'"{blake2b(body, digest_size=10).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={max_age_s}", **more}
    return Response(body, media_type=kind, headers=headers)


def _html(body: bytes) -> Response:
    return kept(body, "text/html", 300, **{"Content-Security-Policy": POLICY})


def install(app: FastAPI) -> None:
    """`/openapi.json`, `/docs`, `/redoc` and their files, outside the document itself."""
    app.openapi = lambda: document(app)  # type: ignore[method-assign]

    @cache
    def written() -> File:
        return packed(msgspec.json.encode(app.openapi()), "application/json")

    @app.get(OPENAPI, include_in_schema=False)
    async def openapi(request: Request) -> Response:
        # The first one is made from every route and model: a quarter of a second that the loop must not stand still.
        return sent(request, await asyncio.to_thread(written), "public, max-age=300")

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> Response:
        return _html(SWAGGER_PAGE)

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> Response:
        return _html(REDOC_PAGE)

    @app.get(ASSETS + "/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        return await _asset(name)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document with an example for every answer; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _add_examples(made, examples())
        app.openapi_schema = made
    return app.openapi_schema


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Recorded answers of the simulated market by `METHOD path` and status: `tools/make_openapi.py` writes them."""
    text = (resources.files(__package__) / "examples.json").read_bytes()
    found: dict[str, dict[str, Any]] = msgspec.json.decode(text)
    return found


def _add_examples(made: dict[str, Any], known: dict[str, dict[str, Any]]) -> None:
    """`known["*"]` are error answers by status, for every route."""
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            own = {**known.get("*", {}), **known.get(f"{method.upper()} {path}", {})}
            for status, answer in operation["responses"].items():
                if status in own:
                    answer["content"]["application/json"]["example"] = copy.deepcopy(own[status])
