"""The outermost layer, pure ASGI: who asks and how often, request id, caps, deadline, accounting, ETag, and answers that
are still warm.

A data route may mark its answer warm for a second (`scope["cdts.warm_s"]`). Within it the same request of a caller of the
same tier is answered with the same bytes before any routing happens, so that a popular route costs what a bare ASGI app
costs. What needs a key (`scope["cdts.private"]`) is never kept warm, and an admin's action ends all that is.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..clock import Clock
from ..gateway import trace
from ..model.errors import CdtsError, DeadlineExceeded, TooLarge
from ..telemetry import mask
from .access import AUDITED, PRIVATE
from .errors import error_body
from .gate import CALLER, Admission, Gate
from .handshake import refuse
from .headers import etag_matches, joined, secured, without_length
from .packing import VARY, packed, packed_headers, takes_gzip, worthwhile
from .sse import BEGUN
from .warm import Repeatable, Warm, WarmAnswers

MAX_TARGET_BYTES = 8192
MAX_BODY_BYTES = 1024 * 1024
LARGE_BODIES = {b"/api/analyze/batch": 32 * MAX_BODY_BYTES}
"""256 texts of 10 000 characters, each of them two escapes: 31 MB. Its route checks the key before it reads."""
DRAIN_BYTES = 32 * MAX_BODY_BYTES
DRAIN_S = 5.0
"""What is thrown away of a body that is refused, so that the client is done sending and sees why: a connection closed on
unread bytes is reset, and the answer lost."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NO_BODY: Message = {"type": "http.response.body", "body": b""}
Target = tuple[bytes, bytes]
Headers = Iterable[tuple[bytes, bytes]]
Account = Callable[[str, str, int, float], None]
"""Told of every answer: client address, route, status, milliseconds."""


