"""Health with every upstream hanging: the answer of `/api/health` is there within 50 ms over HTTP.

The simulator and `cdts serve` run as processes of their own. Twice every provider takes each connection and never
answers: from before the service's start, when nothing is known yet, and after it has collected, when all that it asks hangs
until its timeout. All the while a client asks for health on one connection, ten times a second, and beside it for
metrics now and then, as a scraper would. Measured is the client's time, connection included for the first.

The first five seconds are shown and not held to the target: libraries are loaded and models read then, which takes the
processor from everything, hanging upstreams or not.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from bench.report import claim
from bench.running import CDTS, Process, fault, get, process, upstreams_at

TARGET_MS = 50.0
EVERY_S = 0.1
START_S = 5.0
COLLECTED_S = 30.0
HANG = {"provider": "*", "fault": "hang"}


class Client:
    """One connection that is kept."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def ask(self, path: str) -> tuple[int, float, int]:
        """Status, milliseconds and bytes of one GET."""
        begun = time.perf_counter()
        self._connection.request("GET", path)
        reply = self._connection.getresponse()
        size = len(reply.read())
        return reply.status, (time.perf_counter() - begun) * 1000, size

    def close(self) -> None:
        self._connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def asked(address: str, count: int) -> tuple[list[float], list[float], int]:
    """Milliseconds of `count` health answers and of the scrapes between them, and how many were no 200."""
    client, scraper = Client(address), Client(address)
    health: list[float] = []
    scrapes: list[float] = []
    wrong = 0
    due = time.perf_counter()
    for number in range(count):
        status, ms, _ = client.ask("/api/health")
        health.append(ms)
        wrong += status != 200
        if number % 20 == 10:
            status, ms, _ = scraper.ask("/metrics")
            scrapes.append(ms)
            wrong += status != 200
        due += EVERY_S
        time.sleep(max(0.0, due - time.perf_counter()))
    client.close()
    scraper.close()
    return health, scrapes, wrong


def judged(name: str, address: str, count: int) -> bool:
    early, _, _ = asked(address, round(START_S / EVERY_S))
    claim(
        f"{name}: p99 of {len(early)} health answers of the first {START_S:g} s (most {max(early):.1f} ms)",
        percentile(early, 0.99),
        "ms",
        "p50",
        percentile(early, 0.5),
        None,
        "none",
        True,
    )
    health, scrapes, wrong = asked(address, count)
    p99 = percentile(health, 0.99)
    ok = claim(
        f"{name}: p99 of {count} health answers (p50 {percentile(health, 0.5):.2f} ms, most {max(health):.1f} ms)",
        p99,
        "ms",
        "p50",
        percentile(health, 0.5),
        None,
        f"<= {TARGET_MS:g} ms",
        p99 <= TARGET_MS,
    )
    claim(
        f"{name}: median of {len(scrapes)} scrapes of /metrics meanwhile",
        percentile(scrapes, 0.5),
        "ms",
        "most",
        max(scrapes),
        None,
        "none",
        True,
    )
    return (
        claim(f"{name}: answers that were no 200", wrong, "answers", "asked", count, None, "0", not wrong)
        and ok
    )


def serving(simulator: str, folder: Path) -> Process:
    return Process([*CDTS, "serve", "--port", "0", "--data-dir", str(folder)], upstreams_at(simulator))


def collected(address: str) -> None:
    """Wait until prices are served."""
    until = time.perf_counter() + COLLECTED_S
    while time.perf_counter() < until:
        with suppress(OSError, http.client.HTTPException, ValueError):
            if get(address, "/api/health/ready")[0] == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("no price was collected")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when health was there in time both times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="health answers of each part")
    count = parser.parse_args(argv).count
    ok = True
    with process([*CDTS, "sim", "--port", "0"]) as simulator, tempfile.TemporaryDirectory() as folder:
        address = simulator.address()
        for name, hangs_first in (
            ("hanging since the start", True),
            ("hanging after the first prices", False),
        ):
            service = None
            try:
                if hangs_first:
                    with fault(address, HANG):
                        service = serving(address, Path(folder) / "cold")
                        ok &= judged(name, service.address(), count)
                else:
                    service = serving(address, Path(folder) / "warm")
                    collected(service.address() if not service.url else service.url)
                    with fault(address, HANG):
                        ok &= judged(name, service.url, count)
            finally:
                if service is not None:
                    service.close()
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
