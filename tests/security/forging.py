"""Tokens made by hand, without the library that the code under test verifies them with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security.keys import ApiKey, new_record
from crypto_dt_source.security.tokens import REFUSED, Tokens

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_700_000_000
KID = hashlib.sha256(KEY).hexdigest()[:16]
HEADER = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
CLAIMS = {
    "iss": "crypto-dt-source",
    "aud": "crypto-dt-source-api",
    "sub": "key_0123456789Ab",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 600,
    "jti": "0123456789abcdef",
    "tier": "pro",
    "scope": "admin read",
}
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def api_key(**changes: Any) -> ApiKey:
    made = new_record("desk", "pro", ["read", "admin"], salt=b"s", now_ms=NOW * 1000)[1]
    return made._replace(**changes)


def tokens(*keys: bytes, at_ms: int = NOW * 1000, **settings: Any) -> Tokens:
    return Tokens(keys or (KEY,), ManualClock(at_ms), **settings)


def segment(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def forged(
    claims: object = None, header: object = None, *, key: bytes = KEY, digest: str = "sha256", **changes: Any
) -> str:
    """A token signed by hand, without the library under test. `changes` are of the claims."""
    said = {**CLAIMS, **changes} if claims is None else claims
    signed = f"{segment(HEADER if header is None else header)}.{segment(said)}"
    return f"{signed}.{segment(hmac.digest(key, signed.encode(), digest))}"


def without(name: str) -> str:
    return forged({claim: value for claim, value in CLAIMS.items() if claim != name})


def headed(**changes: Any) -> str:
    return forged(header={name: v for name, v in {**HEADER, **changes}.items() if v is not ...})


def refused(reader: Tokens, token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        reader.read(token)
    error = caught.value
    assert (error.message, error.public, error.details, error.retry_after) == (REFUSED, REFUSED, {}, None)
    assert error.__suppress_context__
