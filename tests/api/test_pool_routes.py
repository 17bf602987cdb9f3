"""Pools over HTTP: made, changed, rotated, restored after a restart, and what an answer tells of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, SkippingClock, error_of, service

import harness
from crypto_dt_source.api.schemas.pools import PoolGonePage, PoolHistory, PoolList, PoolPage
from crypto_dt_source.clock import ManualClock, rfc3339
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.services import access, catalogue, pools
from crypto_dt_source.store import StoreError
from crypto_dt_source.stream.bus import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWN = {
    "id": "own",
    "name": "Books of our own",
    "category": "exchange",
    "capabilities": ["book"],
    "members": [{"provider": "okx"}, {"provider": "kraken", "priority": 1}],
}


@asynccontextmanager
async def administered(folder: Path, clock: ManualClock | None = None) -> AsyncIterator[Service]:
    async with service(folder, collected=False, clock=clock) as running:
        first, _ = await access.create(
            running.rt.access, "admin", tier="enterprise", scopes=("read", "admin")
        )
        running.client.headers["X-API-Key"] = first
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def api(tmp_path: Path) -> AsyncIterator[Service]:
    async with administered(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for the tests that change nothing."""
    async with administered(tmp_path_factory.mktemp("pools")) as running:
        await send(running, "POST", "", OWN, 201)
        yield running


