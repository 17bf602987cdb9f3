"""`cdts sim`, and the simulator as a child process for `cdts demo`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from ..clock import SystemClock
from ..model.errors import CdtsError
from ..sim.app import create_app

START_S = 20.0


def run(arguments: argparse.Namespace) -> int:
    """Serve the simulator until stopped."""
    return asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    from .serve import _listen

    app = create_app(arguments.seed, SystemClock())
    listener = _listen(arguments.host, arguments.port)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    print(f"http://{arguments.host}:{port}", flush=True)
    watch = asyncio.create_task(_with_parent(server)) if arguments.with_parent else None
    await server.serve(sockets=[listener])
    if watch is not None:
        watch.cancel()
    return 0


async def _with_parent(server: uvicorn.Server) -> None:
    """End when the parent does: its end of standard input closes with it, kill -9 included."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    server.should_exit = True


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
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stdin is not None  # noqa: S101 - asked for above
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith("http://"):
            raise CdtsError("The simulator did not start; run `cdts sim` to see why.")
        yield line
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        process.stdin.close()
        await process.wait()
