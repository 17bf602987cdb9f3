"""Forged tokens against the running API: each gets 401 in the one shape, with one sentence for all. What the reader of
tokens does with more of them is in tests/security."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.security.tokens import MAX_LENGTH, REFUSED
from crypto_dt_source.services import access

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "q7Gv2xW9sLk4TzRb81NfYcHd6JmPu3Ea"
OLD = "Zt5Kq0XhVw8RsYb2Nn6GcLd9PfMj4UaE"
KID = hashlib.sha256(SECRET.encode()).hexdigest()[:16]
HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
LEAVE_OUT = object()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("data")
    async with service(folder, collected=False, jwt_secret_key=SECRET, jwt_previous_keys=OLD) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def claims(api: Service) -> dict[str, Any]:
    """What a good token of an admin says now."""
    _, key = await access.create(api.rt.access, "admin", tier="free", scopes=("read", "admin"))
    now = api.clock.now_ms() // 1000
    return {
        "iss": "crypto-dt-source", "aud": "crypto-dt-source-api", "sub": key.id, "iat": now, "nbf": now,
        "exp": now + 600, "jti": "0123456789abcdef", "tier": "free", "scope": "admin read",
    }  # fmt: skip


def segment(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**content, **changes}.items() if value is not LEAVE_OUT}


def forged(claims: dict[str, Any], header: dict[str, Any], secret: bytes, digest: str, **changes: Any) -> str:
    signed = f"{segment(changed(HEADER, header))}.{segment(changed(claims, changes))}"
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), digest))}"


def good(claims: dict[str, Any], **changes: Any) -> str:
    return forged(claims, {}, SECRET.encode(), "sha256", **changes)


async def asked(api: Service, token: str, path: str = "/api/auth/keys") -> Any:
    return await api.client.get(path, headers={"Authorization": f"Bearer {token}"})


def refused(answer: Any, token: str) -> None:
    body = error_of(answer, 401, "unauthenticated")
    assert (body["error"], body["details"]) == (REFUSED, {})
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not [part for part in token.split(".") if len(part) > 8 and part in answer.text]


async def test_the_forgers_good_token_opens_everything(api: Service, claims: dict[str, Any]) -> None:
    assert (await asked(api, good(claims))).status_code == 200
    kid = hashlib.sha256(OLD.encode()).hexdigest()[:16]
    assert (await asked(api, forged(claims, {"kid": kid}, OLD.encode(), "sha256"))).status_code == 200


HEADERS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg missing": {"alg": LEAVE_OUT},
    "alg list": {"alg": ["HS256"]},
    "RS256": {"alg": "RS256"},
    "ES256": {"alg": "ES256"},
    "HS512": {"alg": "HS512"},
    "HS384": {"alg": "HS384"},
    "unknown kid": {"kid": "0" * 16},
    "missing kid": {"kid": LEAVE_OUT},
    "kid a path": {"kid": "../../../../dev/null"},
    "kid a query": {"kid": f"{KID}' OR '1'='1"},
    "kid of the older secret": {"kid": hashlib.sha256(OLD.encode()).hexdigest()[:16]},
    "typ JWT": {"typ": "JWT"},
    "typ missing": {"typ": LEAVE_OUT},
    "crit": {"crit": ["exp"], "exp": 1},
    "b64": {"b64": False, "crit": ["b64"]},
    "jwk": {"jwk": {"kty": "oct", "k": segment(b"attacker")}},
    "jku": {"jku": "https://attacker.example/keys"},
    "x5u": {"x5u": "https://attacker.example/cert"},
    "zip": {"zip": "DEF"},
}
CLAIMS: dict[str, dict[str, Any]] = {
    "wrong audience": {"aud": "another-service"},
    "audiences": {"aud": ["crypto-dt-source-api", "another-service"]},
    "no audience": {"aud": LEAVE_OUT},
    "wrong issuer": {"iss": "attacker"},
    "no issuer": {"iss": LEAVE_OUT},
    "no expiry": {"exp": LEAVE_OUT},
    "expiry a text": {"exp": "9999999999"},
    "expiry not a number": {"exp": float("inf")},
    "no subject": {"sub": LEAVE_OUT},
    "subject a pattern": {"sub": "key_%"},
    "scope unknown": {"scope": "admin root"},
    "tier unknown": {"tier": "god"},
}


@pytest.mark.parametrize("attack", HEADERS)
async def test_a_header_we_did_not_write(api: Service, claims: dict[str, Any], attack: str) -> None:
    digest = {"HS512": "sha512", "HS384": "sha384"}.get(attack, "sha256")
    token = forged(claims, HEADERS[attack], SECRET.encode(), digest)
    refused(await asked(api, token), token)
    unsigned = token.rpartition(".")[0] + "."
    refused(await asked(api, unsigned), unsigned)


@pytest.mark.parametrize("attack", CLAIMS)
async def test_claims_we_did_not_write(api: Service, claims: dict[str, Any], attack: str) -> None:
    token = good(claims, **CLAIMS[attack])
    refused(await asked(api, token), token)


async def test_a_token_of_another_time(api: Service, claims: dict[str, Any]) -> None:
    now = claims["iat"]
    for times in (
        {"exp": now},
        {"exp": now - 1},
        {"exp": 0},
        {"nbf": now + 120},
        {"iat": now + 120, "nbf": now + 120, "exp": now + 700},
        {"exp": -(2**63)},
    ):
        token = good(claims, **times)
        refused(await asked(api, token), token)


async def test_a_token_that_was_tampered_with(api: Service, claims: dict[str, Any]) -> None:
    header, payload, signature = good(claims, scope="read").split(".")
    richer = f"{header}.{segment(claims)}.{signature}"
    for token in (
        richer,
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.{'A' * 43}",
        f"{header}.{payload}.",
        f".{payload}.{signature}",
        "..",
        "a.b.c",
        forged(claims, {}, b"", "sha256"),
        forged(claims, {}, OLD.encode(), "sha256"),
        forged(claims, {}, KID.encode(), "sha256"),
    ):
        refused(await asked(api, token), token)


async def test_an_oversized_token(api: Service, claims: dict[str, Any]) -> None:
    fits = good(claims, more="x" * 2000)
    assert (await asked(api, fits)).status_code == 200
    token = good(claims, more="x" * MAX_LENGTH)
    refused(await asked(api, token), token)
    refused(await asked(api, f"{'a' * 30_000}.{'b' * 30_000}.c"), "")


async def test_the_scopes_of_a_token_are_those_its_key_has_now(api: Service, claims: dict[str, Any]) -> None:
    _, reader = await access.create(api.rt.access, "reader", tier="free")
    token = good(claims, sub=reader.id, tier="enterprise", scope="admin read")
    error_of(await asked(api, token), 403, "forbidden")
    held = (await asked(api, token, "/api/auth/me")).json()["data"]
    assert (held["tier"], held["scopes"]) == ("free", ["read"])


async def test_a_good_token_of_a_key_that_is_not_there_or_has_ended(
    api: Service, claims: dict[str, Any]
) -> None:
    for sub in ("key_000000000000", "key_zzzzzzzzzzzz"):
        error_of(await asked(api, good(claims, sub=sub)), 401, "unauthenticated")
    _, ended = await access.create(api.rt.access, "ended", tier="pro", scopes=("admin",))
    token = good(claims, sub=ended.id)
    assert (await asked(api, token)).status_code == 200
    await access.revoke(api.rt.access, ended.id)
    error_of(await asked(api, token), 401, "unauthenticated")
    # On routes that anybody may call too: what is shown must be good.
    error_of(await asked(api, token, "/api/providers"), 401, "unauthenticated")


async def test_no_attack_is_quieter_on_a_public_route(api: Service, claims: dict[str, Any]) -> None:
    for token in (good(claims, aud="x"), forged(claims, {"alg": "none"}, b"", "sha256")):
        refused(await asked(api, token, "/api/providers"), token)
        assert (
            await api.client.head("/api/providers", headers={"Authorization": f"Bearer {token}"})
        ).status_code == 401
