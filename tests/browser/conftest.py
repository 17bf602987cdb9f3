"""A running demo, and a real browser that looks at it. Without a browser on the machine these tests are skipped."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from bench.running import CDTS, Process, process
from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Demo(NamedTuple):
    """A service beside the simulator; `key` has the admin scope."""

    service: Process
    url: str
    simulator: str
    key: str


@contextmanager
def demo_at(folder: Path, port: int = 0) -> Iterator[Demo]:
    """Without a limit of requests: all tests come from one address. How many a page needs has a test of its own."""
    settings = {"CDTS_ADMIN_KEY": "the-key-of-the-browser-tests", "FREE_TIER_CONNECTIONS": "50"}
    command = [*CDTS, "demo", "--port", str(port), "--data-dir", str(folder)]
    with process(command, settings) as service:
        said = {}
        for line in service.lines(service.started + 30):
            word, *rest = line.split()[:2] or [""]
            if word in ("simulator", "serving"):
                said[word] = rest[0]
            if word == "serving":
                break
        yield Demo(service, said["serving"], said["simulator"], settings["CDTS_ADMIN_KEY"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, of the system or as playwright installs it. No longer than a module: while it is open its event loop runs in
    this thread, and no other can."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error as error:
            pytest.skip(f"no browser here: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_at(tmp_path_factory.mktemp("demo")) as found:
        yield found


@pytest.fixture
def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
