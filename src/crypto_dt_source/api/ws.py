"""The WebSocket endpoint: `/ws` with everything, `/ws/{channel}` with one channel. Pure ASGI, outside the framework: ten
thousand connections are held here, and each layer around one is paid for ten thousand times.

The protocol is in `docs/stream.md` and, for programs, in `/asyncapi.json`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from ..model.errors import CdtsError, InvalidParameter, NotFound, Overloaded
from ..security.tiers import Caller
from ..services.runtime import Runtime
from ..services.stream_actions import handle
from ..services.stream_session import Session, Wanted
from ..services.streaming import WEBSOCKET
from ..stream import Client
from ..stream.client import BATCH_BYTES
from ..stream.protocol import MOST_SYMBOLS
from .gate import CALLER
from .handshake import check_page, refuse
from .sockets import ABORT, WIRE, SocketProtocol, framed

PATH = "/ws"
MOST_CHANNELS = 20


class Sockets:
    """`runtime` gives None until the service is open. `origins` as CORS_ORIGINS has them."""

    def __init__(self, runtime: Callable[[], Runtime | None], origins: str = "") -> None:
        self._runtime = runtime
        self._origins = frozenset(part.strip() for part in origins.split(",") if part.strip())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rt = self._runtime()
        if (await receive())["type"] != "websocket.connect":
            return
        caller: Caller | None = scope.get(CALLER)
        try:
            if rt is None or caller is None or rt.sessions.stopping:
                raise Overloaded("The server is not open; try again in a moment.", retry_after=5)
            channel = _channel(scope["path"])
            key = None if caller.key is None else rt.access.keyring.by_id(caller.key)
            origin = check_page(scope, self._origins, key.origins if key is not None else ())
            plan = named(rt, scope["query_string"], caller, channel)
            session = rt.sessions.open(
                caller, WEBSOCKET, _abort(scope), channel=channel, origin=origin, may_auth=True
            )
        except CdtsError as error:
            await refuse(scope, send, error)
            return
        try:
            request_id = scope.get("cdts.request_id", "").encode()
            await send({"type": "websocket.accept", "headers": [(b"x-request-id", request_id)]})
            await _converse(rt, session, plan, scope, receive, send)
        finally:
            rt.sessions.leave(session)


async def _converse(
    rt: Runtime, session: Session, plan: Wanted, scope: Scope, receive: Receive, send: Send
) -> None:
    session.client.put(rt.sessions.welcome(session))
    wire: SocketProtocol | None = scope.get(WIRE)
    outlet = Outlet(rt, session, send, wire) if wire is not None else None
    writer = None if outlet is not None else asyncio.create_task(_write(rt, session, send))
    try:
        if outlet is not None:
            outlet.open()
        begun = session.pending_until is None
        if begun:
            await rt.sessions.begin(session, plan)
        else:
            full = rt.sessions.full(session.caller)
            if full is not None:
                rt.sessions.error(session, full)
        while True:
            message: Message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            await handle(rt, session, message.get("text"))
            if not begun and session.pending_until is None:
                # It has shown its key: now what its address asks for.
                begun = True
                await rt.sessions.begin(session, plan)
    finally:
        if outlet is not None:
            outlet.close()
        if writer is not None:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


class Outlet:
    """Hands a client's frames to this server's own protocol, each encoded once for all clients, without a task of its
    own: it is called when there is something to send and when the network takes more."""

    __slots__ = ("_closing", "_rt", "_send", "_session", "_wire")

    def __init__(self, rt: Runtime, session: Session, send: Send, wire: SocketProtocol) -> None:
        self._rt = rt
        self._session = session
        self._send = send
        self._wire = wire
        self._closing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to send."""
        self._session.client.on_ready = self._wire.on_writable = self.flush
        self.flush()

    def close(self) -> None:
        """Send nothing more."""
        self._session.client.on_ready = self._wire.on_writable = None
        self._session.client.close()
        if self._closing is not None:
            self._closing.cancel()

    def flush(self) -> None:
        """Send what waits, as far as the network takes it."""
        session, wire = self._session, self._wire
        client = session.client
        try:
            while client.waiting_frames:
                if not wire.push(_joined(client)):
                    session.sending_since = self._rt.clock.monotonic()
                    return
        except ClientDisconnected:
            # Whoever reads learns it too.
            client.on_ready = None
            client.close()
            return
        session.sending_since = None
        if not client.closed:
            client.rest()
        elif self._closing is None:
            self._closing = asyncio.create_task(_end(self._rt, session, self._send))


def _joined(client: Client) -> bytes:
    """What waits, up to a bound, as it goes over the wire."""
    frame = client.pop()
    parts: list[bytes] = []
    size = 0
    while frame is not None:
        if frame.wire is None:
            frame.wire = framed(frame.data)
        parts.append(frame.wire)
        size += len(frame.wire)
        frame = client.pop() if size < BATCH_BYTES else None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _write(rt: Runtime, session: Session, send: Send) -> None:
    """The same on any other server."""
    client, now = session.client, rt.clock.monotonic
    try:
        while frames := await client.batch():
            session.sending_since = now()
            for frame in frames:
                await send({"type": "websocket.send", "text": frame.data.decode()})
            session.sending_since = None
    except OSError:
        # The client has gone; whoever reads learns it too.
        client.close()
        return
    await _end(rt, session, send)


async def _end(rt: Runtime, session: Session, send: Send) -> None:
    """Close the connection, saying why."""
    code, reason = rt.sessions.ended(session)
    session.sending_since = rt.clock.monotonic()
    with suppress(OSError):
        await send({"type": "websocket.close", "code": code, "reason": reason})
    session.sending_since = None


def _abort(scope: Scope) -> Callable[[], object]:
    """What breaks the connection off: of the transport where the server gives it."""
    given: Callable[[], object] | None = scope.get(ABORT)
    if given is not None:
        return given
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - an application runs in a task
    return task.cancel


def _channel(path: str) -> str | None:
    """What the address names; None where it is everything. Raises NotFound."""
    if path in (PATH, f"{PATH}/"):
        return None
    name = path.removeprefix(f"{PATH}/")
    if name == path or "/" in name or not name:
        raise NotFound("There is no such stream; connect to /ws or /ws/{channel}.")
    return name


def named(rt: Runtime, query: bytes, caller: Caller, channel: str | None) -> Wanted:
    """What an address asks for: its channel, else `channels`, and `symbols`, each a comma list. Raises InvalidParameter,
    Forbidden."""
    given = parse_qs(query.decode("latin-1"), max_num_fields=20)
    channels = [channel] if channel else _list(given, "channels", MOST_CHANNELS)
    symbols = _list(given, "symbols", MOST_SYMBOLS)
    return rt.sessions.plan(channels, symbols or None, caller)


def _list(given: dict[str, list[str]], name: str, most: int) -> list[str]:
    values = [part.strip() for value in given.get(name, []) for part in value.split(",") if part.strip()]
    if len(values) > most:
        raise InvalidParameter(
            f"{name}: name at most {most}.", details={"parameter": name, "got": len(values), "allowed": most}
        )
    return values
