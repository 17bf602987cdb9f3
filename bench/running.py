"""The service and the simulator as processes of their own, for benchmarks that start and kill them."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from crypto_dt_source.cli.simulate import pointed_at
from crypto_dt_source.settings import BASE_URL_PREFIX

CDTS = (sys.executable, "-m", "crypto_dt_source.cli.main")
READY_S = 30.0
END_S = 10.0
OPEN = {"FREE_TIER_LIMIT": "unlimited", "FREE_TIER_DAILY": "0"}
"""Benchmarks ask as nobody in particular, and often."""
QUIET = {**OPEN, "ENABLE_STREAMS": "false"}
"""Of a service that is no demo: the addresses of streams are not the simulator's, and nothing may leave the machine."""


class Process:
    """A child whose standard output is read by lines. `started` is when it was made, by `time.perf_counter`, `url` the
    address it printed."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        keeps: Sequence[int] = (),
    ) -> None:
        """`keeps` are file descriptors the child has too."""
        # Byte code is kept, as in any installation; some test machines switch that off.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self.started = time.perf_counter()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**kept, **(QUIET if "serve" in command else OPEN), **(environment or {})},
            pass_fds=keeps,
        )
        self._left = b""
        self.url = ""

    def lines(self, until: float) -> Iterator[str]:
        """Lines as they come, until that time or the end of the output; the last one may lack its end and is left."""
        assert self.child.stdout is not None
        while True:
            line, found, rest = self._left.partition(b"\n")
            if found:
                self._left = rest
                yield line.decode()
                continue
            wait = until - time.perf_counter()
            if wait <= 0 or not select.select([self.child.stdout], [], [], wait)[0]:
                return
            part = os.read(self.child.stdout.fileno(), 65536)
            if not part:
                return
            self._left += part

    def address(self) -> str:
        """The first http address it prints. Raises RuntimeError when there is none."""
        for line in self.lines(time.perf_counter() + READY_S):
            if line.startswith(("http://", "serving")):
                self.url = next(word for word in line.split() if word.startswith("http://"))
                return self.url
        raise RuntimeError(f"no address from {self.child.args}: {self.errors()}")

    def errors(self) -> str:
        """The end of what it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.child.kill()
        self.child.wait()

    def stop(self) -> tuple[int, float]:
        """SIGTERM; gives the exit status and how long the end took, in seconds."""
        at = time.perf_counter()
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.child.returncode, time.perf_counter() - at

    def close(self) -> None:
        if self.child.poll() is None:
            self.kill()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                pipe.close()
        self._errors.close()


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, keeps: Sequence[int] = ()
) -> Iterator[Process]:
    """A child that does not outlive the block."""
    made = Process(command, environment, keeps)
    try:
        yield made
    finally:
        made.close()


def upstreams_at(address: str) -> dict[str, str]:
    """Variables that point every provider at `address`, with a key for each that takes one."""
    urls, keys = pointed_at(address)
    return {**{f"{BASE_URL_PREFIX}{name.upper()}": url for name, url in urls.items()}, **keys}


def get(address: str, path: str, timeout_s: float = 10.0) -> tuple[int, Any]:
    """Status and JSON of one GET. Raises OSError or HTTPException when nobody answers."""
    return call("GET", address, path, None, timeout_s)


def call(method: str, address: str, path: str, body: Any = None, timeout_s: float = 10.0) -> tuple[int, Any]:
    """Status and JSON of one request. Raises OSError or HTTPException when nobody answers."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


@contextmanager
def fault(simulator: str, body: Mapping[str, Any]) -> Iterator[None]:
    """A fault of the simulator while the block runs: `{"provider": "okx", "fault": "5xx"}`."""
    status, made = call("POST", simulator, "/__sim__/faults", dict(body))
    if status != 201:
        raise RuntimeError(str(made))
    try:
        yield
    finally:
        call("DELETE", simulator, f"/__sim__/faults/{made['id']}")


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MB (10^6 bytes). Linux only."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has taken. Linux only."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