async def send(api: Service, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await api.client.request(method, f"/api/pools{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json().get("data", answer.json())


async def pool(api: Service, id: str) -> dict[str, Any]:
    body = await api.data(f"/api/pools/{id}")
    PoolPage.model_validate(body, extra="forbid")
    found: dict[str, Any] = body["data"]
    return found


async def kinds(api: Service, id: str) -> list[tuple[str, str | None, str | None]]:
    """What happened in a pool, the oldest first."""
    body = await api.data(f"/api/pools/{id}/history")
    PoolHistory.model_validate(body, extra="forbid")
    return [(row["kind"], row["provider"], row["other"]) for row in reversed(body["data"])]


async def asked(api: Service, symbol: str = "BTC") -> dict[str, Any]:
    """What the next order book asked of upstreams."""
    body = await api.data(f"/api/orderbook?symbol={symbol}")
    (one,) = body["meta"]["asked"]
    assert body["provider"] == one["answered"]
    found: dict[str, Any] = one
    return found


async def test_the_shipped_pools_hold_every_source_in_the_order_of_ranks(shared: Service) -> None:
    body = await shared.data("/api/pools")
    PoolList.model_validate(body, extra="forbid")
    shipped = {row["id"]: row for row in body["data"] if row["shipped"]}
    assert set(shipped) == {
        "market_data", "exchanges", "explorers", "defi", "news", "sentiment", "analytics", "rpc",
    }  # fmt: skip
    assert not any(row["changed"] for row in shipped.values())
    entries = [e.id for e in shared.rt.entries.values() if e.status in ("live", "keyed")]
    held = [m["provider"] for row in shipped.values() for m in row["members"]]
    assert set(held) == set(entries)
    assert all(row["members"] for row in shipped.values())
    placed = Counter(
        (c, name) for row in shipped.values() for c, names in row["order"].items() for name in names
    )
    assert set(placed.values()) == {1}, "one capability of a source has one shipped pool"
    ranked = [s.entry.id for s in shared.rt.gateway.ranked(Capability.GLOBAL)]
    assert shipped["market_data"]["order"]["global"] == ranked


async def test_history_is_no_pool_and_what_was_never_there_has_none(shared: Service) -> None:
    body = await shared.data("/api/pools/history")
    PoolHistory.model_validate(body, extra="forbid")
    assert [row["kind"] for row in body["data"]] == ["created"]
    assert (await shared.data("/api/pools/rpc/history"))["data"] == []
    await shared.error("/api/pools/nowhere", 404, "not_found")
    await shared.error("/api/pools/nowhere/history", 404, "not_found")


async def test_only_an_admin_changes_a_pool(shared: Service) -> None:
    for method, path in [
        ("POST", ""), ("PUT", "/own"), ("DELETE", "/own"), ("POST", "/own/members/okx"),
        ("PUT", "/own/members/okx"), ("DELETE", "/own/members/okx"), ("POST", "/own/rotate"),
        ("POST", "/own/failover"), ("POST", "/own/members/okx/return"),
    ]:  # fmt: skip
        answer = await shared.client.request(method, f"/api/pools{path}", json={}, headers={"X-API-Key": ""})
        error_of(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"id": "Own"}, "id"),
        ({"id": "history"}, "id"),
        ({"id": "../x"}, "id"),
        ({"id": "x" * 41}, "id"),
        ({"name": "\x1b[2J"}, "name"),
        ({"name": "  "}, "name"),
        ({"category": ""}, "category"),
        ({"capabilities": []}, "capabilities"),
        ({"capabilities": ["books"]}, "capabilities"),
        ({"strategy": "random"}, "strategy"),
        ({"enabled": "yes"}, "enabled"),
        ({"members": [{"provider": "nobody"}]}, "provider"),
        ({"members": [{"provider": "coingecko_demo"}]}, "provider"),
        ({"members": [{"provider": "okx", "weight": 0}]}, "members.0.weight"),
        ({"members": [{"provider": "okx", "weight": "1"}]}, "members.0.weight"),
        ({"members": [{"provider": "okx", "priority": 0}]}, "members.0.priority"),
        ({"members": {"okx": 1}}, "members"),
        ({"members": ["okx"]}, "members.0"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:40],
)
async def test_a_pool_that_cannot_be_is_refused_whole(
    shared: Service, change: dict[str, Any], parameter: str
) -> None:
    answer = await shared.client.post("/api/pools", json={**OWN, "id": "other", **change})
    body = error_of(answer, 422, "invalid_parameter")
    assert body["details"]["parameter"] == parameter
    assert shared.rt.gateway.pools.get("other") is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", OWN, 409),
        ("POST", "", {**OWN, "id": "rpc"}, 409),
        ("POST", "", {**OWN, "id": "two", "members": [{"provider": "okx"}] * 2}, 409),
        ("PUT", "/nowhere", {"enabled": False}, 404),
        ("PUT", "/rpc", {"capabilities": ["book"]}, 409),
        ("PUT", "/own", {"members": [{"provider": "okx", "weight": "1"}]}, 422),
        ("PUT", "/own", {"members": 5}, 422),
        ("PUT", "/own", {"capabilities": [5]}, 422),
        ("PUT", "/exchanges", {"members": [{"provider": "coingecko_demo"}]}, 409),
        ("DELETE", "/nowhere", None, 404),
        ("POST", "/own/members/okx", {}, 409),
        ("POST", "/own/members/nobody", {}, 422),
        ("PUT", "/own/members/bitstamp", {}, 404),
        ("DELETE", "/own/members/bitstamp", None, 404),
        ("POST", "/own/failover", {"provider": "bitstamp"}, 404),
        ("POST", "/own/failover", {"until": "2009-01-03T00:00:00Z"}, 422),
        ("POST", "/own/failover", {"until": "2020-01-01T00:00:00Z"}, 422),
        ("POST", "/own/failover", {"reason": "two\nlines"}, 422),
        ("POST", "/own/members/okx/return", None, 409),
        ("POST", "/sentiment/failover", {"provider": "kraken"}, 404),
        ("POST", "/nowhere/rotate", None, 404),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_cannot_be_done_changes_nothing(
    shared: Service, method: str, path: str, body: Any, status: int
) -> None:
    held = shared.rt.gateway.pools
    before = (held.stored, held.asides)
    await send(shared, method, path, body, status)
    assert (held.stored, held.asides) == before


async def test_a_pool_is_used_shown_stored_and_told_of(api: Service) -> None:
    heard: list[Event] = []
    api.rt.bus.add(lambda event: heard.append(event) if event.channel == "pools" else None)
    made = await send(api, "POST", "", OWN, 201)
    assert [m["provider"] for m in made["members"]] == ["kraken", "okx"]
    assert made["order"] == {"book": ["kraken", "okx"]}
    first = await asked(api)
    assert (first["pool"], first["strategy"], first["answered"]) == ("own", "priority", "kraken")
    assert first["order"][:2] == ["kraken", "okx"]
    assert first["why"] == "priority: the lowest number first"
    await api.pass_time(1.5)
    assert "asked" not in (await api.data("/api/orderbook?symbol=BTC"))["meta"], "nobody was asked for this"
    await send(api, "PUT", "/own/members/okx", {"priority": 1, "weight": 2.5})
    await send(api, "PUT", "/own", {"strategy": "weighted", "name": "Ours"})
    shown = await pool(api, "own")
    assert (shown["name"], shown["strategy"], shown["members"][1]["weight"]) == ("Ours", "weighted", 2.5)
    await send(api, "DELETE", "/own/members/okx")
    await send(api, "POST", "/own/members/bitstamp", {}, 201)
    assert [m["provider"] for m in (await pool(api, "own"))["members"]] == ["bitstamp", "kraken"]
    assert [event.data["kind"] for event in heard] == ["created", "changed", "changed", "changed", "changed"]
    gone = await send(api, "DELETE", "/own")
    PoolGonePage.model_validate({"data": gone, "meta": first_meta(api)})
    assert gone == {"id": "own", "restored": False}
    # At once: what an admin did is in no warm answer from before.
    await api.error("/api/pools/own", 404, "not_found")
    assert (await kinds(api, "own"))[-1][0] == "deleted", "what happened is remembered"
    audit = (await api.data("/api/auth/audit"))["data"]
    assert audit[0]["action"] == "DELETE /api/pools/{pool_id}"
    assert "provider_id=bitstamp" in audit[1]["target"]


