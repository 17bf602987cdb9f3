"""Discovery on a corpus of places, good and bad, served on this machine: what is proven and admitted, and where it connects.

Directories name 100 places where a source is and 200 where none is: dead, pages for people, parked, with wrong prices, behind
private names, traps. Everything is asked over TLS through the real outbound guard, which takes one loopback address for the
internet; the time of the trials is simulated. A connection anywhere else is counted at the socket.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.outbound import Outbound, is_public
from crypto_dt_source.providers import directories
from crypto_dt_source.providers.catalog import Limit
from crypto_dt_source.providers.directories import Directory
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import collect, discovery, news
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim import discovery_places
from crypto_dt_source.sim.app import create_app
from crypto_dt_source.sim.discovery import Corpus
from crypto_dt_source.sim.discovery_server import VICTIM, Internet, served

from .report import claim
from .simulated import DayClock, service

T = TypeVar("T")
PORTS = (8443, 8080)
"""Such as the guard lets pass; the first that is free."""
PUBLIC = "127.88.0.2"
VENUES = ("binance", "okx", "gate", "kucoin", "bybit", "mexc")
"""Whose quotes the consensus is made of here."""
FEEDS = ("coindesk", "cointelegraph", "decrypt")
STEP_S = 600.0
HOURS = 13.0
TIMEOUT_S = 2.0
"""Of one request to a place: the guard's usual 10 s would only make the traps last longer."""
PRECISION, RECALL = 0.98, 0.8


@dataclass(slots=True)
class Outcome:
    """What became of the places: `admitted`, `proven` and `states` by host; `tried` are addresses a socket was sent to."""

    corpus: Corpus
    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    tried: Counter[str] = field(default_factory=Counter)
    reached: int = 0
    requests: int = 0

    @property
    def admitted(self) -> list[str]:
        return [host for host, state in self.states.items() if state == "admitted"]

    @property
    def precision(self) -> float:
        good = sum(self.corpus.spots[host].good for host in self.admitted)
        return good / len(self.admitted) if self.admitted else 0.0

    @property
    def recall(self) -> float:
        good = [spot.host for spot in self.corpus.spots.values() if spot.good]
        return sum(self.states.get(host) == "admitted" for host in good) / len(good)

    @property
    def private(self) -> int:
        """Connections that were begun to any address but the one that stands for the internet."""
        return sum(count for address, count in self.tried.items() if address != PUBLIC) + self.reached


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and a client's that trusts it, whatever the name: each place has another. Needs openssl."""
    key, chain = folder / "key.pem", folder / "cert.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=corpus"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True
    )
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(chain, key)
    trusting = ssl.create_default_context(cafile=str(chain))
    trusting.check_hostname = False
    return serving, trusting


def free_port() -> int:
    """Free on both addresses. Raises OSError."""
    for port in PORTS:
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind((VICTIM, port))
            other.bind((PUBLIC, port))
            return port
    raise OSError(f"ports {PORTS} are taken")


@contextmanager
def counted(tried: Counter[str]) -> Iterator[None]:
    """Every address a socket of this process is sent to, while the block runs."""
    connect = socket.socket.connect

    def noted(self: socket.socket, address: tuple[str, int]) -> None:
        tried[str(address[0])] += 1
        connect(self, address)

    socket.socket.connect = noted  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]


class Documents:
    """A transport that has the directories' documents and nothing else."""

    def __init__(self, bodies: Mapping[str, bytes], clock: ManualClock) -> None:
        self._bodies = bodies
        self._clock = clock

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """See `crypto_dt_source.gateway.transport.Transport`."""
        return Reply(provider, 200, self._bodies[provider], self._clock.now_ms())

    async def close(self) -> None:
        """Nothing is open."""


def directories_of(bodies: Mapping[str, bytes]) -> list[Directory]:
    """The corpus's documents as directories, read as those of the world are."""
    readers = {
        "github": directories.github,
        "public_apis": directories.public_apis,
        "linkset": directories.api_catalog,
    }
    return [
        Directory(name, name, f"https://{name}.example.org", "/", "", (Limit(10, 60),), readers[name])
        for name in bodies
    ]


async def driven(clock: ManualClock, work: Awaitable[T]) -> T:
    """The result of `work`, time moving on a little while it waits for it."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=0.001)
        if not task.done():
            await clock.advance(0.05)
    return task.result()


async def quotes(rt: Runtime, clock: ManualClock) -> None:
    """Fetch the venues' quotes and decide the prices, as the timetable would have by now."""
    for venue in VENUES:
        await driven(clock, collect.venue_quotes(rt, venue))
    for asset in list(rt.board.assets()):
        rt.pricer.point(asset)


