"""The outermost layer, pure ASGI: request id, caps, deadline, accounting, ETag, and answers that are still warm.

A data route may mark its answer warm for a second (`scope["cdts.warm_s"]`). Within it the same request is answered with
the same bytes before any routing happens, so that a popular route costs what a bare ASGI app costs.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..clock import Clock
from ..model.errors import CdtsError, DeadlineExceeded, TooLarge
from .errors import error_body

MAX_TARGET_BYTES = 8192
MAX_BODY_BYTES = 1024 * 1024
WARM_ENTRIES = 2000
WARM_BYTES = 512 * 1024
"""Larger answers are not kept warm."""
_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{1,64}$")

Account = Callable[[str, str, int, float], None]
"""Told of every answer: client address, path, status, milliseconds."""


class _Warm(NamedTuple):
    until: float
    headers: list[tuple[bytes, bytes]]
    body: bytes
    etag: bytes
    route: str


class Edge:
    """Wraps the application. `account` must not block."""

    def __init__(self, app: ASGIApp, clock: Clock, account: Account, *, timeout_s: float = 20.0) -> None:
        self.app = app
        self._clock = clock
        self._account = account
        self._timeout_s = timeout_s
        self._warm: OrderedDict[bytes, _Warm] = OrderedDict()
        self._prefix = secrets.token_hex(5)
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._clock.monotonic()
        method: str = scope["method"]
        target: bytes = scope["raw_path"] + b"?" + scope["query_string"]
        client = scope["client"]
        address = client[0] if client else ""
        if method == "GET":
            warm = self._warm.get(target)
            if warm is not None and started < warm.until:
                status = await self._send_warm(scope, send, warm)
                self._account(address, warm.route, status, (self._clock.monotonic() - started) * 1000)
                return
        answer = _Answer(scope, send, self._request_id(scope), head=method == "HEAD")
        if method == "HEAD":
            scope["method"] = "GET"
        try:
            self._check(target)
            async with asyncio.timeout(self._timeout_s):
                await self.app(scope, _bounded(receive), answer.send)
        except TimeoutError:
            await answer.fail(
                DeadlineExceeded(f"The answer was not ready within {self._timeout_s:g} seconds.")
            )
        except TooLarge as error:
            await answer.fail(error)
        if answer.body is not None and (warm_s := scope.get("cdts.warm_s")) and answer.status == 200:
            self._keep(target, answer, self._clock.monotonic() + warm_s)
        self._account(address, _route(scope), answer.status, (self._clock.monotonic() - started) * 1000)

    def _check(self, target: bytes) -> None:
        if len(target) > MAX_TARGET_BYTES:
            raise TooLarge(
                f"The URL is longer than {MAX_TARGET_BYTES} bytes.",
                details={"allowed_bytes": MAX_TARGET_BYTES},
            )

    def _request_id(self, scope: Scope) -> bytes:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                if _REQUEST_ID.match(value):
                    return bytes(value)
                break
        self._count += 1
        return f"{self._prefix}{self._count:x}".encode()

    async def _send_warm(self, scope: Scope, send: Send, warm: _Warm) -> int:
        status, body = 200, warm.body
        for name, value in scope["headers"]:
            if name == b"if-none-match" and warm.etag in value:
                status, body = 304, b""
                break
        headers = [*warm.headers, (b"x-request-id", self._request_id(scope))]
        if status == 304:
            headers = [h for h in headers if h[0] != b"content-length"]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return status

    def _keep(self, target: bytes, answer: _Answer, until: float) -> None:
        body = answer.body or b""
        if answer.etag is None or len(body) > WARM_BYTES:
            return
        headers = [h for h in answer.headers if h[0] != b"x-request-id"]
        self._warm[target] = _Warm(until, headers, body, answer.etag, _route(answer.scope))
        self._warm.move_to_end(target)
        while len(self._warm) > WARM_ENTRIES:
            self._warm.popitem(last=False)


class _Answer:
    """Passes an application's answer on, adding the request id and turning a 200 whose ETag is known into a 304."""

    def __init__(self, scope: Scope, send: Send, request_id: bytes, *, head: bool) -> None:
        self.scope = scope
        self._send = send
        self._request_id = request_id
        self._head = head
        self._start: Message | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.etag: bytes | None = None
        self.body: bytes | None = None
        self._sent = False
        scope["cdts.request_id"] = request_id.decode()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
            self._start = {**message, "headers": self.headers}
            self.etag = next((bytes(v) for n, v in self.headers if n == b"etag"), None)
            return
        if self._start is not None:
            body, more = message.get("body", b""), message.get("more_body", False)
            if not more:
                self.body = bytes(body)
            if self.status == 200 and self.etag and self._matches():
                self._start["status"] = 304
                self._start["headers"] = [h for h in self.headers if h[0] != b"content-length"]
                message = {"type": "http.response.body", "body": b""}
            self._sent = True
            await self._send(self._start)
            self._start = None
        if self._head and message["type"] == "http.response.body":
            message = {
                "type": "http.response.body",
                "body": b"",
                "more_body": message.get("more_body", False),
            }
        await self._send(message)

    def _matches(self) -> bool:
        asked = next((v for n, v in self.scope["headers"] if n == b"if-none-match"), b"")
        return self.etag is not None and self.etag in asked

    async def fail(self, error: CdtsError) -> None:
        """Answer with an error unless an answer is already on its way."""
        if self._sent:
            return
        self._start = None
        body, headers = error_body(error, self._request_id.decode())
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> str:
    """The route's template, so that accounting does not grow with what people type."""
    route: Any = scope.get("route")
    return getattr(route, "path", None) or "(unmatched)"


def _bounded(receive: Receive) -> Receive:
    """Refuses a body past the cap while it arrives. Raises TooLarge."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise TooLarge(
                    f"The body is larger than {MAX_BODY_BYTES} bytes.",
                    details={"allowed_bytes": MAX_BODY_BYTES},
                )
        return message

    return bounded
