"""`cdts sim`, and the simulator as a child process for `cdts demo`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from ..clock import SystemClock
from ..model.errors import CdtsError, InvalidParameter
from ..providers import catalog
from .running import Server, Stop, listen, run_until_stopped, url_of

START_S = 20.0
END_S = 3.0
ANY_KEY = "key-of-the-simulator"
"""The simulator takes every key; it only wants one where the upstream does."""


def run(arguments: argparse.Namespace) -> int:
    """Serve the simulator until stopped, or print the settings that point every provider at it."""
    if not 0 <= arguments.port <= 65_535:
        raise InvalidParameter(f"--port: got {arguments.port}; allowed: 0 to 65535.")
    if arguments.print_env:
        return _print_env(arguments.host, arguments.port)
    return run_until_stopped(partial(_serve, arguments))


def pointed_at(address: str) -> tuple[dict[str, str], dict[str, str]]:
    """Base URL of every provider at the simulator, and every key by its environment name."""
    entries = [e for e in catalog.load().values() if e.status in ("live", "keyed")]
    urls = {entry.id: f"{address}/{entry.id}" for entry in entries}
    return urls, {entry.auth.env: ANY_KEY for entry in entries if entry.auth}


def sockets_at(address: str) -> dict[str, str]:
    """Address of every venue's stream at the simulator."""
    entries = [e for e in catalog.load().values() if e.status in ("live", "keyed") and e.stream]
    return {entry.id: f"{address.replace('http', 'ws', 1)}/{entry.id}" for entry in entries}


def _print_env(host: str, port: int) -> int:
    from ..settings import BASE_URL_PREFIX, WS_URL_PREFIX

    if port == 0:
        raise InvalidParameter("--print-env: give --port, the one `cdts sim` runs on.")
    shown = f"[{host}]" if ":" in host else host
    urls, keys = pointed_at(f"http://{shown}:{port}")
    for provider, url in urls.items():
        print(f"export {BASE_URL_PREFIX}{provider.upper()}={url}")
    for provider, url in sockets_at(f"http://{shown}:{port}").items():
        print(f"export {WS_URL_PREFIX}{provider.upper()}={url}")
    for name, key in keys.items():
        print(f"export {name}={key}")
    return 0


async def _serve(arguments: argparse.Namespace, stop: Stop) -> int:
    from ..api.sockets import SocketProtocol
    from ..sim.app import create_app

    with contextlib.closing(listen(arguments.host, arguments.port)) as listener:
        url = url_of(listener)
        app = create_app(arguments.seed, SystemClock())
        watch = asyncio.create_task(_with_parent(stop)) if arguments.with_parent else None
        try:
            server = Server(
                app,
                lambda: print(url, flush=True),
                graceful_s=1,
                lifespan="off",
                ws=SocketProtocol,
            )
            await stop.serve(server, listener)
        finally:
            if watch is not None:
                watch.cancel()
    return 0


async def _with_parent(stop: Stop) -> None:
    """End when the parent does: its end of standard input closes with it, kill -9 included."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    stop()


@asynccontextmanager
async def simulator(seed: int) -> AsyncIterator[str]:
    """A simulator in a process of its own on a free loopback port; gives its address. Raises CdtsError when it does not
    start."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "crypto_dt_source.cli.main",
        "sim",
        "--with-parent",
        "--seed",
        str(seed),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Out of the terminal's reach: at Ctrl-C the service stops first, then it.
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stdin is not None  # noqa: S101 - asked for above
    try:
        line = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                line = (await process.stdout.readline()).decode().strip()
        if not line.startswith("http://"):
            raise CdtsError("The simulator did not start; run `cdts sim` to see why.")
        yield line
    finally:
        # It ends when its standard input does.
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
