"""No secret shows up where it has no business: marked ones go in at every door, then everything that comes out is read.

Of an API key the first six digits may be shown, so what is looked for is what follows them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from in_process import Service, service

import harness
from crypto_dt_source import telemetry
from crypto_dt_source.api.app import create_app, published
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.security.keys import LENGTH, PREFIX, new_key, well_formed
from crypto_dt_source.services import access
from crypto_dt_source.wiring import open_runtime

OURS = {
    "cdts_admin_key": "Mark1-operators-own-admin-key-0f9c",
    "jwt_secret_key": "Mark2-3b1d7c0e5f6a4b8c9d0e1f2a3b4c5d6e",
    "jwt_previous_keys": "Mark3-a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5",
    "api_key_salt": "Mark4-7f6e5d4c3b2a19080716253443526170",
}
UPSTREAM = {"etherscan_api_key": "Mark5ETHERSCANKEY0123456789", "coincap_api_key": "Mark6-coincap-key-0123"}
ADDRESSES = {
    "redis_url": "redis://caller:Mark7-redis-password@127.0.0.1:1/0",
    "database_url": "postgresql://owner:Mark8-database-password@127.0.0.1:1/cdts",
}
MARK = re.compile("Mark[1-9]")


def mark_of(secret: str) -> str:
    """The part of a secret that nobody may see: of a key what follows its prefix, of a token its end."""
    return secret[len(PREFIX) + 6 :][:24] if secret.startswith(PREFIX) else secret[-24:]


@dataclass
class Doors:
    """Secrets by what they are, and what came out."""

    secrets: dict[str, str]
    answers: list[tuple[str, httpx2.Response, bool]] = field(default_factory=list)
    """What was asked, the answer, and whether it may repeat what a caller sent as data."""

    @property
    def marks(self) -> re.Pattern[str]:
        found = [re.escape(mark_of(secret)) for secret in self.secrets.values()]
        return re.compile("|".join([*found, MARK.pattern]))

    def leaks(self) -> list[str]:
        found = []
        for asked, answer, repeats in self.answers:
            if self.marks.search(str(answer.headers)):
                found.append(f"{asked}: a header")
            if not (repeats and answer.status_code < 400) and self.marks.search(answer.text):
                found.append(f"{asked}: the body")
        return found


def secrets_of(api: Service, secret: str, id: str) -> dict[str, str]:
    """A key of the server in every state of repair, and tokens."""
    key = api.rt.access.keyring.by_id(id)
    assert key is not None
    token, _ = api.rt.access.keyring.tokens.issue(key)
    typo = secret[:30] + ("a" if secret[30] != "a" else "b") + secret[31:]
    assert not well_formed(typo)
    return {
        "a key": secret,
        "an unknown key": new_key(),
        "a mistyped key": typo,
        "a cut key": secret[: LENGTH - 9],
        "a token": token,
        "a tampered token": token[:-6] + "AAAAAA",
        "the operator's key": OURS["cdts_admin_key"],
    }


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and entry of every operation."""
    for path, entries in create_app().openapi()["paths"].items():
        for method, entry in entries.items():
            yield method.upper(), path, entry


async def ask(
    doors: Doors, client: httpx2.AsyncClient, what: str, method: str, path: str, *, repeats: bool, **more: Any
) -> None:
    answer = await client.request(method, path, **more)
    doors.answers.append((f"{what} in {method} {path.partition('?')[0][:60]}", answer, repeats))


def mixed(secrets: Mapping[str, str], turn: int) -> list[tuple[str, str]]:
    """The good key, and one of the other secrets in its turn."""
    good, *others = secrets.items()
    return [good, others[turn % len(others)]]


