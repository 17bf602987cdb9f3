"""Issue 6, the long tail of exchanges: what the exchange library (ccxt) costs beside an adapter of our own.

Import: seconds and memory, paid once and only when the first of its exchanges is asked. Parsing: the same kind of body, all
tickers of a venue in the simulator, read through the library (Bitget) and by a native adapter (Bybit), rows a second.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "sim")]

from sim_client import ENTRIES, START_MS, Client  # noqa: E402

from crypto_dt_source.clock import ManualClock  # noqa: E402
from crypto_dt_source.model.ask import Capability, QuotesAsk  # noqa: E402
from crypto_dt_source.providers import catalog  # noqa: E402
from crypto_dt_source.providers.kit import Reply  # noqa: E402
from crypto_dt_source.sim.app import create_app  # noqa: E402

from .report import claim  # noqa: E402

MOST_IMPORT_S = 3.0
MOST_IMPORT_MB = 150
LEAST_ROWS = 3_000
"""A second. The whole list of a large venue, two thousand rows, then takes well under a second, in a thread."""
_IMPORT = (
    "import resource, time; u = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; "
    "import crypto_dt_source.providers.adapters.exchange_library; m = u(); t = time.process_time(); import ccxt; "
    "print(time.process_time() - t, u() - m)"
)


def importing() -> tuple[float, float]:
    """CPU seconds and MiB that importing the library takes, in a process of its own."""
    seconds, mb = subprocess.check_output([sys.executable, "-c", _IMPORT], text=True).split()
    return float(seconds), float(mb)


async def _last(client: Client, provider: str) -> tuple[Any, Reply, Any]:
    """The endpoint of all quotes, the reply that is the answer, and the ask."""
    entry, ask = ENTRIES[provider], QuotesAsk()
    endpoint = catalog.adapter_of(entry).endpoints[Capability.QUOTES]
    request = endpoint.request(ask)
    while True:
        reply = await client.reply(entry, request)
        records = list(endpoint.parse(reply, ask))
        if records:
            return endpoint, reply, ask
        following = endpoint.next(reply, ask, request) if endpoint.next else None
        assert following is not None, provider
        request = following


def rate(run: Callable[[], int], seconds: float = 1.0) -> float:
    """Rows a CPU second."""
    rows, begun = 0, time.process_time()
    while time.process_time() - begun < seconds:
        rows += run()
    return rows / (time.process_time() - begun)


def _rate_of(client: Client, provider: str) -> float:
    endpoint, reply, ask = asyncio.run(_last(client, provider))
    return rate(lambda: len(list(endpoint.parse(reply, ask))))


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the targets were met."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    seconds, mb = importing()
    ok = claim(
        "exchange library: import", seconds, "CPU s", "limit", MOST_IMPORT_S, None,
        f"<= {MOST_IMPORT_S:g}", seconds <= MOST_IMPORT_S,
    )  # fmt: skip
    ok &= claim(
        "exchange library: memory of the import", mb, "MiB", "limit", MOST_IMPORT_MB, None,
        f"<= {MOST_IMPORT_MB}", mb <= MOST_IMPORT_MB,
    )  # fmt: skip
    clock = ManualClock(START_MS)
    client = Client(create_app(7, clock, catalog.load()), clock)
    rates = {name: _rate_of(client, name) for name in ("bybit", "bitget")}
    ratio = rates["bybit"] / rates["bitget"]
    ok &= claim(
        "exchange library: tickers read", rates["bitget"], "rows/s", "native adapter", rates["bybit"], ratio,
        f">= {LEAST_ROWS:,} rows/s", rates["bitget"] >= LEAST_ROWS,
    )  # fmt: skip
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most in this process")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
