"""Looking after keys over HTTP: made, listed, replaced, revoked, and what the audit log says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.schemas.auth import AuditList, KeyList, KeyPage, NewKeyPage
from crypto_dt_source.clock import rfc3339
from crypto_dt_source.security.keys import well_formed
from crypto_dt_source.services import access
from crypto_dt_source.store import StoreError

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = "key_000000000000"


@asynccontextmanager
async def administered(folder: Path) -> AsyncIterator[Service]:
    """A service whose client sends the first admin key where a test says nothing else."""
    async with service(folder, collected=False) as running:
        first = await access.first_key(running.rt.access)
        assert first is not None
        running.client.headers["X-API-Key"] = first
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def api(tmp_path: Path) -> AsyncIterator[Service]:
    async with administered(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all tests that change nothing another sees."""
    async with administered(tmp_path_factory.mktemp("shared")) as running:
        yield running


async def make(api: Service, **body: Any) -> Any:
    answer = await api.client.post("/api/auth/keys", json={"name": "desk", **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    NewKeyPage.model_validate(answer.json(), extra="forbid")
    return answer.json()["data"]


async def rows(api: Service) -> list[dict[str, Any]]:
    body = await api.data("/api/auth/keys?page_size=250")
    KeyList.model_validate(body, extra="forbid")
    found: list[dict[str, Any]] = body["data"]
    return found


async def row_of(api: Service, id: str) -> dict[str, Any]:
    return next(row for row in await rows(api) if row["id"] == id)


async def status_of(api: Service, secret: str, *, token: bool = False) -> int:
    headers = {"X-API-Key": "", "Authorization": f"Bearer {secret}"} if token else {"X-API-Key": secret}
    return int((await api.client.get("/api/auth/me", headers=headers)).status_code)


async def test_a_key_is_shown_once_and_kept_as_a_hash(api: Service, capsys: Any) -> None:
    made = await make(api, tier="pro", scopes=["read", "read"], origins=["https://APP.example.org:443"])
    secret = made.pop("key")
    assert well_formed(secret)
    assert made["tier"] == "pro"
    assert (made["scopes"], made["origins"]) == (["read"], ["https://app.example.org"])
    assert (made["state"], made["expires_at"], made["last_used_at"]) == ("active", None, None)
    assert await row_of(api, made["id"]) == made
    answers = [(await api.get(path)).text for path in ("/api/auth/keys", "/api/auth/audit", "/api/health")]
    database = (api.rt.store.address.rpartition("///")[2],)
    kept = b"".join(file.read_bytes() for file in Path(*database).parent.parent.rglob("*") if file.is_file())
    for part in (secret, secret[16:40]):
        assert part.encode() not in kept
        assert part not in "".join([*answers, *capsys.readouterr()])
    assert await status_of(api, secret) == 200


async def test_without_more_said_a_key_reads_on_the_free_tier(shared: Service) -> None:
    made = await make(shared)
    assert (made["tier"], made["scopes"], made["origins"]) == ("free", ["read"], [])


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\x1b[2J"}, "name"),
        ({"name": "\u202etxt"}, "name"),
        ({"name": "\x00"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a", "tier": "gold"}, "tier"),
        ({"name": "a", "tier": None}, "tier"),
        ({"name": "a", "tier": "x" * 10_000}, "tier"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes"),
        ({"name": "a", "scopes": ["read", 5]}, "scopes.1"),
        ({"name": "a", "scopes": "admin"}, "scopes"),
        ({"name": "a", "scopes": ["read"] * 11}, "scopes"),
        ({"name": "a", "expires": "soon"}, "expires"),
        ({"name": "a", "expires": "2009-01-03T00:00:00Z"}, "expires"),
        ({"name": "a", "expires": "x" * 41}, "expires"),
        ({"name": "a", "expires": 1_800_000_000_000}, "expires"),
        ({"name": "a", "origins": ["*"]}, "origins"),
        ({"name": "a", "origins": ["https://a.example/path"]}, "origins"),
        ({"name": "a", "origins": [f"https://h{n}.example" for n in range(21)]}, "origins"),
        ({"name": "a", "origins": ["x" * 301]}, "origins.0"),
        ([], "body"),
    ],
)  # fmt: skip
async def test_a_key_that_cannot_be_is_refused_by_name(shared: Service, body: Any, parameter: str) -> None:
    before = await rows(shared)
    answer = await shared.client.post(
        "/api/auth/keys", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    told = error_of(answer, 422, "invalid_parameter")
    assert told["details"]["parameter"] == parameter
    assert told["error"].startswith(f"{parameter}: ")
    assert told["details"]["allowed"]
    assert len(answer.text) < 1000
    assert await rows(shared) == before
    assert (await shared.data("/api/auth/audit"))["data"][0]["status"] == 422


async def test_keys_are_listed_the_oldest_first_and_by_page(api: Service) -> None:
    for n in range(5):
        await api.pass_time(1)
        await make(api, name=f"desk {n}")
    names = [row["name"] for row in await rows(api)]
    assert names == ["first admin key", *(f"desk {n}" for n in range(5))]
    first = await api.data("/api/auth/keys?page_size=4")
    second = await api.data("/api/auth/keys?page_size=4&page=2")
    assert [row["name"] for row in first["data"] + second["data"]] == names
    assert first["page"] == {"number": 1, "size": 4, "total": 6, "next": 2, "previous": None}
    assert (second["page"]["next"], second["page"]["previous"]) == (None, 1)
    assert (await api.data("/api/auth/keys?page=9"))["data"] == []


async def test_when_a_key_was_used_is_told_at_once_and_kept(api: Service) -> None:
    made = await make(api)
    await api.pass_time(100)
    assert await status_of(api, made["key"]) == 200
    used = rfc3339(api.clock.now_ms())
    assert (await row_of(api, made["id"]))["last_used_at"] == used
    await access.save_uses(api.rt.access)
    await api.pass_time(100)
    assert (await row_of(api, made["id"]))["last_used_at"] == used


async def test_a_revoked_key_ends_at_once_with_its_tokens(api: Service) -> None:
    made, other = await make(api), await make(api)
    token = (await api.client.post("/api/auth/token", headers={"X-API-Key": made["key"]})).json()[
        "access_token"
    ]
    told: list[str] = []
    api.rt.access.keyring.ended.append(told.append)
    assert await status_of(api, token, token=True) == 200
    answer = await api.client.delete(f"/api/auth/keys/{made['id']}")
    KeyPage.model_validate(answer.json(), extra="forbid")
    row = answer.json()["data"]
    assert (row["state"], row["revoked_at"]) == ("revoked", rfc3339(api.clock.now_ms()))
    assert told == [made["id"]]
    assert await status_of(api, made["key"]) == 401
    assert await status_of(api, token, token=True) == 401
    assert await status_of(api, other["key"]) == 200
    again = await api.client.post("/api/auth/token", json={"api_key": made["key"]}, headers={"X-API-Key": ""})
    assert error_of(again, 401, "unauthenticated")["details"] == {"reason": "revoked"}
    await api.pass_time(5)
    assert (await api.client.delete(f"/api/auth/keys/{made['id']}")).json()["data"] == row
    assert told == [made["id"]]


async def test_a_replaced_key_ends_at_once_or_when_its_grace_is_over(api: Service) -> None:
    made = await make(api, tier="pro", origins=["https://a.example"], expires="2026-12-01T00:00:00Z")
    answer = await api.client.post(f"/api/auth/keys/{made['id']}/rotate")
    assert answer.status_code == 201
    NewKeyPage.model_validate(answer.json(), extra="forbid")
    second = answer.json()["data"]
    same = ("name", "tier", "scopes", "origins", "expires_at")
    assert [second[name] for name in same] == [made[name] for name in same]
    assert second["id"] != made["id"]
    assert (await status_of(api, made["key"]), await status_of(api, second["key"])) == (401, 200)
    answer = await api.client.post(f"/api/auth/keys/{second['id']}/rotate?grace_seconds=60")
    third = answer.json()["data"]
    old = await row_of(api, second["id"])
    assert (old["replaced_by"], old["state"]) == (third["id"], "active")
    assert old["expires_at"] == rfc3339(api.clock.now_ms() + 60_000)
    assert (await status_of(api, second["key"]), await status_of(api, third["key"])) == (200, 200)
    told: list[str] = []
    api.rt.access.keyring.ended.append(told.append)
    for name in (made["id"], second["id"]):
        error_of(await api.client.post(f"/api/auth/keys/{name}/rotate"), 409, "conflict")
    await api.pass_time(60)
    assert (await status_of(api, second["key"]), await status_of(api, third["key"])) == (401, 200)
    await access.follow(api.rt.access)
    assert told == [second["id"]]


@pytest.mark.parametrize("grace", ["-1", str(access.MAX_GRACE_S + 1), "1.5", "soon", ""])
async def test_a_grace_has_bounds(shared: Service, grace: str) -> None:
    made = await make(shared)
    answer = await shared.client.post(f"/api/auth/keys/{made['id']}/rotate?grace_seconds={grace}")
    assert error_of(answer, 422, "invalid_parameter")["details"]["parameter"] == "grace_seconds"
    assert await status_of(shared, made["key"]) == 200


async def test_of_two_who_replace_a_key_at_once_one_does(api: Service) -> None:
    made = await make(api)
    path = f"/api/auth/keys/{made['id']}/rotate"
    answers = await asyncio.gather(*(api.client.post(path) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert len(await rows(api)) == 3


async def test_what_is_no_id_is_not_found_and_not_repeated(api: Service, capsys: Any) -> None:
    made = await make(api)
    token = (await api.client.post("/api/auth/token")).json()["access_token"]
    for name in (UNKNOWN, made["key"], "x" * 64, "%00", token[:60], "..%2f..", "key_"):
        for answer in (
            await api.client.delete(f"/api/auth/keys/{name}"),
            await api.client.post(f"/api/auth/keys/{name}/rotate"),
        ):
            assert error_of(answer, 404, "not_found")["details"] in ({}, {"key": UNKNOWN})
            assert made["key"][16:] not in answer.text + (await api.get("/api/auth/audit")).text
            assert token[30:60] not in answer.text
    assert made["key"][16:] not in "".join(capsys.readouterr())
    error_of(await api.client.delete(f"/api/auth/keys/{'x' * 65}"), 422, "invalid_parameter")


async def test_the_operators_own_key_is_not_changed_here(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False, cdts_admin_key="5c1d7e-the-operator's-9b3f") as api:
        api.client.headers["X-API-Key"] = "5c1d7e-the-operator's-9b3f"
        held = api.rt.access.keyring.operator
        assert held is not None
        assert await access.first_key(api.rt.access) is None
        assert await rows(api) == []
        for answer in (
            await api.client.delete(f"/api/auth/keys/{held.id}"),
            await api.client.post(f"/api/auth/keys/{held.id}/rotate"),
        ):
            assert "CDTS_ADMIN_KEY" in error_of(answer, 409, "conflict")["error"]


async def test_every_action_is_in_the_audit_log_with_how_it_ended(api: Service) -> None:
    admin = (await api.data("/api/auth/me"))["data"]["id"]
    made = await make(api)
    rotated = await api.client.post(f"/api/auth/keys/{made['id']}/rotate", headers={"X-Request-ID": "mine"})
    newest = rotated.json()["data"]["id"]
    await api.client.delete(f"/api/auth/keys/{UNKNOWN}", headers={"X-Request-ID": "mine"})
    await api.client.post("/api/models/embedded/unload")
    await api.client.post("/api/auth/keys", headers={"X-API-Key": made["key"]})
    await api.client.post("/api/auth/keys", headers={"X-API-Key": ""})
    await api.client.delete(f"/api/auth/keys/{newest}", headers={"X-API-Key": ""})
    body = await api.data("/api/auth/audit")
    AuditList.model_validate(body, extra="forbid")
    assert [(row["action"], row["target"], row["status"]) for row in body["data"]] == [
        ("POST /api/models/{id}/unload", "id=embedded", 409),
        ("DELETE /api/auth/keys/{id}", f"id={UNKNOWN}", 404),
        ("POST /api/auth/keys/{id}/rotate", f"id={made['id']}, replaced_by={newest}", 201),
        ("POST /api/auth/keys", f"id={made['id']}", 201),
    ]
    assert {row["actor"] for row in body["data"]} == {admin}
    assert {row["address"] for row in body["data"]} == {"127.0.0.1"}
    assert [row["request_id"] for row in body["data"]][1:3] == ["mine", "mine"]
    assert {row["at"] for row in body["data"]} == {rfc3339(api.clock.now_ms())}
    assert body["next"] is None


async def test_the_audit_log_is_read_by_number_while_it_grows(api: Service) -> None:
    for _ in range(5):
        await make(api)
    first = await api.data("/api/auth/audit?limit=2")
    await make(api)
    second = await api.data(f"/api/auth/audit?limit=2&before={first['next']}")
    third = await api.data(f"/api/auth/audit?limit=2&before={second['next']}")
    numbers = [row["number"] for page in (first, second, third) for row in page["data"]]
    assert numbers == [5, 4, 3, 2, 1]
    assert third["next"] is None
    for wrong in ("limit=0", "limit=251", "before=0", "before=x", f"before={2**60}"):
        error_of(await api.get(f"/api/auth/audit?{wrong}"), 422, "invalid_parameter")


async def test_nothing_is_done_that_cannot_be_noted(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await make(api)

    async def full(*_: Any) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(api.rt.store, "write", full)
    error_of(await api.client.delete(f"/api/auth/keys/{made['id']}"), 503, "store_unavailable")
    error_of(await api.client.post("/api/auth/keys", json={"name": "x"}), 503, "store_unavailable")
    monkeypatch.undo()
    assert await status_of(api, made["key"]) == 200
    assert len(await rows(api)) == 2
