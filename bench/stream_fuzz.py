"""Claim 6: hostile clients of the stream (bad JSON, wrong types, huge, deep, binary, floods, slow readers, half-closed) for ten
minutes: no crash, resident memory flat, an `error` frame or a documented close code each time.

The service's application runs as a process of its own and publishes all the while; the attacks are those of
`tests/stream_fuzzer.py`, each with a seed of its own. `python -m bench.stream_fuzz --minutes 1` for a shorter run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from bench.fanout import Child
from bench.report import claim
from bench.running import resident_mb

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from stream_fuzzer import storm

FLAT_MB = 5.0
"""What a process of 200 MB may differ by from one moment to another."""
WARM = 0.25
"""Share of the run before memory is compared: pools and caches fill first."""
ROUND = 400


def fuzz(minutes: float) -> bool:
    """Attack for so long; gives whether the claims hold."""
    server = Child(["--serve", "hub"], set())
    port = int(server.line("serving").rsplit(":", 1)[1])
    server.say(str(int(minutes * 60) + 60))
    codes: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    memory: list[tuple[float, float]] = []
    began = time.monotonic()
    seed = 0
    try:
        while (spent := time.monotonic() - began) < minutes * 60:
            ended, said = asyncio.run(storm(port, seed, ROUND))
            seed += ROUND
            codes.update(ended)
            kinds.update(said)
            memory.append((spent, resident_mb(server.child.pid)))
        alive = server.child.poll() is None
    finally:
        threading.Timer(1, server.child.terminate).start()
        server.child.wait(30)
    late = [mb for at, mb in memory if at >= WARM * minutes * 60]
    half = len(late) // 2
    growth = sum(late[half:]) / len(late[half:]) - sum(late[:half]) / len(late[:half])
    print(f"  {seed} connections, ended with {dict(sorted(codes.items()))}")
    print(f"  the server said {dict(sorted(kinds.items()))}")
    print(
        f"  memory {memory[0][1]:.1f} MB at first, {memory[-1][1]:.1f} MB at last, highest {max(mb for _, mb in memory):.1f} MB"
    )
    return all(
        [
            claim("hostile stream clients survived", seed, "connections", "none", None, None, "the server lives", alive),
            claim(
                "memory under hostile stream clients, second half over first", growth, "MB", "none", None, None,
                f"<= {FLAT_MB:g}", growth <= FLAT_MB,
            ),
        ]
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    return 0 if fuzz(parser.parse_args(arguments).minutes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
