"""Blocking work beside the event loop, in threads that never keep the process from ending."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import TypeVar

from ..model.errors import CdtsError

T = TypeVar("T")
REASON = 300
"""Characters of a reason."""
_PATH = re.compile(r"(?<![\w:/])(?:/[\w.@+-]+){2,}")


class Worker:
    """One thread that does what it is given, in order, until `stop`. It begins with the first job.

    The thread runs a loop of its own, which takes jobs from other threads and carries their errors back as they are.
    It is a daemon: a download that hangs must not keep the process alive, as an executor's threads would.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """A future of the running loop with what `call` returns or raises. One that is cancelled before its turn is not
        called."""
        if self._loop is None:
            self._loop = asyncio.SelectorEventLoop()
            threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True).start()
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_called(call), self._loop))

    def stop(self) -> None:
        """Let the thread end after the jobs it has been given."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


def told(error: BaseException) -> str:
    """One line of what went wrong, for a person: paths of this machine are cut to their last name."""
    if isinstance(error, CdtsError):
        return error.message
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {_PATH.sub(_last_name, line)}"[:REASON]


def _last_name(path: re.Match[str]) -> str:
    return path[0].rpartition("/")[2]


async def _called(call: Callable[[], T]) -> T:
    return call()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        # A loop that is stopped leaves what was given to it in the same moment undone.
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
