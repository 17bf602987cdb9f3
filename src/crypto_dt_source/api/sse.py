"""Server-sent events: the same stream for whatever can only read, such as a browser's EventSource.

https://html.spec.whatwg.org/multipage/server-sent-events.html

Every event's id is the run of the service and one number that stands for the client's place in all its sequences; it comes
back as Last-Event-ID when the client reconnects, and the stream goes on from there.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..model.errors import Overloaded
from ..security.tiers import Caller
from ..services.runtime import Runtime
from ..services.stream_session import Session, Wanted
from ..services.streaming import NOWHERE, RECONNECT_MS, SSE
from ..stream import Client
from ..stream.client import BATCH_BYTES, Frame
from ..stream.protocol import Close
from .sockets import ABORT

RETRY_MS = 3000
BEGUN = "cdts.begun"
"""When an answer without an end began, on the monotonic clock: what comes after is not how long it took."""
_ID = re.compile(r"([0-9a-f]{8})\.(\d{1,16})")
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def place(epoch: str, last_event_id: str) -> int | None:
    """Where a client goes on: None for one that is new, negative for one whose events were of another run."""
    if not last_event_id:
        return None
    found = _ID.fullmatch(last_event_id)
    return int(found[2]) if found is not None and found[1] == epoch else -1


class EventStream(Response):
    """An answer without an end. Raises RateLimited, Overloaded before it begins."""

    def __init__(self, rt: Runtime, caller: Caller, plan: Wanted, after: int | None) -> None:
        super().__init__()
        self._rt = rt
        self._caller = caller
        self._plan = plan
        self._after = after
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sessions = self._rt.sessions
        if sessions.stopping:
            raise Overloaded("The server stops; try again in a moment.", retry_after=5)
        start = {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}
        if scope.get("cdts.head"):
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an application runs in a task
        abort: Callable[[], object] = scope.get(ABORT) or task.cancel
        session = sessions.open(self._caller, SSE, abort)
        try:
            deadline: asyncio.Timeout | None = scope.get("cdts.deadline")
            if deadline is not None:
                deadline.reschedule(None)
            scope[BEGUN] = self._rt.clock.monotonic()
            await send(start)
            await self._stream(session, receive, send)
        finally:
            sessions.leave(session)

    async def _stream(self, session: Session, receive: Receive, send: Send) -> None:
        rt, client = self._rt, session.client
        tasks = [asyncio.create_task(_until_gone(receive, client))]
        try:
            welcome = rt.sessions.welcome(session)
            await _send(send, b"retry: %d\n\ndata: %b\n\n" % (RETRY_MS, welcome))
            # Beside what is sent: a long beginning waits until its first part was taken.
            beginning = asyncio.create_task(self._begin(session))
            tasks.append(beginning)
            while await client.ready():
                session.sending_since = rt.clock.monotonic()
                await _send(send, self._events(client))
                session.sending_since = None
            if beginning.done():
                beginning.result()
            code, _ = rt.sessions.ended(session)
            last = b""
            if code == Close.RESTART:
                last = b"retry: %d\n\n" % random.randint(*RECONNECT_MS)  # noqa: S311 - no secret
            await send({"type": "http.response.body", "body": last})
        except OSError:
            # The client has gone.
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, session: Session) -> None:
        try:
            await self._rt.sessions.begin(session, self._plan, self._after)
            self._begun = True
        finally:
            if not self._begun:
                session.client.close()

    def _events(self, client: Client) -> bytes:
        epoch = self._rt.hub.epoch.encode()
        parts: list[bytes] = []
        size = 0
        while size < BATCH_BYTES and (frame := client.pop()) is not None:
            # Until all has begun a client that comes back begins again, from where it was before.
            parts.append(_event(frame, epoch, client.position if self._begun else NOWHERE))
            size += len(parts[-1])
        return b"".join(parts)


def _event(frame: Frame, epoch: bytes, position: int) -> bytes:
    if not frame.data:
        return b":\n\n"
    if position < 0:
        return b"data: %b\n\n" % frame.data
    return b"id: %b.%d\ndata: %b\n\n" % (epoch, position, frame.data)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, client: Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.close()