def first_meta(api: Service) -> dict[str, Any]:
    at = rfc3339(api.clock.now_ms())
    return {"source": [], "fetched_at": at, "age_seconds": 0, "stale": False, "cache": "hit", "mode": "live"}


async def test_a_shipped_pool_is_changed_and_restored(api: Service) -> None:
    as_it_came = (await pool(api, "exchanges"))["order"]
    await send(api, "PUT", "/exchanges/members/kraken", {"priority": 1})
    await send(api, "DELETE", "/exchanges/members/binance")
    changed = await pool(api, "exchanges")
    assert changed["changed"]
    assert changed["order"]["book"][0] == "kraken"
    assert "binance" not in [m["provider"] for m in changed["members"]]
    assert api.rt.gateway.offering(Capability.BOOK)[-1].entry.id == "binance", "asked last, never left out"
    await send(api, "POST", "/exchanges/members/binance", {}, 201)
    assert await send(api, "DELETE", "/exchanges") == {"id": "exchanges", "restored": True}
    again = await pool(api, "exchanges")
    assert (again["order"], again["changed"]) == (as_it_came, False)


async def test_the_first_is_set_aside_and_comes_back(api: Service) -> None:
    await send(
        api, "POST", "", {**OWN, "members": [{"provider": n} for n in ("kraken", "okx", "bitstamp")]}, 201
    )
    order = (await pool(api, "own"))["order"]["book"]
    first, second, third = order
    until = rfc3339(api.clock.now_ms() + 60_000)
    await send(api, "POST", "/own/failover", {"until": until, "reason": "maintenance"})
    shown = await pool(api, "own")
    assert shown["order"]["book"] == [second, third, first]
    (aside,) = [m["set_aside"] for m in shown["members"] if m["provider"] == first]
    assert (aside["until"], aside["reason"]) == (until, "maintenance")
    assert (await asked(api))["why"].endswith(f"set aside: {first}")
    await send(api, "POST", "/own/failover", {"provider": first}, 409)
    await send(api, "POST", "/own/failover", {"provider": second})
    await send(api, "POST", "/own/failover", {"provider": third}, 409)
    await send(api, "POST", f"/own/members/{second}/return")
    await api.pass_time(60)
    assert (await pool(api, "own"))["order"]["book"] == order
    await pools.follow(api.rt)
    assert await kinds(api, "own") == [
        ("created", None, None),
        ("failed_over", second, first),
        ("failed_over", third, second),
        ("returned", second, None),
        ("returned", first, None),
    ]


async def test_rotating_goes_round(api: Service) -> None:
    members = [{"provider": name} for name in ("kraken", "okx", "bitstamp")]
    await send(api, "POST", "", {**OWN, "members": members}, 201)
    order = (await pool(api, "own"))["order"]["book"]
    seen = []
    for _ in range(3):
        await send(api, "POST", "/own/rotate")
        seen.append((await pool(api, "own"))["order"]["book"])
        assert (await pool(api, "own"))["order"]["book"] == seen[-1], "looking rotates nothing"
    assert seen == [order[1:] + order[:1], order[2:] + order[:2], order]
    rotated = [row for row in await kinds(api, "own") if row[0] == "rotated"]
    assert [first for _, first, _ in rotated] == [*order[1:], order[0]]
    await send(api, "PUT", "/own", {"strategy": "round_robin"})
    await send(api, "POST", "/own/rotate")
    assert (await pool(api, "own"))["order"]["book"][0] == order[1]


