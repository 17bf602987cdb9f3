"""`cdts serve` and `cdts demo`."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import uvicorn

from ..api.app import serve_app
from ..clock import SystemClock
from ..providers import catalog
from ..services.runtime import Runtime
from ..settings import Settings, SettingsError, base_urls, load
from ..telemetry import configure
from ..wiring import open_runtime
from .simulate import simulator

DEMO_KEY = "demo-key-of-the-simulator"


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load(
        host=arguments.host,
        port=arguments.port,
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
    )
    configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if arguments.command == "demo":
            return runner.run(_demo(settings, arguments.seed))
        return runner.run(_serve(settings, base_urls(), "live"))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


async def _demo(settings: Settings, seed: int) -> int:
    """The same service with every address pointed at a simulator of its own; its data stays apart from real data."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(simulator(seed))
        entries = [e for e in catalog.load().values() if e.status in ("live", "keyed")]
        urls = {entry.id: f"{address}/{entry.id}" for entry in entries}
        keys = {f"{entry.auth.env.lower()}": DEMO_KEY for entry in entries if entry.auth}
        demo = settings.model_copy(
            update={"data_dir": settings.data_dir / "demo", "database_url": "", **keys},
        )
        print(f"simulator   {address}  (faults: POST {address}/__sim__/faults)", flush=True)
        return await _serve(demo, urls, "demo")


async def _serve(settings: Settings, urls: dict[str, str], mode: str) -> int:
    clock = SystemClock()

    def opened() -> AbstractAsyncContextManager[Runtime]:
        return open_runtime(settings, base_urls=urls, mode=mode, clock=clock)

    app = serve_app(opened, clock, timeout_s=settings.request_timeout)
    listener = _listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = uvicorn.Server(config)
    print(f"serving     http://{shown}:{port}  (docs: http://{shown}:{port}/docs)", flush=True)
    await server.serve(sockets=[listener])
    return 0 if server.started else 1


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that port 0 is known before anything is printed. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"PORT: cannot listen on {host}:{port} ({error.strerror}); choose another with --port."
        ) from None
    listener.set_inheritable(False)
    return listener


if sys.platform == "win32":  # pragma: no cover - uvloop does not exist there
    _loop_factory = lambda: None  # noqa: E731
