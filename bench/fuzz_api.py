"""Claim 8: generated requests against every route; no 5xx but the documented 503 and 504, no answer outside its schema.

Half of the time the simulated upstreams are well, half of the time they fail in every way the simulator knows, so that
the answers for failure are tested too. `python -m bench.fuzz_api --cases 10000` is the whole claim (some minutes).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "api")]

from fuzzing import Fuzzer, cases  # noqa: E402
from hypothesis import HealthCheck, given, seed, settings  # noqa: E402
from in_process import Service, service  # noqa: E402
from schemathesis.core.failures import Failure, FailureGroup  # noqa: E402
from schemathesis.generation.case import Case  # noqa: E402

from bench.report import claim  # noqa: E402
from crypto_dt_source.api.app import create_app  # noqa: E402
from crypto_dt_source.services import collect  # noqa: E402
from crypto_dt_source.sim.faults import KINDS  # noqa: E402
from crypto_dt_source.telemetry import configure  # noqa: E402

CHANGE_EVERY = 50
"""Requests between two kinds of weather."""


def new_weather(api: Service, dice: random.Random) -> None:
    """Well, or each provider in use stricken by something half of the time."""
    api.sim.faults.clear()
    if dice.random() < 0.5:
        return
    for provider in api.sim.entries:
        if dice.random() < 0.7:
            api.sim.faults.add(provider, dice.choice(list(KINDS)), p=dice.choice((0.5, 1.0)))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the claim's line; 1 when an answer was not as documented."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_api")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args(argv)
    configure("ERROR")
    dice = random.Random(chosen.seed)
    wrong: dict[str, str] = {}
    count = 0
    begun = time.perf_counter()
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        opened = service(Path(folder), raise_errors=False)
        fuzzer = Fuzzer(runner.run(opened.__aenter__()), runner)

        @seed(chosen.seed)
        @settings(
            max_examples=chosen.cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=cases(create_app().openapi()))
        def every(case: Case) -> None:
            nonlocal count
            if count % CHANGE_EVERY == 0:
                new_weather(fuzzer.api, dice)
                runner.run(fuzzer.api.pass_time(61))
                runner.run(collect.one_round(fuzzer.api.rt))
            count += 1
            # Findings are gathered, not raised: shrinking each would stop the run at the first.
            try:
                fuzzer.check(case)
            except (Failure, FailureGroup, AssertionError) as failure:
                wrong.setdefault(
                    f"{case.method} {case.operation.path}: {str(failure)[:400]}", case.as_curl_command()
                )

        try:
            every()
        finally:
            runner.run(opened.__aexit__(None, None, None))
    for what, how in wrong.items():
        print(f"  {what}\n    {how}")
    shown = ", ".join(f"{status}: {n}" for status, n in sorted(fuzzer.statuses.items()))
    print(
        f"  {count} requests on {len(fuzzer.routes)} routes in {time.perf_counter() - begun:.0f} s; {shown}"
    )
    met = claim(
        f"answers outside the contract, {count} generated requests",
        len(wrong),
        "kinds",
        "",
        None,
        None,
        "0",
        not wrong and count >= chosen.cases,
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