class Edge:
    """Wraps the application, and `sockets`, which takes the WebSocket handshakes. `account` must not block."""

    def __init__(
        self,
        app: ASGIApp,
        clock: Clock,
        account: Account,
        gate: Gate,
        *,
        timeout_s: float = 20.0,
        sockets: ASGIApp | None = None,
    ) -> None:
        self.app = app
        self._sockets = sockets or app
        self._gate = gate
        self._now = clock.monotonic
        self._account = account
        self._timeout_s = timeout_s
        self._warm = WarmAnswers()
        self._prefix = secrets.token_hex(5).encode()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = self._now()
        target: Target = (scope.get("raw_path") or scope["path"].encode(), scope["query_string"])
        admission = await self._gate.admit(scope)
        address, fields = "", []
        repeatable: Repeatable | None = None
        if admission is not None:
            caller = scope[CALLER] = admission.caller
            address, fields = caller.address, admission.fields
            repeatable = (*target, caller.tier.name, caller.key is not None)
            if scope["method"] == "GET" and admission.refusal is None:
                warm = self._warm.get(repeatable, started)
                if warm is not None:
                    status = await self._repeat(scope["headers"], send, warm, fields)
                    self._account(address, warm.route, status, (self._now() - started) * 1000)
                    return
        inner = {**scope, "method": "GET", "cdts.head": True} if scope["method"] == "HEAD" else scope
        incoming = _Incoming(receive, scope["headers"], _allowed(target))
        changes = self._warm.changes
        answer = _Answer(
            scope, self._forgetting(scope, send), self._request_id(scope["headers"]), incoming, fields
        )
        inner["cdts.request_id"] = answer.request_id.decode()
        try:
            await self._run(inner, incoming, answer, target, admission)
        finally:
            # An event stream took as long as its beginning.
            elapsed_ms = (inner.get(BEGUN, self._now()) - started) * 1000
            self._account(address, _route(inner), answer.sent_status, elapsed_ms)
            if AUDITED in inner:
                self._warm.forget()  # also where nobody was there any more to hear of it
                await self._gate.ended(inner[AUDITED], answer.sent_status)
        if answer.body is not None and answer.status == 200 and PRIVATE not in inner and repeatable:
            warm_s = inner.get("cdts.warm_s")
            if warm_s and answer.etag is not None and changes == self._warm.changes:
                until = self._now() + warm_s
                kept = Warm(until, answer.own_headers, answer.body, answer.etag, _route(inner))
                self._warm.keep(repeatable, kept)

    def _forgetting(self, scope: Scope, send: Send) -> Send:
        """`send`; before an admin hears of what he changed, no answer of before is warm any more."""
        if scope["method"] == "GET":
            return send

        async def forgetting(message: Message) -> None:
            if AUDITED in scope and message["type"] == "http.response.start":
                self._warm.forget()
            await send(message)

        return forgetting

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A handshake passes the same gate; one that is refused gets the error as its answer."""
        admission = await self._gate.admit(scope)
        scope["cdts.request_id"] = self._request_id(scope["headers"]).decode()
        if admission is None or admission.refusal is None:
            if admission is not None:
                scope[CALLER] = admission.caller
                if admission.fields:
                    send = _told(send, admission.fields)
            await self._sockets(scope, receive, send)
            return
        await refuse(scope, send, admission.refusal, admission.fields)

    async def _run(
        self,
        scope: Scope,
        incoming: _Incoming,
        answer: _Answer,
        target: Target,
        admission: Admission | None,
    ) -> None:
        refusal = admission.refusal if admission is not None else None
        if refusal is not None:
            await answer.fail(refusal)
            return
        try:
            _check(incoming, target)
            async with asyncio.timeout(self._timeout_s) as deadline:
                # An answer that is made while it is sent ends it when it begins.
                scope["cdts.deadline"] = deadline
                trace.begin()
                await self.app(scope, incoming.receive, answer.send)
        except TimeoutError:
            refusal = DeadlineExceeded(f"The answer was not ready within {self._timeout_s:g} seconds.")
        except TooLarge as error:
            refusal = error
        # A framework may have turned what `receive` raised into an error of its own.
        refusal = incoming.refusal or refusal
        if refusal is not None:
            await answer.fail(refusal)

    def _request_id(self, asked: Headers) -> bytes:
        """The client's own where it is harmless, else a new one."""
        for name, value in asked:
            if name == b"x-request-id" and _harmless(value):
                return value
        return b"%b%x" % (self._prefix, next(self._numbers))

    async def _repeat(self, asked: Headers, send: Send, warm: Warm, fields: Headers) -> int:
        request_id = None
        conditional = False
        for name, value in asked:
            if name == b"x-request-id":
                request_id = value if _harmless(value) else None
            elif name == b"if-none-match":
                conditional = True
        if request_id is None:
            request_id = b"%b%x" % (self._prefix, next(self._numbers))
        headers = [*warm.headers, *fields, (b"x-request-id", request_id)]
        if conditional and etag_matches(asked, warm.etag):
            await send({"type": "http.response.start", "status": 304, "headers": without_length(headers)})
            await send(_NO_BODY)
            return 304
        body = warm.body
        if warm.packable and takes_gzip(asked):
            if warm.packed is None:
                warm.packed = await packed(body["body"])
            headers = packed_headers(headers, len(warm.packed))
            body = {**body, "body": warm.packed}
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(body)
        return 200