async def test_what_happens_by_itself_is_written_in_batches(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(api, "POST", "", OWN, 201)
    heard: list[Event] = []
    api.rt.bus.add(lambda event: heard.append(event) if event.channel == "pools" else None)
    transport = harness.transport_of(api.rt)
    real = transport.send

    async def killed(provider: str, *rest: Any) -> Any:
        if provider == "kraken":
            transport.dead = True
        try:
            return await real(provider, *rest)
        finally:
            transport.dead = False

    monkeypatch.setattr(transport, "send", killed)
    symbols = ["BTC", "ETH", "SOL"]
    answers = [await asked(api, symbol) for symbol in symbols]
    assert [one["answered"] for one in answers] == ["okx"] * 3
    assert answers[0]["tried"][0]["failure"] == "upstream_unreachable"
    assert (await pool(api, "own"))["members"][0]["stood_in_for"]
    assert await kinds(api, "own") == [("created", None, None)]

    async def full(*_: Any) -> int:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(api.rt.store), "write", full)
        with pytest.raises(StoreError):
            await pools.follow(api.rt)
    assert await pools.follow(api.rt) == 1
    assert (await kinds(api, "own"))[1:] == [("failed_over", "okx", "kraken")]
    assert [(e.data["kind"], e.data["reason"]) for e in heard] == [("failed_over", "upstream_unreachable")]
    assert await pools.follow(api.rt) == 0


async def test_a_restart_and_another_process_find_it_all(tmp_path: Path) -> None:
    clock = SkippingClock(harness.START_MS)
    async with administered(tmp_path, clock) as api:
        await send(api, "POST", "", {**OWN, "strategy": "weighted"}, 201)
        await send(api, "POST", "/own/failover", {"provider": "kraken"})
        await send(api, "POST", "/rpc/rotate")
        before = [await pool(api, name) for name in ("own", "rpc")]
        # As if another process had stored it.
        api.rt.gateway.pools.take_up([], [])
        await pools.follow(api.rt)
        assert [await pool(api, name) for name in ("own", "rpc")] == before
    async with administered(tmp_path, clock) as api:
        assert [await pool(api, name) for name in ("own", "rpc")] == before
        assert (await asked(api))["answered"] == "okx"


async def test_a_provider_that_leaves_the_catalogue_leaves_its_pools(api: Service) -> None:
    await send(api, "POST", "", OWN, 201)
    await send(api, "POST", "/own/failover", {"provider": "okx"})
    await send(api, "PUT", "/exchanges/members/okx", {"priority": 7})
    await catalogue.remove_entry(api.rt, "okx")
    # The process that leads says so, and no other beside it.
    api.rt.schedule.leader.standing = "follows"
    await pools.follow(api.rt)
    assert api.rt.gateway.pools.asides
    api.rt.schedule.leader.standing = "leads"
    await pools.follow(api.rt)
    assert [m["provider"] for m in (await pool(api, "own"))["members"]] == ["kraken"]
    assert (await kinds(api, "own"))[-1] == ("changed", None, "okx")
    assert not api.rt.gateway.pools.asides
    assert api.rt.gateway.pools.get("exchanges").members == ()  # type: ignore[union-attr]


async def test_one_that_only_this_process_does_not_know_stays(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(api, "POST", "", OWN, 201)
    await send(api, "POST", "/own/failover", {"provider": "okx"})
    known = {name: entry for name, entry in api.rt.entries.items() if name != "okx"}
    monkeypatch.setattr(api.rt, "entries", known)
    await pools.follow(api.rt)
    await send(api, "PUT", "/own/members/kraken", {"priority": 2})
    (away,) = [m for m in (await pool(api, "own"))["members"] if m["provider"] == "okx"]
    assert (away["state"], away["set_aside"]["until"]) == ("gone", None)


async def test_old_history_is_forgotten(api: Service) -> None:
    await send(api, "POST", "/rpc/rotate")
    assert await pools.forget(api.rt) == 0
    await api.pass_time((api.rt.limits.retention_days + 1) * 86_400)
    assert await pools.forget(api.rt) == 1
    assert await kinds(api, "rpc") == []


async def test_what_is_deleted_is_not_seen_again(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await send(api, "POST", "", OWN, 201)
    await send(api, "GET", "")
    noting, noted = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object) -> None:
        noting.set()
        await noted.wait()

    monkeypatch.setattr(api.edge._gate, "ended", slowly)
    deleting = asyncio.create_task(send(api, "DELETE", "/own"))
    await noting.wait()  # the answer is out, the audit log not yet written
    assert "own" not in {row["id"] for row in await send(api, "GET", "")}
    noted.set()
    await deleting
