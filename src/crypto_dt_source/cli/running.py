"""Listening, and stopping in order: Ctrl-C and SIGTERM end a server with exit status 0."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

from ..stream.protocol import MESSAGE_BYTES

BACKLOG = 2048
HANDED_OVER = 3
"""Number of the first file descriptor that a service manager hands over."""
UNSENT_BYTES = 128 * 1024
"""What the system takes of a connection beyond what is on its way: megabytes of it would be megabytes of old prices."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """uvicorn's server, with two differences: it leaves the signals to `run_until_stopped` (its own way ends the process
    by the signal instead of with 0), and it calls `ready` once requests are answered and `stopping` before connections are
    closed. `connections` is how many clients may be connected at a time. WebSocket clients (`ws`) are pinged every `ping_s`
    seconds and closed with 1011 when no answer comes within `pong_s`."""

    def __init__(
        self,
        app: ASGIApp,
        ready: Callable[[], None],
        *,
        graceful_s: int,
        connections: int | None = None,
        lifespan: Literal["on", "off"] = "on",
        http: type[asyncio.Protocol] | Literal["auto"] = "auto",
        ws: type[asyncio.Protocol] | Literal["websockets-sansio", "none"] = "none",
        stopping: Callable[[], Awaitable[None]] | None = None,
        ping_s: float = 10.0,
        pong_s: float = 20.0,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=http,
            limit_concurrency=connections,
            lifespan=lifespan,
            log_level="warning",
            log_config=None,  # its lines go the way of ours (`telemetry`)
            access_log=False,
            server_header=False,
            # uvicorn would believe X-Forwarded-For of anybody on this machine; TRUSTED_PROXY_HOPS says whom to believe.
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=graceful_s,
            ws=ws,
            ws_max_size=MESSAGE_BYTES,
            ws_ping_interval=ping_s,
            ws_ping_timeout=pong_s,
            # It costs a client more memory than everything else, and each of them a compression of the same bytes.
            ws_per_message_deflate=False,
        )
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    @property
    def connected(self) -> int:
        """Connections open now."""
        return len(self.server_state.connections)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._stopping is not None and not self.force_exit:
            await self._stopping()
        await super().shutdown(sockets=sockets)


class Stop:
    """What a signal does: it cancels a start that is under way, stops a running server in order, and at once when it
    comes a second time."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.server: Server | None = None
        self.asked = False

    def __call__(self) -> None:
        if self.server is None or not self.server.started:
            self._task.cancel()
        elif self.asked:
            self.server.force_exit = True
        else:
            self.server.should_exit = True
        self.asked = True

    async def serve(self, server: Server, listener: socket.socket) -> None:
        """Serve until stopped."""
        self.server = server
        try:
            await server.serve(sockets=[listener])
        finally:
            self.server = None


def run_until_stopped(
    work: Callable[[Stop], Coroutine[Any, Any, int]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    *,
    stopped: int = 0,
) -> int:
    """Run `work(stop)` in a loop of its own; gives its status, or `stopped` when a signal cancelled it."""

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        stop = Stop(task)
        _on_signal(stop)
        try:
            return await work(stop)
        except asyncio.CancelledError:
            if not stop.asked:
                raise
            return stopped

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def _on_signal(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # pragma: no cover - Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def handed_over() -> socket.socket | None:
    """The socket a service manager opened for this process and keeps open over its restarts, so that clients wait instead
    of being refused; None without one (https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    os.set_inheritable(HANDED_OVER, False)
    # Children of this process are not meant by them.
    del os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"]
    return _tuned(socket.socket(fileno=HANDED_OVER))


def _tuned(listener: socket.socket) -> socket.socket:
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Accepted connections have it from the listener.
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return listener


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on: port 0 is known before anything is printed, and a client that comes
    while the service starts waits instead of being refused. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP: asyncio switches Nagle off only where it reads so, and each answer would wait 40 ms for it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    _tuned(listener).setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        from ..settings import SettingsError

        raise SettingsError(_refused(host, port, error)) from None
    return listener


def _refused(host: str, port: int, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
        return f"HOST: got {host!r} ({reason}); allowed: an address of this machine, 127.0.0.1 or 0.0.0.0 for every interface."
    return f"PORT: got {port}, which {host} does not give ({reason}); allowed: a free port, 0 picks one."


def url_of(listener: socket.socket) -> str:
    """The address a client on this machine uses."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - names it, binds nothing
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