class _Answer:
    """Passes an application's answer on, adding the request id and turning a 200 whose ETag is known into a 304."""

    def __init__(
        self, scope: Scope, send: Send, request_id: bytes, incoming: _Incoming, fields: Headers
    ) -> None:
        self.request_id = request_id
        self.status = 0
        """As the application answered."""
        self.sent_status = 0
        """As the client was told: 304 for a 200 it has already."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.own_headers: list[tuple[bytes, bytes]] = []
        """Those that a repeated answer has too."""
        self.etag: bytes | None = None
        self.body: bytes | None = None
        """The body of an answer that came in one piece."""
        self._incoming = incoming
        self._failing = False
        self._fields = fields
        self._asked: Headers = scope["headers"]
        self._silent = scope["method"] == "HEAD"
        self._send = send
        self._start: Message | None = None
        self._started = False

    async def send(self, message: Message) -> None:
        if self._incoming.refusal is not None and not (self._started or self._failing):
            return
        if message["type"] == "http.response.start":
            self.status = self.sent_status = message["status"]
            self.own_headers = secured(message.get("headers", ()))
            self.headers = [*joined(self.own_headers, self._fields), (b"x-request-id", self.request_id)]
            self._start = {**message, "headers": self.headers}
            self.etag = next((bytes(v) for n, v in self.headers if n == b"etag"), None)
            return
        if self._start is not None:
            if not message.get("more_body", False):
                self.body = bytes(message.get("body", b""))
            packable = self._vary()
            if self.status == 200 and self.etag and etag_matches(self._asked, self.etag):
                self.sent_status = 304
                self._start.update(status=304, headers=without_length(self.headers))
                self._silent = True
            elif packable and takes_gzip(self._asked):
                message = await self._packed(message)
            await self._incoming.drain()
            self._started = True
            await self._send(self._start)
            self._start = None
        if self._silent:
            message = {**message, "body": b""}
        await self._send(message)

    def _vary(self) -> bool:
        """Whether the answer may go compressed. It says so however it goes, as 304 too: what is kept of it for the next
        caller is the same for all."""
        assert self._start is not None  # noqa: S101 - the start of an answer comes before its body
        if self.body is None or not worthwhile(self.headers, self.body):
            return False
        self.own_headers = [*self.own_headers, VARY]
        self.headers = [*self.headers, VARY]
        self._start["headers"] = self.headers
        return True

    async def _packed(self, message: Message) -> Message:
        """The message compressed, its headers with it. What is kept for the next caller stays as it is."""
        assert self._start is not None  # noqa: S101 - asked by `_vary`
        assert self.body is not None  # noqa: S101 - as above
        smaller = await packed(self.body)
        self._start["headers"] = packed_headers(self.headers, len(smaller))
        return {**message, "body": smaller}

    async def fail(self, error: CdtsError) -> None:
        """Answer with an error unless an answer is already on its way."""
        if self._started:
            return
        self._failing = True
        body, headers = error_body(error, self.request_id.decode())
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class _Incoming:
    """The request's body: refused past its cap while it arrives; its rest is taken in before an answer that did not need
    it."""

    __slots__ = ("_asks_first", "_ended", "_receive", "_size", "allowed", "announced", "refusal")

    def __init__(self, receive: Receive, headers: Headers, allowed: int) -> None:
        self._receive = receive
        self._size = 0
        self._ended = True
        self._asks_first = False
        self.allowed = allowed
        self.announced = 0
        """Bytes, by Content-Length; 0 where that is not given."""
        self.refusal: TooLarge | None = None
        for name, value in headers:
            if name == b"content-length":
                # What is no length is the server's to refuse.
                self.announced = int(value[:20]) if value.isdigit() else 0
                self._ended = not self.announced
            elif name == b"transfer-encoding":
                self._ended = False
            elif name == b"expect":
                self._asks_first = True

    async def receive(self) -> Message:
        """What the application reads. Raises TooLarge, and notes it."""
        self._asks_first = False
        message = await self._receive()
        if message["type"] != "http.request":
            self._ended = True
            return message
        self._ended = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self.allowed:
            self.refusal = _body_too_large(self.allowed)
            raise self.refusal
        return message

    async def drain(self) -> None:
        """Throw away what the client still sends, up to a bound. One that waits for a `100 Continue` sends nothing."""
        if self._ended or self._asks_first:
            return
        self._ended = True
        left = DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))


def _harmless(value: bytes) -> bool:
    """Whether a client's own request id can be logged and kept: short, plain, and no key or token."""
    return _REQUEST_ID.fullmatch(value) is not None and mask(text := value.decode()) == text


def _told(send: Send, fields: Headers) -> Send:
    """`send`, the limiter's fields beside what the application answers a handshake."""

    async def telling(message: Message) -> None:
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            message = {**message, "headers": joined(list(message.get("headers", ())), fields)}
        await send(message)

    return telling


def _check(incoming: _Incoming, target: Target) -> None:
    """Raises TooLarge for a URL, or a body that announces itself, beyond its bound."""
    if len(target[0]) + len(target[1]) > MAX_TARGET_BYTES:
        raise TooLarge(
            f"The URL is longer than {MAX_TARGET_BYTES} bytes.", details={"allowed_bytes": MAX_TARGET_BYTES}
        )
    if incoming.announced > incoming.allowed:
        raise _body_too_large(incoming.allowed)


def _allowed(target: Target) -> int:
    """Bytes a body may have."""
    return LARGE_BODIES.get(target[0], MAX_BODY_BYTES)


def _body_too_large(allowed: int) -> TooLarge:
    return TooLarge(f"The body is larger than {allowed} bytes.", details={"allowed_bytes": allowed})


def _route(scope: Scope) -> str:
    """The route's template, so that accounting does not grow with what people type."""
    route: Any = scope.get("route")
    return getattr(route, "path_format", None) or "(unmatched)"
