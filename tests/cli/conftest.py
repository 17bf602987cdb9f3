"""One simulator for the commands that ask upstreams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench.running import CDTS, process, upstreams_at


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """Address of a simulator in a process of its own."""
    with process([*CDTS, "sim", "--port", "0"]) as sim:
        yield sim.address()


@pytest.fixture
def simulated(
    simulator: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty folder whose settings point every provider at the simulator."""
    monkeypatch.chdir(tmp_path_factory.mktemp("simulated"))
    for name, value in upstreams_at(simulator).items():
        monkeypatch.setenv(name, value)
    return simulator
