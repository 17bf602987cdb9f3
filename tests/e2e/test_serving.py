"""`cdts serve`: starting, refusing to start, and stopping."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.restart import dead
from bench.running import CDTS, get, process, upstreams_at

from crypto_dt_source.cli.main import main
from crypto_dt_source.cli.running import listen
from crypto_dt_source.settings import SettingsError


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Settings with every upstream at an address that takes connections and never answers."""
    with dead(hanging=True) as address:
        urls = upstreams_at(address)
        for name, value in urls.items():
            monkeypatch.setenv(name, value)
        yield urls


def test_sigterm_ends_it_well_within_five_seconds_whatever_is_under_way(
    hanging: dict[str, str], tmp_path: Path
) -> None:
    command = [*CDTS, "serve", "--port", "0", "--data-dir", str(tmp_path)]
    with process(command, hanging) as service:
        url = service.address()
        answers: list[object] = []

        def ask() -> None:
            try:
                answers.append(get(url, "/api/orderbook?symbol=BTC", 20)[0])
            except (OSError, http.client.HTTPException, ValueError) as error:
                answers.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert get(url, "/api/health")[0] == 200
        at = time.perf_counter()
        service.child.send_signal(signal.SIGTERM)
        assert service.child.wait(6) == 0
        assert time.perf_counter() - at < 5
        asking.join(5)
        assert answers


def test_a_signal_while_it_starts_ends_it_well(hanging: dict[str, str], tmp_path: Path) -> None:
    command = [*CDTS, "serve", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while not (tmp_path / "crypto-dt-source.db").exists():
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        out, errors = child.communicate(timeout=6)
        assert child.returncode == 0
        assert "Traceback" not in out + errors


def test_a_port_in_use_is_one_sentence(
    hanging: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cdts: PORT: got {port}, which 127.0.0.1 does not give (")
    assert "0 picks one" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=f"^HOST: got '{host}' .*; allowed: an address of this machine"):
        listen(host, 0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The data folder of a running service, and the status that a client got who came while it started."""
    folder = tmp_path_factory.mktemp("served")
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    listener.close()
    command = [*CDTS, "serve", "--port", str(port), "--data-dir", str(folder)]
    with dead(hanging=True) as address, process(command, upstreams_at(address)) as service:
        while not (folder / "crypto-dt-source.db.lock").exists():
            assert service.child.poll() is None
        yield folder, get(f"http://{host}:{port}", "/api/health")[0]


def test_a_second_service_on_the_same_folder_is_told_why_not(
    hanging: dict[str, str], served: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(served[0])
    assert main(["serve", "--port", "0", "--data-dir", folder]) == 2
    assert "is open in another process" in capsys.readouterr().err
    # Looking is allowed meanwhile.
    for arguments in (["db", "check"], ["doctor"]):
        ended = subprocess.run(
            [*CDTS, *arguments], env={"DATA_DIR": folder}, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr


def test_a_client_that_comes_while_it_starts_waits_for_its_answer(served: tuple[Path, int]) -> None:
    assert served[1] == 200


def test_the_simulator_alone_ends_with_status_0() -> None:
    with process([sys.executable, "-m", "crypto_dt_source.cli.main", "sim"]) as sim:
        sim.address()
        assert sim.stop()[0] == 0