async def by_header(doors: Doors, client: httpx2.AsyncClient) -> None:
    """Where secrets belong, and where people put them by mistake."""
    for turn, (method, path, _) in enumerate(operations()):
        place = re.sub(r"\{\w+\}", "none", path)
        for what, secret in mixed(doors.secrets, turn):
            for headers in (
                {"X-API-Key": secret},
                {"Authorization": f"Bearer {secret}", "X-Request-ID": secret[:64], "User-Agent": secret},
            ):
                await ask(
                    doors, client, what, method, place, repeats=False, headers=headers, json={"text": "a"}
                )
    for what, secret in doors.secrets.items():
        for name in (
            "Origin",
            "Referer",
            "If-None-Match",
            "Content-Type",
            "X-Forwarded-For",
            "Authorization",
        ):
            headers = {name: secret, "X-API-Key": secret}
            await ask(doors, client, what, "POST", "/api/analyze/text", repeats=False, headers=headers)


async def by_address(doors: Doors, client: httpx2.AsyncClient) -> None:
    """In paths and queries of every route, and of none."""
    for turn, (method, path, entry) in enumerate(operations()):
        named = [p["name"] for p in entry.get("parameters", ()) if p["in"] == "query"]
        for what, secret in mixed(doors.secrets, turn):
            place = re.sub(r"\{\w+\}", secret, path)
            query = dict.fromkeys([*named, "token", "api_key"], secret)
            headers = {"X-API-Key": doors.secrets["a key"]} if "{" in path else {}
            await ask(doors, client, what, method, place, repeats=True, params=query, headers=headers)
    for what, secret in doors.secrets.items():
        for place in (
            f"/{secret}",
            f"/api/{secret}/{secret}",
            f"/docs/assets/{secret}",
            f"/ws?token={secret}",
        ):
            await ask(doors, client, what, "GET", place, repeats=True)
        # Six symbols: one is unknown, and one beyond what the free tier gives.
        for symbols in (f"BTC,{secret}", f"BTC,ETH,SOL,XRP,ADA,{secret}"):
            place = f"/api/prices?symbols={symbols}"
            await ask(doors, client, what, "GET", place, repeats=False)


async def by_body(doors: Doors, client: httpx2.AsyncClient) -> None:
    """In every field of every body, in bodies that are none, and as names of things."""
    holder = {"X-API-Key": doors.secrets["a key"], "Content-Type": "application/json"}
    bodies = [
        (m, p, e["requestBody"]["content"]["application/json"])
        for m, p, e in operations()
        if "application/json" in e.get("requestBody", {}).get("content", {})
    ]
    for turn, (method, path, media) in enumerate(bodies):
        place = re.sub(r"\{\w+\}", "none", path)
        for what, secret in mixed(doors.secrets, turn):
            fields = dict.fromkeys([*media["schema"].get("properties", {}), "api_key", "token"], secret)
            whole = [
                fields,
                {**media["example"], "api_key": secret},
                {**media["example"], "name": secret},
                [secret],
            ]
            broken = [f'{{"api_key": "{secret}', f'{{"api_key": {secret}}}']
            for content in (*map(json.dumps, whole), *broken):
                await ask(doors, client, what, method, place, repeats=True, headers=holder, content=content)
            await ask(doors, client, what, method, place, repeats=True, json=fields)


@asynccontextmanager
async def everything_logged(capsys: pytest.CaptureFixture[str]) -> AsyncIterator[list[str]]:
    """The lines of the log at its finest, as they are written."""
    lines: list[str] = []
    capsys.readouterr()
    telemetry.configure("DEBUG", "json")
    try:
        yield lines
    finally:
        lines += capsys.readouterr().err.splitlines()
        telemetry.configure("INFO")


