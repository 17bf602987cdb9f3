"""The dashboard: `/` and the files it is made of.

Plain files of `static/`, sent as they are written. Their address holds a digest of them all, so that a browser keeps them
for good and still has the new ones after an update; the page itself is asked for again each time. Chart library included,
a browser that opens the page asks this server and nobody else.
"""

from __future__ import annotations

import asyncio
import gzip
import html
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import FastAPI, Request, Response

from ..model.errors import NotFound
from .packing import takes_gzip

KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
PAGE = "index.html"
POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *"
)
"""Only this server's own files. Any page may frame the dashboard: a Space is shown inside one of another domain. There is
nothing a framing page could use: no cookie and no stored key, what needs a key needs it typed in."""
LATER = ("js/pages/", "js/chart.js", "js/theme.js", "vendor/")
"""What a page loads when it is opened, not before the first paint."""
_YEAR_S = 31_536_000
_COMPRESS_FROM = 512


class File(NamedTuple):
    """A file as it is sent: its bytes, the same with gzip (None where that is no shorter), its type."""

    body: bytes
    packed: bytes | None
    kind: str


class Site(NamedTuple):
    """Every file of the dashboard by its path, the page, and the digest of all of them."""

    files: dict[str, File]
    page: File
    digest: str


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif _suffix(entry.name) in KINDS:
            yield prefix + entry.name, entry


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2]


def packed(body: bytes, kind: str) -> File:
    """A body as a file to send, compressed where that makes it shorter."""
    small = gzip.compress(body, 9, mtime=0) if len(body) >= _COMPRESS_FROM else b""
    return File(body, small if small and len(small) < len(body) else None, kind)


@cache
def site() -> Site:
    """The whole dashboard, read and compressed once: about 100 ms and 600 KB, so not on the loop."""
    folder = resources.files(__package__) / "static"
    bodies = {path: entry.read_bytes() for path, entry in _walk(folder)}
    page = (folder / PAGE).read_bytes()
    digest = blake2b(digest_size=8)
    for path, body in [(PAGE, page), *bodies.items()]:
        digest.update(f"{path}:{len(body)}:".encode() + body)
    name = digest.hexdigest()
    files = {path: packed(body, KINDS[_suffix(path)]) for path, body in bodies.items()}
    return Site(files, packed(_filled(page, name, list(files)), "text/html"), name)


def _filled(page: bytes, digest: str, paths: list[str]) -> bytes:
    """The page with the place of its files, and those the first paint needs named ahead: without that a browser finds each
    module only in the one before."""
    ahead = [path for path in paths if path.endswith(".js") and not path.startswith(LATER)]
    links = "\n".join(
        f'<link rel="modulepreload" href="static/{digest}/{html.escape(path)}">' for path in ahead
    )
    return page.replace(b"{{static}}", f"static/{digest}".encode()).replace(b"{{preload}}", links.encode())


def sent(request: Request, file: File, cached: str, **more: str) -> Response:
    """One file, compressed for who takes it so."""
    body = file.body
    headers = {"Cache-Control": cached, "Vary": "Accept-Encoding", **more}
    if file.packed is not None and takes_gzip(request.headers.raw):
        body, headers["Content-Encoding"] = file.packed, "gzip"
    headers["ETag"] = f'"{blake2b(body, digest_size=10).hexdigest()}"'
    return Response(body, media_type=file.kind, headers=headers)


def install(app: FastAPI) -> None:
    """`/` and `/static/…`, outside the OpenAPI document."""

    @app.get("/", include_in_schema=False)
    async def dashboard(request: Request) -> Response:
        found = await asyncio.to_thread(site)
        return sent(request, found.page, "no-cache", **{"Content-Security-Policy": POLICY})

    @app.get("/static/{digest}/{path:path}", include_in_schema=False)
    async def static(request: Request, digest: str, path: str) -> Response:
        found = await asyncio.to_thread(site)
        file = found.files.get(path)
        if file is None:
            raise NotFound("There is no such file; the dashboard is at /.")
        # An older page may still ask: it gets what there is, and is not to keep it as what it asked for.
        keep = f"public, max-age={_YEAR_S}, immutable" if digest == found.digest else "no-store"
        return sent(request, file, keep)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon(request: Request) -> Response:
        return sent(request, (await asyncio.to_thread(site)).files["icon.svg"], "public, max-age=86400")
