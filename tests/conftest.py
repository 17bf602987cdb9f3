"""What every test shares: closed sockets except loopback, and the recorded wire bodies where they are present."""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from crypto_dt_source import telemetry

# Byte code is kept, as in any installation; some test machines switch that off, and each of the processes that tests
# start would compile everything again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The suite draws the same cases each time; HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

WIRE = Path(__file__).resolve().parents[2] / "shared" / "wire"
_LOOPBACK = ("127.", "::1", "localhost")


def pytest_collection() -> None:
    """No search for garbage while ten thousand tests are made."""
    gc.disable()


def pytest_collection_finish() -> None:
    """They live as long as the session: without this each full search would walk through them all again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    import built_once  # not by the process that only hands out the tests

    built_once.share_document()


@pytest.fixture(autouse=True)
def log_lines_to_standard_error() -> None:
    """Whatever a test before has set up: `capsys.readouterr().err` holds the log."""
    telemetry.configure("INFO")


@pytest.fixture(autouse=True)
def closed_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine: a connection anywhere else fails by name."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to connect to {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def wire() -> Path:
    """Folder of recorded upstream bodies; the test is skipped where it is not beside the project."""
    if not WIRE.is_dir():
        pytest.skip("recorded bodies (../shared/wire) are not here")
    return WIRE
