"""A few hundred generated requests; `python -m bench.fuzz_api` sends ten thousand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fuzzing import Fuzzer, cases
from hypothesis import HealthCheck, given, settings
from in_process import service

from crypto_dt_source.api.app import create_app

EXAMPLES = 150


# hypothesis spells the strategy out when a draw is given up, and there is an alternative for every route.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.slow
def test_generated_requests_get_documented_answers(tmp_path: Path) -> None:
    strategy = cases(create_app().openapi())
    with asyncio.Runner() as runner:
        opened = service(tmp_path)
        fuzzer = Fuzzer(runner.run(opened.__aenter__()), runner)

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
        @given(case=strategy)
        def every(case: object) -> None:
            fuzzer.check(case)  # type: ignore[arg-type]

        try:
            every()
        finally:
            runner.run(opened.__aexit__(None, None, None))
    assert sum(fuzzer.statuses.values()) >= EXAMPLES
    assert {200, 404, 422} <= set(fuzzer.statuses)
    assert len(fuzzer.routes) >= 20
