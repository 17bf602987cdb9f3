"""A key and its token over HTTP: where they are read from, what they open, when they end; what is used and left."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.app import serve_app
from crypto_dt_source.api.schemas.auth import HolderPage, Token, UsagePage
from crypto_dt_source.cli.get import call
from crypto_dt_source.model.access import ApiKey
from crypto_dt_source.security.verdict import Usage
from crypto_dt_source.services import access

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = "5c1d7e-the-operator's-own-9b3f"
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(tmp_path_factory.mktemp("data"), collected=False, cdts_admin_key=OPERATOR) as running:
        yield running


async def made(api: Service, tier: str = "pro", **more: Any) -> tuple[str, ApiKey]:
    return await access.create(api.rt.access, "desk", tier=tier, **more)


async def token_of(api: Service, secret: str) -> str:
    answer = await api.client.post("/api/auth/token", headers={"X-API-Key": secret})
    token: str = answer.json()["access_token"]
    return token


async def me(api: Service, *headers: tuple[str, str]) -> Any:
    return await api.client.get("/api/auth/me", headers=list(headers))


async def test_a_token_is_had_for_a_key_in_any_place(api: Service) -> None:
    secret, key = await made(api)
    post = api.client.post
    for answer in (
        await post("/api/auth/token", headers={"X-API-Key": secret}),
        await post("/api/auth/token", headers={"Authorization": f"Bearer {secret}"}),
        await post("/api/auth/token", headers={"Authorization": f"bearer  {secret} "}),
        await post("/api/auth/token", json={"api_key": secret}),
        await post("/api/auth/token", json={"api_key": f" {secret}\n"}),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        Token.model_validate(body, extra="forbid")
        assert (body["token_type"], body["expires_in"]) == ("bearer", 86_400)
        held = await me(api, ("Authorization", f"Bearer {body['access_token']}"))
        assert held.json()["data"]["id"] == key.id


async def test_a_key_in_a_header_counts_before_one_in_the_body(api: Service) -> None:
    secret, key = await made(api)
    answer = await api.client.post(
        "/api/auth/token", headers={"X-API-Key": secret, **JSON}, content=b'{"api_key": "another", {'
    )
    claims = api.rt.access.keyring.tokens.read(answer.json()["access_token"])
    assert claims.sub == key.id


async def test_a_token_ends_with_its_key_and_not_after(api: Service) -> None:
    secret, _ = await made(api, expires_ms=api.clock.now_ms() + 90_500)
    answer = (await api.client.post("/api/auth/token", headers={"X-API-Key": secret})).json()
    assert answer["expires_in"] == 90
    bearer = ("Authorization", f"Bearer {answer['access_token']}")
    assert (await me(api, bearer)).status_code == 200
    await api.pass_time(91)
    error_of(await me(api, bearer), 401, "unauthenticated")
    body = error_of(await me(api, ("X-API-Key", secret)), 401, "unauthenticated")
    assert body["details"] == {"reason": "expired"}


async def test_a_token_gets_no_token(api: Service) -> None:
    secret, _ = await made(api)
    bearer = {"Authorization": f"Bearer {await token_of(api, secret)}"}
    for more in (None, {"api_key": secret}):
        answer = await api.client.post("/api/auth/token", headers=bearer, json=more)
        assert "API key" in error_of(answer, 403, "forbidden")["error"]
    with_both = await api.client.post("/api/auth/token", headers={**bearer, "X-API-Key": secret})
    assert with_both.status_code == 200
    in_the_body = await api.client.post("/api/auth/token", json={"api_key": await token_of(api, secret)})
    error_of(in_the_body, 401, "unauthenticated")


MARK = "the-operator's-own-Zm4rk3dZm4rk3dZm4rk3d"
"""Has no shape to be told by."""


@pytest.mark.parametrize(
    ("content", "kind", "status", "parameter"),
    [
        (b"{}", "application/json", 422, "api_key"),
        (b'{"api_key": null}', "application/json", 422, "api_key"),
        (b'{"api_key": 5}', "application/json", 422, "api_key"),
        (b'{"api_key": ["%s"]}' % MARK.encode(), "application/json", 422, "api_key"),
        (b'"%s"' % MARK.encode(), "application/json", 422, "body"),
        (b'["%s"]' % MARK.encode(), "application/json", 422, "body"),
        (MARK.encode(), "application/json", 400, None),
        (b'{"api_key": "%s"' % MARK.encode(), "application/json", 400, None),
        (b'{"api_key": "%s"}' % MARK.encode(), "application/json", 401, None),
        (b'{"api_key": "%s"}' % (MARK.encode() * 10_000), "application/json", 401, None),
        (b'{"api_key": "\\u0000\\ud800"}', "application/json", 401, None),
        (b'{"api_key": ""}', "application/json", 401, None),
        (b"api_key=%s" % MARK.encode(), "application/x-www-form-urlencoded", 415, "Content-Type"),
        (b'{"api_key": "%s"}' % (b"x" * 1_100_000), "application/json", 413, None),
    ],
)  # fmt: skip
async def test_a_body_without_a_good_key_is_refused_and_never_repeated(
    api: Service, content: bytes, kind: str, status: int, parameter: str | None, capsys: Any
) -> None:
    answer = await api.client.post("/api/auth/token", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    body = error_of(answer, status, answer.json()["code"])
    assert body["details"].get("parameter") == parameter
    assert "Zm4rk" not in answer.text + str(answer.headers) + "".join(capsys.readouterr())


async def test_without_any_key_there_is_no_token(api: Service) -> None:
    body = error_of(await api.client.post("/api/auth/token"), 401, "unauthenticated")
    assert "X-API-Key" in body["error"]


async def test_a_typing_mistake_is_told_from_an_unknown_key(api: Service) -> None:
    secret, _ = await made(api)
    swapped = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    said = [
        error_of(await me(api, ("X-API-Key", text)), 401, "unauthenticated")["error"]
        for text in (swapped, secret + "x", secret.lower(), "cdts_live_" + "0" * 43 + "0T62Co", "x" * 5000)
    ]
    assert ["typing mistake" in text for text in said] == [True, True, True, False, False]


async def test_headers_that_say_it_in_other_ways(api: Service) -> None:
    secret, key = await made(api)
    other, _ = await made(api)
    token = await token_of(api, secret)
    good: list[tuple[tuple[str, str], ...]] = [
        (("x-api-key", secret), ("x-api-key", secret)),
        (("X-API-Key", ""), ("Authorization", f"Bearer {token}")),
        (("Authorization", f"Bearer {token}"), ("X-API-Key", "")),
        (("Authorization", "Bearer of-something-else"), ("X-API-Key", secret)),
        (("X-API-Key", secret), ("Authorization", "Basic dXNlcjpwYXNz")),
        (("Authorization", "Basic dXNlcjpwYXNz"), ("Authorization", f"BEARER {token}")),
        (("Authorization", secret),),
    ]
    for headers in good:
        answer = await me(api, *headers)
        assert answer.status_code == 200, (headers, answer.text)
        assert answer.json()["data"]["id"] == key.id
    bad: list[tuple[tuple[str, str], ...]] = [
        (("X-API-Key", secret), ("X-API-Key", other)),
        (("X-API-Key", "wrong"), ("Authorization", f"Bearer {token}")),
        (("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {other}")),
        (("X-API-Key", f"{secret}, {secret}"),),
        (("X-API-Key", f"Bearer {secret}"),),
        (("X-API-Key", token),),
        (("Authorization", f"Bearer {token} {token}"),),
        (("Authorization", "Bearer"),),
        (("Cookie", f"X-API-Key={secret}"),),
    ]
    for headers in bad:
        answer = await me(api, *headers)
        error_of(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", "ключ".encode(), b"cdts_live_\xc3\xa9", b"a\x00b", b"\t", b"'", b"%s%s%n"]
)
async def test_any_bytes_in_a_header_are_a_wrong_key_or_none(api: Service, raw: bytes) -> None:
    for name, prefix in ((b"x-api-key", b""), (b"authorization", b"Bearer ")):
        said: list[Any] = []

        async def send(message: Any, said: list[Any] = said) -> None:
            said.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "method": "GET", "path": "/api/auth/me", "raw_path": b"/api/auth/me",
            "query_string": b"", "headers": [(name, prefix + raw)], "client": ("127.0.0.1", 1),
        }  # fmt: skip
        await api.edge(scope, receive, send)
        assert said[0]["status"] == 401
        assert json.loads(said[1]["body"])["code"] == "unauthenticated"


async def test_a_key_in_the_query_is_nobody(api: Service) -> None:
    secret, _ = await made(api)
    for name in ("api_key", "token", "key"):
        error_of(await api.get(f"/api/auth/me?{name}={secret}"), 401, "unauthenticated")


async def test_who_asks_is_told_what_the_tier_allows(api: Service) -> None:
    secret, key = await made(api, origins=["https://app.example.org"], expires_ms=api.clock.now_ms() + 10**9)
    body = (await me(api, ("X-API-Key", secret))).json()
    HolderPage.model_validate(body, extra="forbid")
    data = body["data"]
    assert (data["id"], data["name"], data["tier"], data["scopes"]) == (key.id, "desk", "pro", ["read"])
    assert data["prefix"] == secret[:16] + "…"
    assert data["limits"] == {
        "requests": 300, "window_seconds": 60, "requests_per_day": 50_000,
        "symbols": 100, "history_days": 90, "connections": 50, "subscriptions": 500,
    }  # fmt: skip
    assert secret[16:] not in json.dumps(body)
    operator = (await me(api, ("X-API-Key", OPERATOR))).json()["data"]
    assert (operator["name"], operator["tier"], operator["prefix"]) == ("CDTS_ADMIN_KEY", "enterprise", "…")
    assert operator["limits"]["requests"] is None


async def test_pages_of_other_origins_cannot_use_a_key(api: Service) -> None:
    bound, _ = await made(api, origins=["https://app.example.org", "http://localhost:3000"])
    free, _ = await made(api)
    for origin, status in (
        ("https://app.example.org", 200),
        ("http://localhost:3000", 200),
        ("", 200),
        ("https://evil.example", 403),
        ("https://app.example.org.evil.example", 403),
        ("http://app.example.org", 403),
        ("null", 403),
        ("é" * 400, 403),
    ):
        headers = {b"Origin": origin.encode()} if origin else {}
        answer = await api.client.get("/api/auth/me", headers={**headers, b"X-API-Key": bound.encode()})
        assert answer.status_code == status, origin
        body = await api.client.post("/api/auth/token", json={"api_key": bound}, headers=headers)
        assert body.status_code == status, origin
        token = {b"Authorization": f"Bearer {await token_of(api, bound)}".encode()}
        assert (await api.client.get("/api/auth/me", headers={**headers, **token})).status_code == status
        unbound = await api.client.get("/api/auth/me", headers={**headers, b"X-API-Key": free.encode()})
        assert unbound.status_code == 200
    answer = await api.client.get("/api/auth/me", headers={"Origin": "https://e.vil", "X-API-Key": bound})
    assert error_of(answer, 403, "forbidden")["details"] == {"origin": "https://e.vil"}


async def test_usage_counts_down_and_is_not_counted_twice(api: Service) -> None:
    secret, key = await made(api)

    async def asked() -> Any:
        answer = await api.client.get("/api/usage", headers={"X-API-Key": secret})
        UsagePage.model_validate(answer.json(), extra="forbid")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-ratelimit-remaining"] == str(answer.json()["data"]["window"]["remaining"])
        return answer.json()["data"]

    first = await asked()
    assert first["tier"] == "pro"
    window, day = first["window"], first["day"]
    assert (window["limit"], window["seconds"], window["used"], window["remaining"]) == (300, 60, 1, 299)
    assert (day["limit"], day["used"], day["remaining"]) == (50_000, 1, 49_999)
    assert window["reset_seconds"] == 60
    assert day["resets_at"] == "2026-09-22T00:00:00Z"
    await api.pass_time(10)
    second = await asked()
    assert (second["window"]["used"], second["window"]["reset_seconds"]) == (2, 50)
    assert second["window"]["resets_at"] == window["resets_at"]
    token = await token_of(api, secret)
    by_token = (await api.get("/api/usage", authorization=f"Bearer {token}")).json()["data"]
    assert by_token["day"]["used"] == 4
    await api.pass_time(60)
    assert (await asked())["window"]["used"] == 1
    assert (await api.rt.access.limiter.usage(f"key:{key.id}", api.rt.access.tiers["pro"])).today == 5  # type: ignore[union-attr]


async def test_usage_without_a_limit_or_a_count_is_null(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = await made(api, "enterprise")
    data = (await api.get("/api/usage", x_api_key=secret)).json()["data"]
    assert set(data["window"].values()) == {None}
    assert (data["day"]["limit"], data["day"]["used"], data["day"]["remaining"]) == (None, 1, None)

    async def down(bucket: str, tier: Any) -> Usage | None:
        return None

    monkeypatch.setattr(api.rt.access.limiter, "usage", down)
    secret, _ = await made(api)
    data = (await api.get("/api/usage", x_api_key=secret)).json()["data"]
    assert (data["window"]["limit"], data["window"]["used"], data["window"]["remaining"]) == (300, None, None)
    assert data["window"]["resets_at"] is None
    assert (data["day"]["used"], data["day"]["remaining"]) == (None, None)
    assert data["day"]["resets_at"] == "2026-09-22T00:00:00Z"


async def test_what_a_key_is_told_is_never_kept_warm(api: Service) -> None:
    (first, key), (second, other) = await made(api), await made(api)
    for secret, held in ((first, key), (second, other)) * 2:
        assert (await me(api, ("X-API-Key", secret))).json()["data"]["id"] == held.id
    error_of(await me(api), 401, "unauthenticated")


async def test_keys_are_guessed_no_faster_than_anybody_asks(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False, free_tier_limit="5/minute") as small:
        secret, _ = await made(small)
        for n in range(5):
            key = "cdts_live_" + f"{n:043d}" + "0T62Co"
            error_of(await me(small, ("X-API-Key", key)), 401, "unauthenticated")
        error_of(await me(small, ("X-API-Key", "another")), 429, "rate_limited")
        error_of(await me(small, ("Authorization", "Bearer a.b.c")), 429, "rate_limited")
        error_of(await small.client.post("/api/auth/token", json={"api_key": secret}), 429, "rate_limited")
        error_of(await small.get("/api/providers"), 429, "rate_limited")
        # Whoever has a key is not held up by those who try keys from the same address.
        assert (await me(small, ("X-API-Key", secret))).status_code == 200


async def test_a_token_of_the_operators_key_lasts_over_a_restart_with_the_same(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False, cdts_admin_key=OPERATOR) as first:
        bearer = ("Authorization", f"Bearer {await token_of(first, OPERATOR)}")
        clock = first.clock
    async with service(tmp_path, collected=False, cdts_admin_key=OPERATOR, clock=clock) as second:
        assert (await me(second, bearer)).status_code == 200
    async with service(tmp_path, collected=False, cdts_admin_key=OPERATOR + "x", clock=clock) as third:
        error_of(await me(third, bearer), 401, "unauthenticated")


async def test_the_owner_of_the_data_has_no_key(api: Service) -> None:
    app = serve_app(lambda: contextlib.nullcontext(api.rt), api.clock, timeout_s=20)
    status, body = await call(app, "/api/auth/me")
    assert (status, json.loads(body)["code"]) == (404, "not_found")
    status, body = await call(app, "/api/usage")
    assert (status, json.loads(body)["data"]["tier"]) == (200, "enterprise")