async def handshakes(api: Service, secrets: Mapping[str, str]) -> str:
    """Everything that is said to WebSockets that bring a secret and leave."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    app: Any = published(api.edge, api.clock, origins="https://app.example.org", access_log=True)
    for secret in secrets.values():
        headers = [(b"x-api-key", secret.encode()), (b"x-request-id", secret[:64].encode())]
        for path, query, sent in (
            ("/ws", f"token={secret}", []),
            ("/ws/prices", "", headers[:1]),
            (f"/ws/{secret}", "", headers[1:]),
        ):
            for extensions in ({}, {"websocket.http.response": {}}):
                comes = iter(
                    [
                        {"type": "websocket.connect"},
                        {
                            "type": "websocket.receive",
                            "text": json.dumps({"action": "auth", "token": secret}),
                        },
                        {
                            "type": "websocket.receive",
                            "text": json.dumps({"action": secret, "channel": secret}),
                        },
                        {"type": "websocket.receive", "text": secret},
                    ]
                )

                async def receive(comes: Iterator[Any] = comes) -> Any:
                    return next(comes, {"type": "websocket.disconnect", "code": 1000})

                scope = {
                    "type": "websocket",
                    "path": path,
                    "raw_path": path.encode(),
                    "query_string": query.encode(),
                }
                more = {
                    "headers": sent,
                    "extensions": extensions,
                    "client": ("127.0.0.1", 1),
                    "subprotocols": [],
                }
                await app({**scope, **more}, receive, send)
    return str(said)


def kept(folder: Path) -> bytes:
    """Every file of the data folder but those that hold the server's own secrets."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "secrets" not in path.parts]
    return b"".join(path.read_bytes() for path in files)


async def test_no_secret_of_a_caller_comes_out_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own: Any = {**OURS, "free_tier_symbols": 5}
    async with everything_logged(capsys) as lines, service(tmp_path, collected=False, **own) as api:
        api.upstreams.dead = True
        secret, record = await access.create(api.rt.access, "marked", tier="pro", scopes=("read", "admin"))
        doors = Doors(secrets_of(api, secret, record.id))
        app = published(api.edge, api.clock, origins="https://app.example.org", access_log=True)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            await by_header(doors, client)
            await by_address(doors, client)
            await by_body(doors, client)
            statuses = {answer.status_code for _, answer, _ in doors.answers}
            assert {200, 201, 400, 401, 404, 415, 422} <= statuses
            assert [asked for asked, answer, _ in doors.answers if answer.status_code == 500] == []
            said = await handshakes(api, doors.secrets)
            for place in ("/api/health", "/api/providers", "/api/auth/keys", "/api/auth/audit?limit=250"):
                await ask(
                    doors, client, "what is told", "GET", place, repeats=False, headers={"X-API-Key": secret}
                )
        shown = [repr(part) for part in (api.rt, api.rt.access, api.rt.access.keyring, record, api.edge)]
        shown += [repr(vars(api.rt.access.keyring.tokens)["_clock"]), str(api.rt.access.keyring.all())]
        rows = await api.rt.store.fetch("SELECT action, target, request FROM audit_log")
    assert doors.leaks() == []
    assert not doors.marks.search(said)
    assert not [line for line in lines if doors.marks.search(line)]
    assert sum('"event": "request"' in line for line in lines) >= len(doors.answers)
    assert not [text for text in shown if doors.marks.search(text)]
    assert len(rows) > 20
    data = kept(tmp_path / "data")
    assert record.fingerprint.encode() in data
    assert b"/api/auth/keys/{id}" in data
    assert not re.search(doors.marks.pattern.encode(), data)


def echoing(key: str) -> list[Reply]:
    """What upstreams say that repeat the key they were sent, one way after the other."""
    texts = [
        f"Invalid API Key {key}",
        f'{{"status":"0","message":"NOTOK","result":"bad {key}"}}',
        f"<h1>{key}</h1>",
    ]
    bodies = [text.encode() for text in texts]
    statuses = (200, 200, 200, 302, 400, 401, 403, 404, 429, 500)
    moved = {"location": f"https://elsewhere.example/?apikey={key}", "retry-after": key}
    return [Reply("any", status, bodies[n % 3], 0, moved) for n, status in enumerate(statuses)]


