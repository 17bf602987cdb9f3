"""The simulator as one ASGI app: `/{provider id}{path}` is that provider, `/__sim__/…` is its control panel.

Plain ASGI on purpose: faults need the raw messages (a body that stops, an answer that never comes).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ..clock import Clock
from ..providers import catalog
from ..providers.catalog import Entry
from .control import PREFIX, control
from .faults import Ailment, Fault, Faults
from .log import RequestLog
from .market import Market, Sight, VenueView
from .sockets import Sockets
from .wire import Call, Route, SimReply, reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_VIEWS_KEPT = 256
_MOST_BODY = 1_000_000
_SLOW_PARTS = 10
_SECRETS = frozenset(
    "key apikey api_key api-key token auth_token access_token x_cg_demo_api_key x_cg_pro_api_key secret".split()
)
_NOT_FOUND = reply({"message": "Not Found"}, 404)
_CHALLENGE = SimReply(
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Checking your browser</h1></body></html>",
    403,
    {"server": "cloudflare", "cf-mitigated": "challenge"},
    "text/html; charset=UTF-8",
)
_HTML = SimReply(
    b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>",
    200,
    {},
    "text/html",
)
_BLOCKED = reply({"code": 0, "msg": "Service unavailable from a restricted location."}, 451)


class _Wire:
    """One wire module's routes for an entry, ready to match: exact paths first, then templates in the order they are
    written."""

    def __init__(self, entry: Entry) -> None:
        module = _wire_module(entry.adapter)
        routes = wire_routes(entry)
        self.error: Callable[[str], SimReply] = module.ERROR
        self._exact = {path: route for path, route in routes.items() if "{" not in path}
        self._templates = [(_pattern(path), route) for path, route in routes.items() if "{" in path]

    def match(self, path: str) -> tuple[Route, dict[str, str]] | None:
        route = self._exact.get(path)
        if route is not None:
            return route, {}
        for pattern, route in self._templates:
            found = pattern.fullmatch(path)
            if found:
                return route, found.groupdict()
        return None


def _wire_module(adapter: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.wire.{adapter}")


def wire_routes(entry: Entry) -> Mapping[str, Route]:
    """The simulator's routes of an entry: its wire module's `ROUTES`, or what the module's `of(entry)` makes."""
    module = _wire_module(entry.adapter)
    found: Mapping[str, Route] = module.of(entry) if hasattr(module, "of") else module.ROUTES
    return found


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{p}>[^/]+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _bent(value: Any) -> Any:
    """The same JSON with every plain value wrapped in an object: nothing a declared shape would read."""
    if isinstance(value, dict):
        return {key: _bent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bent(item) for item in value]
    return {"value": value}


