"""`cdts get`: one API path, in process or from a running server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

from ..api.app import serve_app
from ..clock import SystemClock
from ..gateway import HttpTransport
from ..gateway.guard import check_base_url
from ..providers.kit import Request
from ..settings import base_urls, load
from ..wiring import open_runtime


def run(arguments: argparse.Namespace) -> int:
    """Print the body; exit 0 for a status below 400, 1 above."""
    path = arguments.path if arguments.path.startswith("/") else f"/{arguments.path}"
    status, body = asyncio.run(_remote(arguments.url, path) if arguments.url else _local(path))
    if arguments.status:
        print(status, file=sys.stderr)
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.flush()
    return 0 if status < 400 else 1


async def _remote(url: str, path: str) -> tuple[int, bytes]:
    transport = HttpTransport(SystemClock())
    try:
        reply = await transport.send("server", check_base_url(url), Request(path), {}, 30.0)
    finally:
        await transport.close()
    return reply.status, reply.body


async def _local(path: str) -> tuple[int, bytes]:
    settings = load()
    clock = SystemClock()
    app = serve_app(
        lambda: open_runtime(settings, base_urls=base_urls(), clock=clock, background=False),
        clock,
        timeout_s=60.0,
    )
    return await call(app, path)


async def call(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """One GET through an ASGI application, its lifespan around it."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    lifespan = asyncio.create_task(_lifespan(app, inbox, outbox))
    await inbox.put({"type": "lifespan.startup"})
    first = asyncio.create_task(outbox.get())
    await asyncio.wait({lifespan, first}, return_when=asyncio.FIRST_COMPLETED)
    if not first.done():
        first.cancel()
        await lifespan
    parts = urlsplit(path)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"in-process")],
        "client": ("127.0.0.1", 0),
        "server": ("in-process", 80),
        "state": {},
    }
    status, body = 0, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body += message.get("body", b"")

    try:
        await app(scope, receive, send)
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        await lifespan
    return status, body


async def _lifespan(app: ASGIApp, inbox: asyncio.Queue[Message], outbox: asyncio.Queue[Message]) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