async def test_no_upstream_key_comes_out_of_what_upstreams_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[str] = []
    texts: list[str] = []
    own: Any = UPSTREAM
    async with everything_logged(capsys) as lines, service(tmp_path, collected=False, **own) as api:
        keys = {s.entry.id: s.key for s in api.rt.gateway.sources.values() if s.key}
        assert set(keys.values()) == set(UPSTREAM.values())
        for number in range(len(echoing("x"))):

            def bend(provider: str, request: Request, reply: Reply, number: int = number) -> Reply:
                key = keys.get(provider) or UPSTREAM["etherscan_api_key"]
                said = echoing(key)[number]
                sent.append(provider)
                return Reply(provider, said.status, said.body, reply.received_ms, said.headers)

            api.upstreams.bend = bend
            places = (
                "/api/blockchain/gas",
                "/api/coins",
                "/api/market",
                "/api/prices?symbols=BTC",
                "/api/news",
            )
            texts += [(await api.get(place)).text for place in places]
            await api.pass_time(7200)
        for provider in sorted({*keys, *sent}):
            answers = [await api.get(f"/api/providers/{provider}{part}") for part in ("", "/stats")]
            texts += [answer.text for answer in answers]
        texts += [(await api.get(place)).text for place in ("/api/providers", "/api/health")]
        texts += [repr(source) for source in api.rt.gateway.sources.values()]
    assert set(keys) & set(sent), "no source with a key was asked"
    assert lines
    assert not [text for text in (*texts, *lines) if MARK.search(text)]
    assert not re.search(MARK.pattern.encode(), kept(tmp_path / "data"))


async def test_a_crash_tells_the_log_and_nobody_else_and_no_secret(
    fresh: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, password = new_key(), "Mark8-database-password"
    told = f"cannot use {key} at postgresql://owner:{password}@db/x with {OURS['jwt_secret_key']} {'x' * 20}"

    def broken(*_: object) -> None:
        raise RuntimeError(told)

    telemetry.hide(OURS.values())
    transport = httpx2.ASGITransport(app=fresh.edge, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with everything_logged(capsys) as lines, httpx2.AsyncClient(transport=transport) as client:
        with monkeypatch.context() as patched:
            patched.setattr(fresh.rt.resolver, "resolve", broken, raising=False)
            patched.setattr(fresh.rt.store, "fetch", broken)
            answers = [await client.get(f"http://service{path}") for path in ("/api/news", "/api/prices/BTC")]
        asyncio.get_running_loop().call_exception_handler({"message": told, "exception": RuntimeError(told)})
    telemetry.hide(())
    text = "\n".join(lines)
    assert 500 in {answer.status_code for answer in answers}
    assert "RuntimeError: cannot use cdts_live_… at postgresql://…@db/x with … xxxx" in text
    assert mark_of(key) not in text
    assert not MARK.search(text)
    for answer in answers:
        assert "RuntimeError" not in answer.text
        assert mark_of(key) not in answer.text
        assert not MARK.search(answer.text)


async def test_addresses_that_cannot_be_reached_do_not_tell_their_passwords(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from crypto_dt_source.store import StoreError

    async with everything_logged(capsys) as lines:
        wrong = harness.settings(tmp_path, database_url=ADDRESSES["database_url"])
        with pytest.raises(StoreError) as caught:
            async with open_runtime(wrong, background=False):
                raise AssertionError("there is no such database")
        shown = f"{caught.value!r} {caught.value} {caught.value.public} {caught.value.details}"
        assert not MARK.search(shown)
        async with service(tmp_path / "redis", collected=False, redis_url=ADDRESSES["redis_url"]) as api:
            assert (await api.get("/api/providers")).status_code == 200
            shown = f"{api.rt.access!r} {api.rt.access.limiter!r} {(await api.get('/api/health')).text}"
            assert not MARK.search(shown)
    assert any("redis" in line for line in lines)
    assert not [line for line in lines if MARK.search(line)]