def reachable(address: IPv4Address | IPv6Address) -> bool:
    return str(address) == PUBLIC or is_public(address)


async def trial(
    folder: Path,
    share: float = 1.0,
    hours: float = HOURS,
    *,
    seed: int | None = None,
    fill: Callable[[Corpus], None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Look for sources in a corpus and try them for `hours` of simulated time, in the market of `seed` (the usual one where
    None). Raises OSError where no port is free."""
    serving, trusting = certificate(folder)
    clock = DayClock()
    market = None if seed is None else create_app(seed, clock)
    opened = service(folder / "data", keys=False, clock=clock, sim=market, background=False, auto_admit=True)
    async with opened as (rt, sim, _, _):
        await quotes(rt, clock)
        for feed in FEEDS:
            await driven(clock, news.read_feed(rt, feed, None))
        corpus = Corpus(sim.market, clock, free_port())
        (fill or partial(discovery_places.fill, share=share))(corpus)
        outcome = Outcome(corpus)
        async with served(corpus, PUBLIC, serving) as internet:
            own = rt.discovery
            await own.outbound.close()
            own.outbound = Outbound(
                clock, resolve=internet.resolve, public=reachable, tls=trusting, timeout_s=timeout_s
            )
            bodies = discovery_places.directories(corpus)
            own.transport, own.directories = Documents(bodies, clock), directories_of(bodies)
            with counted(outcome.tried):
                await _days(rt, clock, hours)
            await _told(rt, outcome, internet)
        return outcome


async def _days(rt: Runtime, clock: ManualClock, hours: float) -> None:
    for step in range(round(hours * 3600 / STEP_S) + 1):
        await quotes(rt, clock)
        if step in (0, 1, 2, 40):
            await discovery.run(rt, "person", wait_s=600)
        await discovery.shadow(rt)
        await _approve(rt)
        await clock.advance(STEP_S)


async def _approve(rt: Runtime) -> None:
    """An admin who trusts the proof: by itself only a few are admitted."""
    for row in (await discovery.listed(rt, "proven", 100, 0))[0]:
        await discovery.approve(rt, row["id"], "bench")


async def _told(rt: Runtime, outcome: Outcome, internet: Internet) -> None:
    hosts = {spot.url: spot.host for spot in outcome.corpus.spots.values()}
    page = 0
    while rows := (await discovery.listed(rt, None, 100, page * 100))[0]:
        page += 1
        for row in rows:
            host = hosts.get(row["url"])
            if host is not None:
                outcome.states[host] = row["state"]
                outcome.reasons[host] = "; ".join(row["reasons"])
    outcome.reached, outcome.requests = internet.reached, internet.asked.total()


def kinds(outcome: Outcome) -> Iterator[str]:
    """A line a kind of place: how many there are, and what became of them."""
    rows: dict[tuple[bool, str], Counter[str]] = {}
    for spot in outcome.corpus.spots.values():
        rows.setdefault((not spot.good, spot.kind), Counter())[outcome.states.get(spot.host, "unnamed")] += 1
    for (bad, kind), states in sorted(rows.items()):
        told = ", ".join(f"{state} {count}" for state, count in sorted(states.items()))
        yield f"  {'bad ' if bad else 'good'} {kind:14} {told}"


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every target was met."""
    parser = argparse.ArgumentParser(prog="python -m bench.discovery")
    parser.add_argument("--share", type=float, default=1.0, help="of the corpus")
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--seed", type=int, help="of another market")
    parser.add_argument("--reasons", action="store_true", help="print why each was decided so")
    given = parser.parse_args(argv)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(trial(Path(folder), given.share, given.hours, seed=given.seed))
    spots = outcome.corpus.spots.values()
    good = sum(spot.good for spot in spots)
    print(f"{good} good and {len(spots) - good} bad places, {given.hours:g} simulated hours, "
          f"{outcome.requests} requests, {time.perf_counter() - begun:.0f} s")  # fmt: skip
    for line in kinds(outcome):
        print(line)
    if given.reasons:
        for host, reason in sorted(outcome.reasons.items()):
            print(f"  {host}: {outcome.states[host]}: {reason}")
    met = [
        claim("precision of what was admitted", outcome.precision, "", "", None, None, f">= {PRECISION}", outcome.precision >= PRECISION),
        claim("recall", outcome.recall, "", "", None, None, f">= {RECALL}", outcome.recall >= RECALL),
        claim("connections to anything private", outcome.private, "", "", None, None, "0", outcome.private == 0),
    ]  # fmt: skip
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
