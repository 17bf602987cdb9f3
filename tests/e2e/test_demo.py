"""`cdts demo` as a person meets it: prices within ten seconds, faults shown for what they are, dead upstreams outlived."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bench.running import CDTS, READY_S, Process, fault, get, process

from crypto_dt_source.security.keys import well_formed

PRICED = "/api/prices?symbols=BTC,ETH,SOL"
POLL_S = 5


class Demo(NamedTuple):
    service: Process
    url: str
    simulator: str
    first_s: float
    first: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The running demo, polling every five seconds, with a price going stale after eight."""
    folder = tmp_path_factory.mktemp("demo")
    settings = {"COLLECT_INTERVAL": str(POLL_S), "CACHE_TTL_PRICES": "8", "UPSTREAM_TIMEOUT": "2"}
    with process([*CDTS, "demo", "--port", "0", "--data-dir", str(folder)], settings) as service:
        said = []
        for line in service.lines(service.started + 20):
            if line.startswith(("simulator", "serving")):
                said.append(line)
            if line.startswith("serving"):
                break
        simulator, url = (next(w for w in line.split() if w.startswith("http://")) for line in said)
        status, first = get(url, PRICED)
        assert status == 200
        yield Demo(service, url, simulator, time.perf_counter() - service.started, first)


def eventually(
    demo: Demo, path: str, holds: Callable[[dict[str, Any]], bool], within_s: float
) -> dict[str, Any]:
    """The first answer for which `holds`, asked for until then."""
    until = time.perf_counter() + within_s
    while True:
        status, body = get(demo.url, path)
        if (status == 200 and holds(body)) or time.perf_counter() > until:
            assert status == 200
            assert holds(body), body
            return dict(body)


def test_the_first_answer_has_eight_sources_each_within_ten_seconds(demo: Demo) -> None:
    rows = {row["symbol"]: row for row in demo.first["data"]}
    assert demo.first_s < 10
    assert set(rows) == {"BTC", "ETH", "SOL"}
    assert all(row["sources"] >= 8 and not row["stale"] for row in rows.values())


@pytest.mark.parametrize(
    "path", [PRICED, "/api/prices/BTC/sources", "/api/market", "/api/health", "/api/ohlcv?symbol=BTC&limit=3"]
)
def test_every_answer_says_that_it_is_a_demo(demo: Demo, path: str) -> None:
    body = eventually(demo, path, lambda body: True, 10)
    assert body.get("mode", body.get("meta", {}).get("mode")) == "demo"


def test_the_price_is_the_simulated_one(demo: Demo) -> None:
    (row,) = get(demo.url, "/api/prices?symbols=BTC")[1]["data"]
    true = get(demo.simulator, "/__sim__/market")[1]["prices"]["BTC"]
    assert row["price"] == pytest.approx(true, rel=0.01)


def _of(body: dict[str, Any], provider: str) -> list[str | None]:
    """Why each of a provider's quotes is out of the price."""
    sources = body["data"]["sources"] if isinstance(body["data"], dict) else body["data"]
    return [row["excluded"] for row in sources if row["provider"] == provider]


def test_a_venue_that_is_ten_times_off_is_shown_excluded_with_its_reason(demo: Demo) -> None:
    with fault(demo.simulator, {"provider": "okx", "fault": "power_of_ten", "k": 1}):
        body = eventually(
            demo, "/api/prices/BTC/sources", lambda body: "power_of_ten" in _of(body, "okx"), 2 * POLL_S
        )
        assert _of(body, "kraken").count(None) >= 1
        (row,) = get(demo.url, "/api/prices?symbols=BTC")[1]["data"]
        true = get(demo.simulator, "/__sim__/market")[1]["prices"]["BTC"]
        assert row["price"] == pytest.approx(true, rel=0.01)


def test_dead_upstreams_are_outlived_and_said_so(demo: Demo) -> None:
    # Renewed by now: nothing is stale while venues answer.
    eventually(demo, "/api/prices?symbols=BTC", lambda body: not body["data"][0]["stale"], 2 * POLL_S)
    with fault(demo.simulator, {"provider": "*", "fault": "5xx"}):
        (before,) = get(demo.url, "/api/prices?symbols=BTC")[1]["data"]
        assert before["price"] > 0
        body = eventually(demo, "/api/prices?symbols=BTC", lambda body: body["data"][0]["stale"], 30)
        assert body["data"][0]["price"] == pytest.approx(before["price"], rel=0.01)
        assert body["meta"]["stale"] is True
        health = get(demo.url, "/api/health")[1]
        assert health["status"] == "degraded"


def _gone(address: str, within_s: float) -> bool:
    until = time.perf_counter() + within_s
    while time.perf_counter() < until:
        try:
            get(address, "/")
        except OSError:
            return True
    return False


def test_a_kill_or_ctrl_c_ends_all_and_the_first_admin_key_is_printed_once(tmp_path: Path) -> None:
    """The key stands on standard output alone and not in that of the second start, even after a kill."""
    command = [*CDTS, "demo", "--port", "0", "--data-dir", str(tmp_path)]
    with process(command) as service:
        addresses, first = _said(service)
        service.kill()
        assert _gone(addresses[0], within_s=10), "the simulator ends with a killed service"
        (secret,) = first
        assert secret not in service.errors()
    with process(command) as service:
        addresses, again = _said(service)
        assert again == []
        os.kill(service.child.pid, signal.SIGINT)
        assert service.child.wait(5) == 0
        assert all(_gone(address, within_s=1) for address in addresses)
        assert secret not in service.errors()


def _said(service: Process) -> tuple[list[str], list[str]]:
    """The addresses of simulator and service, and every key, of what a demo prints until it serves."""
    addresses, keys = [], []
    for line in service.lines(service.started + READY_S):
        keys += [word for word in line.split() if well_formed(word)]
        if line.startswith(("simulator", "serving")):
            addresses.append(next(word for word in line.split() if word.startswith("http://")))
        if line.startswith("serving"):
            break
    assert len(addresses) == 2
    return addresses, keys
