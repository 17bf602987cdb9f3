"""Whose requests are counted together where proxies stand in front: no forged header buys a bucket."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from in_process import Service
from limited import PATH, ask, limited, statuses

PROXY, CLIENT = "10.0.0.1", "203.0.113.77"
FORGED = (
    "{n}.2.3.4",
    "1.2.3.4, {n}.2.3.4",
    "{n}.2.3.4,",
    ", ,{n}.2.3.4",
    "[2001:db8::{n}]:443",
    "::ffff:{n}.2.3.4",
    "unknown, {n}.2.3.4",
    "127.0.0.1, {n}.2.3.4, 10.0.0.1",
    "{n}" * 60,
    "x" * 5000 + ", {n}.2.3.4",
    "%{n}, _hidden{n}, \t{n}",
    '"{n}.2.3.4", for={n}.2.3.4',
)
"""What a client may write in front of what the proxies append, another text each time."""


def through(hops: int, forged: str, client: str = CLIENT) -> dict[str, str]:
    """The header as `hops` proxies pass it on: each appends who spoke to it. Their last is the peer of the connection."""
    appended = [client, *(f"10.0.0.{n}" for n in range(hops, 1, -1))][:hops]
    return {"x_forwarded_for": ", ".join([forged, *appended])}


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
async def test_forged_chains_change_nothing(tmp_path: Path, hops: int) -> None:
    async with limited(
        tmp_path, trusted_proxy_hops=hops, free_tier_limit="40/minute", free_tier_daily=0
    ) as api:
        peer = PROXY if hops else CLIENT
        numbers = count(11)
        seen = []
        for _ in range(4):
            for forged in FORGED:
                chain = through(hops, forged.format(n=next(numbers)))
                seen.append((await ask(api, peer=peer, **chain)).status_code)
        assert seen == [200] * 40 + [429] * 8
        assert len(api.rt.access.limiter) == 1  # type: ignore[arg-type]
        for other in ("forwarded", "x_real_ip", "cf_connecting_ip", "true_client_ip", "x_client_ip"):
            assert await statuses(
                api, 1, peer=peer, **through(hops, "1.1.1.1"), **{other: "for=9.9.9.9"}
            ) == [429]


async def test_a_chain_over_several_lines_is_one_chain(tmp_path: Path) -> None:
    async with limited(tmp_path, trusted_proxy_hops=2) as api:
        for number in range(4):
            lines = [f"{number}.1.1.1", CLIENT, "10.0.0.2"]
            answer = await api.client.get(PATH, headers=[("X-Forwarded-For", line) for line in lines])
            assert answer.status_code == (200 if number < 3 else 429)


@pytest.mark.parametrize("hops", [1, 2])
async def test_clients_behind_one_proxy_have_buckets_of_their_own(tmp_path: Path, hops: int) -> None:
    async with limited(tmp_path, trusted_proxy_hops=hops) as api:
        for number in range(20):
            chain = through(hops, CLIENT, client=f"198.51.100.{number}")
            assert await statuses(api, 4, peer=PROXY, **chain) == [200, 200, 200, 429]


async def test_without_hops_everybody_behind_a_proxy_is_one_client(tmp_path: Path) -> None:
    async with limited(tmp_path) as api:
        for number, status in enumerate([200, 200, 200, 429, 429]):
            assert await statuses(api, 1, peer=PROXY, x_forwarded_for=f"198.51.100.{number}") == [status]


async def test_who_comes_past_the_proxy_counts_for_his_own_address(tmp_path: Path) -> None:
    async with limited(tmp_path, trusted_proxy_hops=2) as api:
        for number, status in enumerate([200, 200, 200, 429]):
            assert await statuses(api, 1, peer=CLIENT, x_forwarded_for=f"198.51.100.{number}") == [status]
        assert await statuses(api, 1, peer=CLIENT) == [429]


async def test_ipv6_is_counted_by_its_64_and_mapped_ipv4_as_ipv4(tmp_path: Path) -> None:
    async with limited(tmp_path) as api:
        near = (
            "2001:db8:1:2::1",
            "2001:db8:1:2:ffff:ffff:ffff:ffff",
            "2001:DB8:1:2:0:0:0:9%eth0",
            "2001:db8:1:2::2",
        )
        assert [(await ask(api, peer=peer)).status_code for peer in near] == [200, 200, 200, 429]
        assert await statuses(api, 1, peer="2001:db8:1:3::1") == [200]
        same = ("203.0.113.5", "::ffff:203.0.113.5", "::ffff:cb00:7105", "203.0.113.5")
        assert [(await ask(api, peer=peer)).status_code for peer in same] == [200, 200, 200, 429]


async def test_paths_that_look_like_others_count_all_the_same(tmp_path: Path) -> None:
    async with limited(tmp_path) as api:
        paths = ["/api/%70roviders/binance", "/api//providers", "/api/health/", "/api/../api/health", PATH]
        assert (await raw(api, paths))[-1] == 429


async def raw(api: Service, paths: list[str]) -> list[int]:
    """Statuses of paths that a client library would tidy up, sent as a server passes them on."""
    from urllib.parse import unquote

    found: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            found.append(int(str(message["status"])))

    for path in paths:
        scope = {
            "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "query_string": b"",
            "headers": [], "client": (CLIENT, 1), "server": ("service", 80), "scheme": "http", "root_path": "",
            "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await api.edge(scope, receive, send)  # type: ignore[arg-type]
    return found
