"""What a key, its limits and accounting cost (issue 4, claim 3).

    python -m bench.access_cost [--rounds 9] [--seconds 1]

First in this process, one request after the other: `Gate.admit` and the account of the answer, among 10 000 keys, with a
key, with a token, and anonymous. Then over HTTP: the whole service (collecting from a simulator, with pro keys, limits
and accounting on), a bare FastAPI route that returns the same bytes, and the same route built the usual way
(`bench.usual_route`), each a process on the same core, driven in turn by keep-alive connections from the other.

The rate that is judged is answers a second of CPU that the server took, all its threads together: what the core gives when
it has nothing else to do. Answers a second of time are shown beside it; they are as good as the machine is quiet.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

from crypto_dt_source.api.gate import Gate
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.security.keys import new_record
from crypto_dt_source.security.tiers import PRO
from crypto_dt_source.services.accounts import Accounts
from crypto_dt_source.settings import Settings
from crypto_dt_source.store import open_store
from crypto_dt_source.wiring_access import access_of

from .http_prices import BARE, cores, drive, new_loop
from .issued import ENVIRONMENT, issue, usual_token
from .report import claim
from .running import CDTS, Process, cpu_s, get, process, upstreams_at

PYTHON_WITH_SLOWAPI = Path(__file__).resolve().parent.parent / ".venv" / "bench" / "bin" / "python"
"""As `make bench` sets it up."""
PATH = "/api/prices/BTC"
KEYS = 10_000
CALLERS = 64
COST_MS = 0.15
OF_BARE, OF_USUAL = 0.75, 10.0
AMPLE = {"PRO_TIER_LIMIT": "100000000/minute", "PRO_TIER_DAILY": "900000000"}
"""So much that nobody is refused; every request is counted all the same."""
FIRST_PRICE_S = 15.0
START_S, RESTING = 30.0, 0.1
"""At most how long a start takes, and the share of the core that is rest: collecting goes on."""
Headers = list[tuple[bytes, bytes]]
COMMON: Headers = [
    (b"host", b"127.0.0.1:7860"),
    (b"user-agent", b"python-httpx/0.28"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"connection", b"keep-alive"),
]


def scope(number: int, headers: Headers) -> dict[str, Any]:
    """A request as a server hands it on; one of 2 500 client addresses."""
    return {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "query_string": b"",
        "headers": [*COMMON, *headers],
        "client": (f"10.0.{number % 250}.{number // 250 % 10}", 50_000),
    }


async def in_process(rounds: int) -> bool:
    """The first claim."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=Path(name),
            free_tier_limit="100000/minute",
            free_tier_daily=1_000_000,
        )
        store = await open_store(settings.sql_url(), pool_size=1, clock=clock)
        access = await asyncio.to_thread(access_of, settings, store, clock)
        made = [
            new_record(f"caller {n}", PRO, ("read",), salt=access.keyring.salt, now_ms=clock.now_ms())
            for n in range(KEYS)
        ]
        access.keyring.take_up(record for _, record in made)
        tokens = [access.keyring.tokens.issue(record)[0] for _, record in made]
        kinds = {
            "a key": [scope(n, [(b"x-api-key", key.encode())]) for n, (key, _) in enumerate(made)],
            "a token": [
                scope(n, [(b"authorization", f"Bearer {token}".encode())]) for n, token in enumerate(tokens)
            ],
            "no key": [scope(n, []) for n in range(KEYS)],
        }
        gate, accounts = Gate(lambda: access), Accounts(clock)
        spent: dict[str, list[int]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, asked in kinds.items():
                for each in asked:
                    begun = time.perf_counter_ns()
                    admission = await gate.admit(each)
                    assert admission is not None
                    accounts.request(admission.caller.address, "/api/prices/{symbol}", 200, 0.1)
                    spent[kind].append(time.perf_counter_ns() - begun)
                    assert admission.refusal is None
        await store.close()
    ok = True
    for kind, times in spent.items():
        times.sort()
        p50, p99 = times[len(times) // 2] / 1e6, times[len(times) * 99 // 100] / 1e6
        ok &= claim(
            f"gate, limit and account of a request with {kind}, {KEYS} keys, p50 (p99 {p99:.3f} ms)",
            p50, "ms", "", None, None, f"<= {COST_MS:g} ms", p50 <= COST_MS,
        )  # fmt: skip
    return ok


def asked(headers: Sequence[str]) -> Callable[[str], Iterator[bytes]]:
    """Requests of the hot route, one header line after the other in turn."""

    def requests(host: str) -> Iterator[bytes]:
        lines = [
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{line}\r\n\r\n".encode()
            for line in headers
        ]
        return cycle(lines)

    return requests


def priced(address: str) -> bytes:
    """The service's answer once several sources price the asset, warm."""
    import urllib.request

    until = time.perf_counter() + FIRST_PRICE_S
    while time.perf_counter() < until:
        status, answer = get(address, PATH)
        if status == 200 and answer["data"]["status"] == "ok" and answer["meta"]["cache"] == "hit":
            with urllib.request.urlopen(f"{address}{PATH}") as reply:
                body: bytes = reply.read()
            return body
        time.sleep(0.2)
    raise RuntimeError("the service did not price BTC in time")


class Way:
    """A server, what it is asked, and how fast it was: by its own CPU, and by the clock."""

    def __init__(self, server: Process, headers: Sequence[str]) -> None:
        self.server = server
        self.requests = asked(headers)
        self.by_cpu: list[float] = []
        self.by_clock: list[float] = []

    async def drive(self, connections: int, seconds: float) -> None:
        """One more round."""
        before, begun = cpu_s(self.server.child.pid), time.perf_counter()
        rate = await drive(self.server.url, connections, seconds, self.requests)
        spent = time.perf_counter() - begun
        self.by_clock.append(rate)
        self.by_cpu.append(rate * spent / (cpu_s(self.server.child.pid) - before))


def started(stack: ExitStack, command: Sequence[str], on: set[int], **environment: str) -> Process:
    """A server on those cores, once it answers."""
    server = stack.enter_context(process(command, environment))
    if on:
        os.sched_setaffinity(server.child.pid, on)
    server.address()
    return server


def rested(server: Process) -> None:
    """Wait until the start with all it loads is over."""
    until = time.perf_counter() + START_S
    while time.perf_counter() < until:
        before = cpu_s(server.child.pid)
        time.sleep(1.0)
        if cpu_s(server.child.pid) - before < RESTING:
            return


def servers(stack: ExitStack, runner: asyncio.Runner, folder: Path) -> tuple[dict[str, Way], int]:
    """The ways that are compared, and how many bytes each answers."""
    core, rest = cores()
    if rest:
        os.sched_setaffinity(0, rest)
    callers = runner.run(issue(folder / "data", PRO, CALLERS))
    simulator = started(stack, [*CDTS, "sim", "--port", "0"], rest)
    command = [*CDTS, "serve", "--port", "0", "--data-dir", str(folder / "data")]
    ours = started(stack, command, core, **upstreams_at(simulator.url), **ENVIRONMENT, **AMPLE)
    rested(ours)
    body, secret = priced(ours.url), secrets.token_hex(32)
    file = folder / "body.json"
    file.write_bytes(body)
    code = BARE.replace('"/api/prices"', f'"{PATH}"')
    bare = started(stack, [sys.executable, "-c", code, "fastapi", str(file)], core)
    usual = started(
        stack, [str(PYTHON_WITH_SLOWAPI), "-m", "bench.usual_route", str(file), secret, str(folder)], core
    )
    status, _ = get(usual.url, PATH)
    if status not in (401, 403):
        raise RuntimeError(f"the usual route answered {status} without a token")
    theirs = [f"Authorization: Bearer {usual_token(f'caller {n}', secret)}" for n in range(CALLERS)]
    ways = {
        "with a key": Way(ours, [f"X-API-Key: {c.secret}" for c in callers]),
        "with a token": Way(ours, [f"Authorization: Bearer {c.token}" for c in callers]),
        "bare": Way(bare, theirs),
        "usual": Way(usual, theirs),
    }
    return ways, len(body)


def over_http(rounds: int, seconds: float, connections: int) -> bool:
    """The second and the third claim."""
    with ExitStack() as stack, asyncio.Runner(loop_factory=new_loop) as runner:
        ways, size = servers(stack, runner, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        order = list(ways)
        for way in ways.values():
            runner.run(drive(way.server.url, connections, 0.5, way.requests))
        for number in range(rounds):
            for name in order[number % 4 :] + order[: number % 4]:
                runner.run(ways[name].drive(connections, seconds))
    middle = {name: statistics.median(way.by_cpu) for name, way in ways.items()}
    for name, way in ways.items():
        print(
            f"  {name:13} {middle[name]:8,.0f} requests a second of CPU ({min(way.by_cpu):,.0f} to {max(way.by_cpu):,.0f}), "
            f"{statistics.median(way.by_clock):,.0f} a second of time ({min(way.by_clock):,.0f} to {max(way.by_clock):,.0f})"
        )
    mine = middle["with a key"]
    ok = claim(
        f"GET {PATH} with a key, limits and accounting, one core, {size} bytes", mine, "requests/s",
        "bare FastAPI route of the same bytes", middle["bare"], mine / middle["bare"],
        f">= {OF_BARE:g} of it", mine >= OF_BARE * middle["bare"],
    )  # fmt: skip
    ok &= claim(
        f"GET {PATH} with a key, limits and accounting, one core, {size} bytes", mine, "requests/s",
        "the route built the usual way", middle["usual"], mine / middle["usual"],
        f">= {OF_USUAL:g} times it", mine >= OF_USUAL * middle["usual"],
    )  # fmt: skip
    shares = ", ".join(
        f"{middle['with a token'] / middle[name]:.2f} of {name}" for name in ("with a key", "bare", "usual")
    )
    print(
        f"  with a token: {shares}; the usual route is 1/{middle['bare'] / middle['usual']:.1f} of the bare one"
    )
    return ok


def main(argv: Sequence[str] | None = None) -> int:
    """Print the claims; 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.access_cost")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each server in each round")
    parser.add_argument("--connections", type=int, default=16)
    chosen = parser.parse_args(argv)
    cheap = asyncio.run(in_process(3))
    return 0 if over_http(chosen.rounds, chosen.seconds, chosen.connections) and cheap else 1


if __name__ == "__main__":
    sys.exit(main())
