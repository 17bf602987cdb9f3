"""Answers that are still warm: kept for a second, repeated byte for byte."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from starlette.types import Message

from .packing import VARY

ENTRIES = 2000
BYTES = 16 * 1024 * 1024
"""Of all warm answers together."""
ANSWER_BYTES = 512 * 1024
"""Larger answers are not kept warm."""
Repeatable = tuple[bytes, bytes, str, bool]
"""Path, query, the caller's tier, and whether he has a key: what two requests share that get the same bytes."""


class Warm:
    """An answer that may be repeated until `until`, its messages ready to send. `packed` is its compressed body, once
    somebody has asked for it; `packable` whether there may be one."""

    __slots__ = ("body", "etag", "headers", "packable", "packed", "route", "size", "until")

    def __init__(
        self, until: float, headers: Iterable[tuple[bytes, bytes]], body: bytes, etag: bytes, route: str
    ) -> None:
        self.until = until
        self.headers = list(headers)
        self.body: Message = {"type": "http.response.body", "body": body}
        self.etag = etag
        self.route = route
        self.size = len(body)
        self.packable = VARY in self.headers
        self.packed: bytes | None = None


class WarmAnswers:
    """By what was asked; those kept last stay. `changes` counts how often all were forgotten: an answer that was begun
    before that is not to be kept after it."""

    def __init__(self) -> None:
        self._held: OrderedDict[Repeatable, Warm] = OrderedDict()
        self._bytes = 0
        self.changes = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, asked: Repeatable, now: float) -> Warm | None:
        """The answer to the same request, None where none is warm."""
        held = self._held.get(asked)
        return held if held is not None and now < held.until else None

    def keep(self, asked: Repeatable, answer: Warm) -> None:
        """Keep it, unless it is too large."""
        if answer.size > ANSWER_BYTES:
            return
        before = self._held.pop(asked, None)
        self._bytes += answer.size - (before.size if before else 0)
        self._held[asked] = answer
        while len(self._held) > ENTRIES or self._bytes > BYTES:
            _, gone = self._held.popitem(last=False)
            self._bytes -= gone.size

    def forget(self) -> None:
        """Nothing is warm any more: something was changed."""
        self._held.clear()
        self._bytes = 0
        self.changes += 1