class SimApp:
    """The app. `market`, `faults` and `log` may be used directly by code in the same process."""

    def __init__(self, seed: int, clock: Clock, entries: Mapping[str, Entry]) -> None:
        self.clock = clock
        self.market = Market(seed, clock, entries=entries)
        self.entries = {i: e for i, e in entries.items() if e.status in ("live", "keyed")}
        self.faults = Faults(seed, clock, self.entries, self.market.assets)
        self.log = RequestLog()
        self._wires: dict[str, _Wire] = {}
        for adapter in {entry.adapter for entry in self.entries.values()}:
            _wire_module(adapter)
        self._views: dict[tuple[str, Sight], VenueView] = {}
        self._replies: dict[tuple[str, str, str, str, Sight], SimReply] = {}
        self._replies_of = (-1, -1)
        self.sockets = Sockets(self.clock, self.entries, self.faults, self._view)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await self.sockets.serve(scope, receive, send)
            return
        body = await _body(receive)
        path: str = scope["path"]
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if path.startswith(PREFIX):
            await _send(send, control(self, scope["method"], path, dict(query), body))
            return
        provider, _, rest = path.lstrip("/").partition("/")
        await self._provide(scope, provider, "/" + rest, query, body, receive, send)

    async def _provide(
        self,
        scope: Scope,
        provider: str,
        path: str,
        query: list[tuple[str, str]],
        body: bytes,
        receive: Receive,
        send: Send,
    ) -> None:
        now = self.clock.now_ms()
        entry = self.entries.get(provider)
        shown = [(name, value) for name, value in query if not _secret(name, entry)]
        found = self._wire(entry).match(path) if entry else None
        capabilities = found[0].capabilities if found else ()
        ailment = self.faults.strike(provider, capabilities, now)
        row = self.log.write(now, provider, path, shown, ailment.kinds)
        if entry is None or found is None:
            self.log.unknown += 1
        if entry is not None:
            weigh = found[0].weigh if found else None
            self.log.meter(entry, weigh(dict(query)) if weigh else 1, now)
        fault = ailment.transport
        if fault is not None and fault.kind == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault is not None and fault.kind == "delay":
            await self.clock.sleep(fault.params["ms"] / 1000)
        if entry is None or found is None:
            answer = _NOT_FOUND
        else:
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
            }
            answer = self._answer(entry, found, path, query, headers, body, ailment)
        if fault is not None:
            if fault.kind in ("reset", "slow_body"):
                await self._drip(send, answer, fault, row)
                return
            error = self._wire(entry).error if entry else None
            answer = _stricken(answer, fault, error)
        row["status"] = answer.status
        await _send(send, answer)

    def _answer(
        self,
        entry: Entry,
        found: tuple[Route, dict[str, str]],
        path: str,
        query: list[tuple[str, str]],
        headers: dict[str, str],
        body: bytes,
        ailment: Ailment,
    ) -> SimReply:
        now = self.clock.now_ms()
        # A server answers the same within a second: the lists of all tickers are made once, whoever asks.
        stamp = (now // 1000, self.market.version)
        if stamp != self._replies_of:
            self._replies.clear()
            self._replies_of = stamp
        key = (entry.id, path, repr(query), repr(headers), ailment.sight)
        known = self._replies.get(key)
        if known is None or body:
            view = self._view(entry.id, ailment.sight)
            at_ms = now + ailment.sight.skew_ms
            call = Call(entry.id, view, self.market, found[1], dict(query), body, at_ms, headers)
            known = found[0].handler(call)
            if not body:
                self._replies[key] = known
        return known

    def _wire(self, entry: Entry) -> _Wire:
        found = self._wires.get(entry.id)
        if found is None:
            found = self._wires[entry.id] = _Wire(entry)
        return found

    def _view(self, provider: str, sight: Sight) -> VenueView:
        view = self._views.get((provider, sight))
        if view is None:
            if len(self._views) >= _VIEWS_KEPT:
                self._views.clear()
            view = self._views[provider, sight] = self.market.view(provider, sight)
        return view

    async def _drip(self, send: Send, answer: SimReply, fault: Fault, row: dict[str, Any]) -> None:
        """Send the body in parts over time, or stop in its middle.

        A reset promises the whole length, sends half and returns: an ASGI server then closes the connection under the
        client, who sees it cut. Before the headers an app cannot cut: the server would answer 500 for it.
        """
        await send(_start(answer, len(answer.body)))
        if fault.kind == "reset":
            await send(
                {
                    "type": "http.response.body",
                    "body": answer.body[: len(answer.body) // 2],
                    "more_body": True,
                }
            )
            return
        row["status"] = answer.status
        size = max(1, -(-len(answer.body) // _SLOW_PARTS))
        for part in range(_SLOW_PARTS):
            await self.clock.sleep(fault.params["ms"] / 1000 / _SLOW_PARTS)
            chunk = answer.body[part * size : (part + 1) * size]
            await send({"type": "http.response.body", "body": chunk, "more_body": part < _SLOW_PARTS - 1})


def _stricken(answer: SimReply, fault: Fault, error: Callable[[str], SimReply] | None) -> SimReply:
    """What the client gets instead of `answer` under a transport fault that is a whole answer."""
    kind, params = fault.kind, fault.params
    limited = (error("rate_limited_in_200") if error else _NOT_FOUND).body
    fixed = {"403_challenge": _CHALLENGE, "html": _HTML, "451": _BLOCKED}
    if kind in fixed:
        return fixed[kind]
    if kind in ("429", "418"):
        return SimReply(limited, int(kind), {"retry-after": str(params["retry_after"])})
    if kind == "429_bare":
        return SimReply(limited, 429)
    if kind == "5xx":
        page = b"<html><head><title>Server error</title></head><body>upstream connect error</body></html>"
        return SimReply(page, params["status"], {}, "text/html")
    if kind == "error_200":
        return error(params["error"]) if error else answer
    if kind == "truncated":
        return SimReply(
            answer.body[: len(answer.body) // 2], answer.status, answer.headers, answer.content_type
        )
    if kind == "wrong_schema" and answer.content_type.startswith("application/json"):
        return reply(_bent(msgspec.json.decode(answer.body)), answer.status, answer.headers)
    return answer


def _secret(name: str, entry: Entry | None) -> bool:
    return name.lower() in _SECRETS or (
        entry is not None and entry.auth is not None and name == entry.auth.name
    )


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        size += len(message.get("body", b""))
        if size <= _MOST_BODY:
            parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _start(answer: SimReply, length: int) -> Message:
    headers = {"content-type": answer.content_type, "content-length": str(length), **answer.headers}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": pairs}


async def _send(send: Send, answer: SimReply) -> None:
    await send(_start(answer, len(answer.body)))
    await send({"type": "http.response.body", "body": answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(seed: int, clock: Clock, entries: Mapping[str, Entry] | None = None) -> SimApp:
    """The simulator of every live and keyed entry (None: the whole catalogue). Raises ModuleNotFoundError when an
    entry's adapter has no wire module."""
    return SimApp(seed, clock, catalog.load() if entries is None else entries)
