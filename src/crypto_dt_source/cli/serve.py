"""`cdts serve` and `cdts demo`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from ..api.app import published, serve_app
from ..api.protocol import Protocol
from ..api.sockets import SocketProtocol
from ..clock import SystemClock
from ..services.access import first_key
from ..services.runtime import Runtime
from ..services.shipping import unkept
from ..settings import Settings, base_urls, load, ws_urls
from ..telemetry import configure, logger
from ..wiring import open_runtime
from .running import Server, Stop, handed_over, listen, run_until_stopped, url_of

log = logger("serve")
GRACE_S = 3
"""How long requests under way may take to end when the service stops; the whole stop takes at most 5 s."""


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = load(
        host=arguments.host,
        port=arguments.port,
        data_dir=Path(arguments.data_dir) if arguments.data_dir else None,
    )
    configure(settings.log_level, settings.log_lines())
    if arguments.command == "demo":
        work = partial(_demo, settings, arguments.seed)
    else:
        work = partial(_serve, settings, base_urls(), ws_urls(), "live")
    return run_until_stopped(work, _loop_factory())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


async def _demo(settings: Settings, seed: int, stop: Stop) -> int:
    """The same service with every address pointed at a simulator of its own; its data stays apart from real data."""
    from .simulate import pointed_at, simulator, sockets_at

    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(simulator(seed))
        urls, keys = pointed_at(address)
        demo = settings.model_copy(
            update={
                "data_dir": settings.data_dir / "demo",
                "database_url": "",
                "backup_url": "",
                "ship_url": "",
                "archive_url": "",
                # Nothing leaves the machine: models of the hub are not fetched either.
                "models_offline": True,
                **{name.lower(): key for name, key in keys.items()},
            },
        )
        print(f"simulator   {address}  (faults: POST {address}/__sim__/faults)", flush=True)
        return await _serve(demo, urls, sockets_at(address), "demo", stop)


def _tell(rt: Runtime, settings: Settings) -> None:
    """Say what was decided in the operator's place, and what he stands to lose."""
    if settings.hf_space:
        away = sorted(entry.id for entry in rt.entries.values() if rt.gateway.out_of_reach(entry))
        log.info("the preset HF_SPACE is on", data_dir=str(settings.data_dir), out_of_reach=away)
    lost = unkept(rt)
    if lost is not None:
        log.warning(lost, data_dir=str(settings.data_dir))


async def _serve(
    settings: Settings, urls: dict[str, str], sockets: dict[str, str], mode: str, stop: Stop
) -> int:
    clock = SystemClock()
    with contextlib.closing(handed_over() or listen(settings.host, settings.port)) as listener:
        # Opened here and not in the server's lifespan, which would print a traceback of what is one sentence.
        async with open_runtime(settings, base_urls=urls, ws_urls=sockets, mode=mode, clock=clock) as rt:
            edge = serve_app(
                lambda: contextlib.nullcontext(rt),
                clock,
                timeout_s=settings.request_timeout,
                contact=settings.security_contact,
                origins=settings.cors_origins,
            )
            app = published(edge, clock, origins=settings.cors_origins, access_log=settings.access_log)
            url = url_of(listener)

            _tell(rt, settings)
            key = await first_key(rt.access)
            if key is not None:
                print(f"admin key   {key}  (shown this once; keep it)", flush=True)

            def ready() -> None:
                print(f"serving     {url}  (API: {url}/docs, guide: {url}/guide)", flush=True)

            server = Server(
                app,
                ready,
                graceful_s=GRACE_S,
                http=Protocol,
                connections=settings.max_connections,
                ws=SocketProtocol,
                stopping=rt.sessions.stop,
                ping_s=settings.websocket_heartbeat_interval,
                pong_s=settings.websocket_heartbeat_timeout - settings.websocket_heartbeat_interval,
            )
            rt.connections = lambda: server.connected
            await stop.serve(server, listener)
    return 0
