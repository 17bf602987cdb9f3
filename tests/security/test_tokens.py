"""Bearer tokens: what is issued is read back, by whom and until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

import jwt
import pytest
from forging import (
    HEADER,
    KEY,
    NOW,
    OTHER,
    api_key,
    forged,
    headed,
    refused,
    segment,
    tokens,
)

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security.tokens import REFUSED, TokenClaims, Tokens


def test_what_is_issued_is_read_back() -> None:
    both = tokens()
    key = api_key()
    token, expires_in = both.issue(key)
    claims = both.read(token)
    assert expires_in == 86_400
    assert claims == TokenClaims(
        sub=key.id,
        tier="pro",
        scopes=frozenset({"read", "admin"}),
        jti=claims.jti,
        issued_ms=NOW * 1000,
        expires_ms=(NOW + 86_400) * 1000,
    )
    assert both.read(both.issue(key)[0]).jti != claims.jti


def test_a_token_is_as_documented() -> None:
    key = api_key(scopes=frozenset({"read"}))
    token, _ = tokens(at_ms=NOW * 1000 + 999).issue(key)
    head, said, signature = token.split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == HEADER
    claims = json.loads(base64.urlsafe_b64decode(said + "=="))
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", claims.pop("jti"))
    assert claims == {
        **{"iss": "crypto-dt-source", "aud": "crypto-dt-source-api", "sub": key.id, "tier": "pro"},
        **{"iat": NOW, "nbf": NOW, "exp": NOW + 86_400, "scope": "read"},
    }
    assert signature == segment(hmac.digest(KEY, f"{head}.{said}".encode(), "sha256"))
    assert key.fingerprint not in said


def test_times_are_the_clocks_and_exact_to_the_millisecond() -> None:
    clock = ManualClock(NOW * 1000)
    both = Tokens([KEY], clock, lifetime_s=60)
    token, expires_in = both.issue(api_key())
    assert expires_in == 60
    reader = tokens(at_ms=(NOW + 60) * 1000 - 1)
    assert reader.read(token).expires_ms == (NOW + 60) * 1000
    refused(tokens(at_ms=(NOW + 60) * 1000), token)
    # An issuer's clock may be 60 s ahead.
    assert tokens(at_ms=(NOW - 60) * 1000).read(token)
    refused(tokens(at_ms=(NOW - 60) * 1000 - 1), token)


async def test_a_token_grows_old() -> None:
    clock = ManualClock(NOW * 1000)
    both = Tokens([KEY], clock, lifetime_s=60)
    token, _ = both.issue(api_key())
    await clock.advance(59.999)
    assert both.read(token)
    await clock.advance(0.001)
    refused(both, token)


@pytest.mark.parametrize("year", [1971, 2023, 2040, 2999])
def test_the_machines_clock_has_no_say(year: int) -> None:
    both = tokens(at_ms=(year - 1970) * 31_556_952_000)
    token, _ = both.issue(api_key())
    assert both.read(token)


def test_keys_are_replaced_in_steps() -> None:
    before, between, after = tokens(KEY), tokens(OTHER, KEY), tokens(OTHER)
    old, new = before.issue(api_key())[0], between.issue(api_key())[0]
    assert between.read(old)
    assert between.read(new)
    assert after.read(new)
    refused(after, old)
    refused(before, new)
    assert jwt.get_unverified_header(new)["kid"] == hashlib.sha256(OTHER).hexdigest()[:16]
    # A name does not lend a key to another: the old key's token under the new key's name.
    refused(between, headed(kid=hashlib.sha256(OTHER).hexdigest()[:16]))


def test_issuer_and_audience_are_settable_and_kept_apart() -> None:
    one, two = tokens(issuer="one"), tokens(audience="two")
    for issuer, readers in ((one, (two, tokens())), (two, (one, tokens()))):
        token, _ = issuer.issue(api_key())
        assert issuer.read(token)
        for reader in readers:
            refused(reader, token)


@pytest.mark.parametrize(
    "key",
    [b"\0" * 32, b"-----BEGIN PUBLIC KEY-----\nAAAA", b"ssh-rsa AAAA", b'{"kty":"oct","k":"AAAA"}', b"\xff"],
)
def test_any_bytes_are_a_key(key: bytes) -> None:
    both = tokens(key)
    assert both.read(both.issue(api_key())[0])
    refused(both, forged())


@pytest.mark.parametrize(
    ("keys", "settings"), [((), {}), ((b"",), {}), ((KEY, b""), {}), ((KEY,), {"lifetime_s": 0})]
)
def test_what_cannot_sign_is_refused_at_the_start(keys: tuple[bytes, ...], settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Tokens(keys, ManualClock(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expires_ms", "expires_in"),
    [(None, 600), (NOW * 1000 + 700_000, 600), (NOW * 1000 + 90_999, 90), (NOW * 1000 + 1000, 1)],
)
def test_a_token_does_not_outlive_its_key(expires_ms: int | None, expires_in: int) -> None:
    both = tokens(lifetime_s=600)
    token, told = both.issue(api_key(expires_ms=expires_ms))
    assert told == expires_in
    assert both.read(token).expires_ms == (NOW + expires_in) * 1000


@pytest.mark.parametrize(
    "changes", [{"revoked_ms": 1}, {"expires_ms": NOW * 1000}, {"expires_ms": NOW * 1000 + 999}]
)
def test_a_key_that_may_not_be_used_gets_no_token(changes: dict[str, int]) -> None:
    with pytest.raises(Unauthenticated, match=re.escape(REFUSED)):
        tokens().issue(api_key(**changes))
