"""`cdts get`: one API path, in process or from a running server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.types import ASGIApp, Message

from ..clock import SystemClock
from ..model.errors import AddressRefused, InvalidParameter, UpstreamError
from ..telemetry import configure
from . import key_given

TIMEOUT_S = 60.0
_AS_GIVEN = "/%?&=,:+;@!$'()*~[]-._"
"""Characters of a path that are sent as they are; a blank or a letter beyond ASCII is escaped."""


def run(arguments: argparse.Namespace) -> int:
    """Print the body; exit 0 for a status below 400, 1 above."""
    configure("WARNING")
    given = arguments.path if arguments.path.startswith("/") else f"/{arguments.path}"
    path = quote(given, safe=_AS_GIVEN)
    if arguments.url:
        key = key_given.given(arguments.key_file)
        status, body = asyncio.run(_remote(arguments.url, path, key))
    elif arguments.key_file is not None:
        raise InvalidParameter("--key-file: it is for --url; in process you are the owner of the data.")
    else:
        key = ""
        status, body = asyncio.run(_local(path))
    if arguments.status:
        print(status, file=sys.stderr)
    if arguments.url and (said := key_given.advice(status, key)):
        print(f"cdts: {said}", file=sys.stderr)
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.flush()
    return 0 if status < 400 else 1


async def _remote(url: str, path: str, key: str) -> tuple[int, bytes]:
    from ..client.key import headers_of
    from ..gateway import HttpTransport
    from ..gateway.guard import check_base_url
    from ..providers.kit import Request

    transport = HttpTransport(SystemClock())
    try:
        reply = await transport.send("server", check_base_url(url), Request(path), headers_of(key), TIMEOUT_S)
    except AddressRefused as error:
        raise InvalidParameter(f"--url: {error.message}.") from None
    except UpstreamError as error:
        raise InvalidParameter(f"--url: no answer from there: {error.message}.") from None
    finally:
        await transport.close()
    return reply.status, reply.body


async def _local(path: str) -> tuple[int, bytes]:
    from ..api.app import serve_app
    from ..settings import base_urls, load
    from ..wiring import open_runtime

    clock = SystemClock()
    async with open_runtime(load(), base_urls=base_urls(), clock=clock, background=False) as rt:
        return await call(serve_app(lambda: contextlib.nullcontext(rt), clock, timeout_s=TIMEOUT_S), path)


async def call(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """One GET through an ASGI application whose start cannot fail, its lifespan around it; as the owner of the data."""
    from ..api.gate import IN_PROCESS

    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    lifespan = asyncio.create_task(_lifespan(app, inbox, outbox))
    await inbox.put({"type": "lifespan.startup"})
    await outbox.get()
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
        IN_PROCESS: True,
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
