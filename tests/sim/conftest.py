"""Fixtures of the simulator's tests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.providers import catalog
from crypto_dt_source.sim.app import create_app


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


def _client(clock: ManualClock) -> Client:
    entries = {**catalog.load(), **ENTRIES}
    known = {i: e if i in ENTRIES else replace(e, status="off") for i, e in entries.items()}
    return Client(create_app(7, clock, known), clock)


@pytest.fixture
def client(clock: ManualClock) -> Client:
    """A client of a fresh simulator with seed 7."""
    return _client(clock)


@pytest.fixture(scope="module")
def reader() -> Client:
    """The same for a module whose tests only read: making one takes longer than most of them."""
    return _client(ManualClock(START_MS))
