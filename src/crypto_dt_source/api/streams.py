"""Answers that are made while they are sent: a client that stops reading stops the work, one that leaves ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from logging import INFO, WARNING

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..model.errors import CdtsError
from ..telemetry import logger

log = logger("api")
PIECE_BYTES = 128 * 1024
"""Handed to the server at once: it copies what it cannot send yet."""
STALLED_S = 60.0
"""How long a client may take for one piece."""
LONGEST_S = 3600.0
"""How long a whole answer may take."""
LEFT = "the client left"
"""The one reason that is nobody's fault."""


class Streamed(Response):
    """An answer whose body comes in parts of unknown length. `room` is entered for as long as it takes; what it raises,
    and what fails before the first part, is answered as an error. After that a failure breaks the connection off, so that
    no client takes the beginning for the whole, and is logged.

    The request's deadline (`scope["cdts.deadline"]`) ends with the first part; from there on the bounds here hold. Of a
    HEAD (`scope["cdts.head"]`) only the headers are made.
    """

    def __init__(
        self,
        parts: Callable[[], AsyncGenerator[bytes]],
        room: AbstractContextManager[None],
        media_type: str,
        headers: Mapping[str, str],
        *,
        stalled_s: float = STALLED_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        super().__init__(headers=headers, media_type=media_type)
        # The length is not known, and a text type is given with its charset already.
        self.raw_headers = [h for h in self.raw_headers if h[0] not in (b"content-length", b"content-type")]
        self.raw_headers.append((b"content-type", media_type.encode("latin-1")))
        self._parts = parts
        self._room = room
        self._stalled_s = stalled_s
        self._longest_s = longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._room:
            async with aclosing(self._parts()) as parts:
                first = await anext(parts, b"")
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                if scope.get("cdts.head"):
                    await send({"type": "http.response.body", "body": b""})
                    return
                deadline: asyncio.Timeout | None = scope.get("cdts.deadline")
                if deadline is not None:
                    deadline.reschedule(None)
                reason = await self._send(first, parts, receive, send)
        if reason is not None:
            log.log(
                INFO if reason == LEFT else WARNING,
                "an answer was broken off",
                path=scope["path"],
                request_id=scope.get("cdts.request_id", ""),
                reason=reason,
            )

    async def _send(
        self, first: bytes, parts: AsyncGenerator[bytes], receive: Receive, send: Send
    ) -> str | None:
        """Send all of it; gives the reason when that was not possible. The server sees an answer without its end."""
        sending = asyncio.ensure_future(self._send_all(first, parts, send))
        gone = asyncio.ensure_future(_gone(receive))
        both = {sending, gone}
        try:
            done, _ = await asyncio.wait(both, timeout=self._longest_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        if sending in done:
            try:
                sending.result()
            except CdtsError as error:
                return error.message
            except TimeoutError:
                return f"the client took nothing for {self._stalled_s:g} s"
            return None
        return LEFT if gone in done else f"not done after {self._longest_s:g} s"

    async def _send_all(self, first: bytes, parts: AsyncGenerator[bytes], send: Send) -> None:
        await self._send_part(first, send)
        async for part in parts:
            await self._send_part(part, send)
        await self._send_piece(b"", send, more=False)

    async def _send_part(self, part: bytes, send: Send) -> None:
        for at in range(0, len(part), PIECE_BYTES):
            await self._send_piece(part[at : at + PIECE_BYTES], send)

    async def _send_piece(self, piece: bytes, send: Send, *, more: bool = True) -> None:
        async with asyncio.timeout(self._stalled_s):
            await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _gone(receive: Receive) -> None:
    """Returns once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
