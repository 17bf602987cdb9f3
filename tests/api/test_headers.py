"""What every answer tells a browser, security.txt, and the access log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import structlog
from in_process import ADDRESS, Service, error_of

from crypto_dt_source.api.app import published
from crypto_dt_source.api.headers import POLICY, SECURITY_HEADERS, secured
from crypto_dt_source.api.wellknown import PATH as SECURITY_TXT
from crypto_dt_source.clock import parse_rfc3339
from crypto_dt_source.security.keys import new_key
from crypto_dt_source.services import access

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/prices?symbols=BTC"
EXPECTED = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}


async def test_every_answer_carries_them_once(api: Service) -> None:
    etag = (await api.get(PATH)).headers["etag"]
    asked = [
        (PATH, {}, 200),
        (PATH, {}, 200),
        (PATH, {"If-None-Match": etag}, 304),
        ("/nope", {}, 404),
        ("/api/ohlcv", {}, 422),
        ("/" + "x" * 9000, {}, 413),
        (PATH, {"X-API-Key": "wrong"}, 401),
        ("/openapi.json", {}, 200),
        ("/docs", {}, 200),
        ("/docs/assets/favicon.png", {}, 200),
        ("/api/health", {}, 200),
    ]
    for path, headers, status in asked:
        answer = await api.client.get(path, headers=headers)
        assert answer.status_code == status, path
        for name, value in EXPECTED.items():
            assert answer.headers.get_list(name) == [value], (path, name)
        [policy] = answer.headers.get_list("content-security-policy")
        assert (policy == POLICY[1].decode()) == (path != "/docs")
        assert "x-frame-options" not in answer.headers
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers


async def test_a_page_names_its_own_policy_and_who_may_frame_it() -> None:
    own = (b"content-security-policy", b"default-src 'self'; frame-ancestors https://example.org")
    assert [value for name, value in secured([own]) if name == own[0]] == [own[1]]
    assert secured([(b"a", b"b")]) == [(b"a", b"b"), *SECURITY_HEADERS, POLICY]


async def test_there_is_no_security_contact_that_nobody_named(api: Service) -> None:
    await api.error(SECURITY_TXT, 404, "not_found")


async def test_security_txt_is_what_the_rfc_asks_for(fresh: Service) -> None:
    fresh.edge.app.state.security_contact = "mailto:security@example.org,https://example.org/report"  # type: ignore[attr-defined]
    answer = await fresh.get(SECURITY_TXT)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    fields = [line.split(": ", 1) for line in answer.text.splitlines()]
    assert fields[:2] == [
        ["Contact", "mailto:security@example.org"],
        ["Contact", "https://example.org/report"],
    ]
    expires = next(value for name, value in fields if name == "Expires")
    ahead_ms = parse_rfc3339(expires) - fresh.clock.now_ms()
    assert 80 * 86_400_000 < ahead_ms < 365 * 86_400_000
    assert sorted(name for name, _ in fields) == ["Contact", "Contact", "Expires", "Preferred-Languages"]
    await fresh.pass_time(100 * 86_400)
    later = (await fresh.get(SECURITY_TXT)).text
    assert expires not in later


@asynccontextmanager
async def logged(api: Service, **more: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the same service with ACCESS_LOG on."""
    app = published(api.edge, api.clock, access_log=True, **more)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ADDRESS) as client:  # type: ignore[arg-type]
        yield client


async def test_a_line_tells_who_asked_what_and_how_it_ended(fresh: Service) -> None:
    secret, record = await access.create(fresh.rt.access, "reader", tier="pro")
    async with logged(fresh) as client:
        with structlog.testing.capture_logs() as lines:
            cold = await client.get(PATH, headers={"X-API-Key": secret, "X-Request-ID": "me-1"})
            await client.get(PATH, headers={"X-API-Key": secret})
            await client.head("/nope?token=secret-token")
    assert cold.status_code == 200
    first, warm, last = (line for line in lines if line["event"] == "request")
    assert {name: first[name] for name in ("method", "path", "status", "bytes", "key", "request_id")} == {
        "method": "GET",
        "path": "/api/prices",
        "status": 200,
        "bytes": len(cold.content),
        "key": record.id,
        "request_id": "me-1",
    }
    assert first["address"] == "127.0.0.1"
    assert first["ms"] >= 0
    assert (warm["status"], warm["key"], warm["bytes"]) == (200, record.id, len(cold.content))
    assert (last["method"], last["path"], last["status"], last["key"]) == ("HEAD", "/nope", 404, None)
    assert secret not in str(lines)
    assert "secret-token" not in str(lines)


async def test_a_key_in_a_path_is_struck_out_of_the_line(
    fresh: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    from crypto_dt_source import telemetry

    key = new_key()
    telemetry.configure("INFO", "json")
    try:
        async with logged(fresh) as client:
            await client.get(f"/api/prices/{key}")
    finally:
        telemetry.configure("INFO")
    [line] = [json.loads(text) for text in capsys.readouterr().err.splitlines() if '"request"' in text]
    assert line["path"] == "/api/prices/cdts_live_…"


async def test_without_the_setting_there_is_no_line(api: Service) -> None:
    with structlog.testing.capture_logs() as lines:
        await api.get(PATH)
    assert lines == []


async def test_a_refused_preflight_and_a_crash_have_lines_too(
    fresh: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs() as lines, monkeypatch.context() as broken:
        broken.setattr(fresh.rt.gateway, "sources", None)
        async with logged(fresh, origins="https://app.example.org") as client:
            headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
            error_of(await client.options(PATH, headers=headers), 403, "forbidden")
            with pytest.raises((TypeError, AttributeError)):
                await client.get("/api/providers")
    told = [(line["method"], line["status"]) for line in lines if line["event"] == "request"]
    assert told == [("OPTIONS", 403), ("GET", 500)]
    [crash] = [line for line in lines if line["event"] == "unexpected error"]
    assert crash["route"] == "/api/providers"


async def test_a_handshake_is_one_line_when_it_is_over(api: Service) -> None:
    from crypto_dt_source.api.access_log import AccessLog

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        for message in scope["say"]:
            await send(message)

    async def quiet(message: Any) -> None:
        return None

    door = AccessLog(socket, api.clock)
    accept, close = {"type": "websocket.accept"}, {"type": "websocket.close"}
    start = {"type": "websocket.http.response.start", "status": 429, "headers": [(b"x-request-id", b"r1")]}
    with structlog.testing.capture_logs() as lines:
        for said in (
            [accept, close],
            [close],
            [start, {"type": "websocket.http.response.body", "body": b"ab"}],
        ):
            scope = {"type": "websocket", "path": "/ws", "headers": [], "say": said}
            await door(scope, None, quiet)  # type: ignore[arg-type]
    assert [(line["method"], line["status"], line["bytes"], line["request_id"]) for line in lines] == [
        ("WEBSOCKET", 101, 0, None),
        ("WEBSOCKET", 403, 0, None),
        ("WEBSOCKET", 429, 2, "r1"),
    ]
