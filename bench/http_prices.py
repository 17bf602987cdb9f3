"""Claim 7, first sentence: `GET /api/prices?symbols=BTC,ETH,SOL` answers at least 90 % of the requests per second of a
bare FastAPI route that returns the same bytes, on the same server settings and the same core.

Three servers run as processes of their own, pinned to one core: the whole service (collecting in the background from a
simulator that runs on the other core, accounting on), the bare FastAPI route and a bare Starlette route. They are driven
one at a time, in turn, by keep-alive connections from this process on the other core; the ratio is of the medians of
the rounds. `python -m bench.http_prices --help` for longer runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, repeat
from pathlib import Path

from bench.report import claim

PATH = "/api/prices?symbols=BTC,ETH,SOL"
TARGET = 0.9
START_S = 30.0
FIRST_PRICES_S = 15.0

BARE = """
import sys
import uvloop
from crypto_dt_source.api.protocol import Protocol
from crypto_dt_source.cli.running import Server, listen, run_until_stopped, url_of
body = open(sys.argv[2], "rb").read()
if sys.argv[1] == "fastapi":
    from fastapi import FastAPI, Response
    app = FastAPI()
    @app.get("/api/prices")
    async def prices() -> Response:
        return Response(body, media_type="application/json")
else:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route
    async def prices(request) -> Response:
        return Response(body, media_type="application/json")
    app = Starlette(routes=[Route("/api/prices", prices)])
listener = listen("127.0.0.1", 0)
async def work(stop):
    ready = lambda: print("serving", url_of(listener), flush=True)
    await stop.serve(Server(app, ready, graceful_s=1, lifespan="off", http=Protocol), listener)
    return 0
run_until_stopped(work, uvloop.Loop)
"""
"""A reference server: the service's own listener, loop and server settings around one bare route."""


def cores() -> tuple[set[int], set[int]]:
    """One core for the servers, the others for everything else; the same twice where there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    free = sorted(os.sched_getaffinity(0))
    return {free[0]}, set(free[1:]) or {free[0]}


@contextmanager
def process(command: Sequence[str], on: set[int], wanted: str, **environment: str) -> Iterator[str]:
    """A child process on those cores, once it printed a line that starts with `wanted`; gives the address in it."""
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    if on:
        os.sched_setaffinity(child.pid, on)
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if line.startswith(wanted):
                yield next(word for word in line.split() if word.startswith("http://"))
                return
        raise RuntimeError(f"{command} ended before it was ready")
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when an answer is complete."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self.requests = requests
        self.until = until
        self.answers = 0
        self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(next(self.requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            data = self._left + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._left = data
                return
            self._left = b""
            at = data.index(b"content-length: ") + 16
            length = int(data[at : data.index(b"\r", at)])
            self.failures += not data.startswith(b"HTTP/1.1 200")
            self._missing = end + 4 + length - len(data)
        if self._missing <= 0:
            self.answers += 1
            if time.perf_counter() < self.until:
                self.transport.write(next(self.requests))  # type: ignore[attr-defined]
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.until:
            self.failures += 1
        if not self.done.done():
            self.done.set_result(None)


def same(host: str) -> Iterator[bytes]:
    """The request of the claim, over and over."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode()
    return repeat(request)


def different(host: str) -> Iterator[bytes]:
    """The same question under a URL nobody used before: nothing the edge keeps can answer it."""
    for number in count():
        yield f"GET {PATH}&n={number} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode()


async def drive(
    address: str, connections: int, seconds: float, requests: Callable[[str], Iterator[bytes]] = same
) -> float:
    """Answers per second over all connections. Raises RuntimeError for any answer that is not 200."""
    host, port = address.removeprefix("http://").split(":")
    asked = requests(f"{host}:{port}")
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Connection(asked, begun + seconds), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(c.done for c in made))
    spent = time.perf_counter() - begun
    if failures := sum(c.failures for c in made):
        raise RuntimeError(f"{failures} answers of {address} were not 200")
    return sum(c.answers for c in made) / spent


async def fetch(address: str) -> bytes:
    """One answer's body."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    raw = await reader.read()
    writer.close()
    return raw.split(b"\r\n\r\n", 1)[1]


async def ready_body(address: str) -> bytes:
    """The service's answer once all three assets have their sources."""
    until = time.perf_counter() + FIRST_PRICES_S
    while time.perf_counter() < until:
        body = await fetch(address)
        if body.count(b'"status":"ok"') == 3:
            return body
        await asyncio.sleep(0.2)
    raise RuntimeError("the service did not price BTC, ETH and SOL in time")


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed: the generator must not be the slower side."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def service(stack: ExitStack, folder: Path, server: set[int], rest: set[int], **environment: str) -> str:
    """The simulator on the other cores and the whole service on its own; gives the service's address. Nobody without a
    key is limited unless `environment` says otherwise."""
    cdts = [sys.executable, "-m", "crypto_dt_source.cli.main"]
    sim = stack.enter_context(process([*cdts, "sim", "--with-parent"], rest, "http://"))
    from crypto_dt_source.providers import catalog

    urls = {
        f"CDTS_BASE_URL__{i.upper()}": f"{sim}/{i}" for i, e in catalog.load().items() if e.status == "live"
    }
    command = [*cdts, "serve", "--port", "0", "--data-dir", str(folder / "data")]
    unlimited = {"FREE_TIER_LIMIT": "unlimited", "FREE_TIER_DAILY": "0"}
    return stack.enter_context(process(command, server, "serving", **{**urls, **unlimited, **environment}))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the claim's line and the ratio to Starlette; 1 when the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_prices")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each server in each round")
    parser.add_argument("--connections", type=int, default=16)
    chosen = parser.parse_args(argv)
    server, rest = cores()
    if rest:
        os.sched_setaffinity(0, rest)
    with ExitStack() as stack, asyncio.Runner(loop_factory=new_loop) as runner:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = {"service": service(stack, folder, server, rest)}
        body = runner.run(ready_body(addresses["service"]))
        (folder / "body.json").write_bytes(body)
        for name in ("fastapi", "starlette"):
            command = [sys.executable, "-c", BARE, name, str(folder / "body.json")]
            addresses[name] = stack.enter_context(process(command, server, "serving"))
        rates: dict[str, list[float]] = {name: [] for name in addresses}
        for address in addresses.values():
            runner.run(drive(address, chosen.connections, 0.5))
        for number in range(chosen.rounds):
            order = list(addresses)
            for name in order[number % 3 :] + order[: number % 3]:
                rates[name].append(runner.run(drive(addresses[name], chosen.connections, chosen.seconds)))
        cold = runner.run(drive(addresses["service"], chosen.connections, chosen.seconds, different))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"  {name:10} {middle[name]:8,.0f} requests/s  ({', '.join(f'{v:,.0f}' for v in values)})")
    print(f"  service    {cold:8,.0f} requests/s  when every URL is new (routing, prices and JSON each time)")
    ratio = middle["service"] / middle["fastapi"]
    met = claim(
        f"GET {PATH} on one core, {len(body)} bytes",
        middle["service"],
        "requests/s",
        "bare FastAPI route",
        middle["fastapi"],
        ratio,
        f">= {TARGET:g} of FastAPI",
        ratio >= TARGET,
    )
    print(
        f"  beside a bare Starlette route: ratio {middle['service'] / middle['starlette']:.2f} (the aim is 1)"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
