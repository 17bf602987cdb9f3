"""Bearer tokens: everything that was not issued is refused, in one sentence that tells nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import jwt
import pytest
from forging import (
    CLAIMS,
    DIGITS,
    HEADER,
    KEY,
    KID,
    NOW,
    OTHER,
    forged,
    headed,
    refused,
    segment,
    tokens,
    without,
)
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source import telemetry
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security.tokens import MAX_LENGTH, TokenClaims, Tokens


def test_the_forgers_own_good_token_is_read() -> None:
    # What makes every attack below fail is the one thing it changes.
    assert tokens().read(forged()) == TokenClaims(
        "key_0123456789Ab",
        "pro",
        frozenset({"read", "admin"}),
        "0123456789abcdef",
        NOW * 1000,
        (NOW + 600) * 1000,
    )
    assert tokens().read(forged(scope="read", more="x" * 1000)).scopes == {"read"}


def rsa_text() -> str:
    # What a swapped algorithm would verify with: a public key that everybody knows.
    return forged(header={**HEADER, "alg": "HS256"}, key=b"-----BEGIN PUBLIC KEY-----\n")


DEEP = b"[" * 1100 + b"]" * 1100
ATTACKS: dict[str, tuple[str, str]] = {
    "alg none": (headed(alg="none"), "algorithm"),
    "alg none, no signature": (headed(alg="none").rpartition(".")[0] + ".", "malformed"),
    "alg None": (headed(alg="None"), "algorithm"),
    "alg nOnE": (headed(alg="nOnE"), "algorithm"),
    "alg empty": (headed(alg=""), "algorithm"),
    "alg null": (headed(alg=None), "algorithm"),
    "alg list": (headed(alg=["HS256"]), "algorithm"),
    "alg missing": (headed(alg=...), "algorithm"),
    "alg lower": (headed(alg="hs256"), "algorithm"),
    "HS512 of the true key": (forged(header={**HEADER, "alg": "HS512"}, digest="sha512"), "algorithm"),
    "HS384 of the true key": (forged(header={**HEADER, "alg": "HS384"}, digest="sha384"), "algorithm"),
    "HS512 under the name of HS256": (forged(digest="sha512"), "signature"),
    "RS256": (headed(alg="RS256"), "algorithm"),
    "ES256": (headed(alg="ES256"), "algorithm"),
    "PS256": (headed(alg="PS256"), "algorithm"),
    "EdDSA": (headed(alg="EdDSA"), "algorithm"),
    "a public key as the secret": (rsa_text(), "signature"),
    "another key under this kid": (forged(key=OTHER), "signature"),
    "an empty key": (forged(key=b""), "signature"),
    "the kid as the key": (forged(key=KID.encode()), "signature"),
    "typ JWT": (headed(typ="JWT"), "type"),
    "typ missing": (headed(typ=...), "type"),
    "typ other case": (headed(typ="AT+JWT"), "type"),
    "typ list": (headed(typ=["at+jwt"]), "type"),
    "kid unknown": (headed(kid="0" * 16), "key id"),
    "kid missing": (headed(kid=...), "key id"),
    "kid a path": (headed(kid="../../../dev/null"), "key id"),
    "kid SQL": (headed(kid="' OR 1=1 --"), "key id"),
    "kid number": (headed(kid=1), "malformed"),
    "kid list": (headed(kid=[KID]), "malformed"),
    "kid null": (headed(kid=None), "malformed"),
    "a key of its own": (headed(jwk={"kty": "oct", "k": segment(OTHER)}), "header"),
    "a key from elsewhere": (headed(jku="https://example.org/jwks.json"), "header"),
    "a certificate from elsewhere": (headed(x5u="https://example.org/x.pem"), "header"),
    "an extension that must be known": (headed(crit=["exp"], exp=1), "malformed"),
    "crit empty": (headed(crit=[]), "malformed"),
    "a payload elsewhere": (headed(crit=["b64"], b64=False), "malformed"),
    "compressed": (headed(zip="DEF"), "header"),
    "issuer of another": (forged(iss="another"), "issuer"),
    "issuer list": (forged(iss=["crypto-dt-source"]), "issuer"),
    "audience of another": (forged(aud="another"), "audience"),
    "audience list": (forged(aud=["crypto-dt-source-api"]), "audience"),
    "audience among others": (forged(aud=["crypto-dt-source-api", "another"]), "audience"),
    "audience part": (forged(aud="crypto-dt-source-api "), "audience"),
    "expired": (forged(exp=NOW - 1), "expired"),
    "expires now": (forged(exp=NOW), "expired"),
    "expires at the beginning": (forged(exp=0), "expired"),
    "issued too far ahead": (forged(iat=NOW + 61), "not yet"),
    "begins too far ahead": (forged(nbf=NOW + 61), "not yet"),
    "begins in a year": (forged(nbf=NOW + 31_536_000, exp=NOW + 40_000_000), "not yet"),
    "tier unknown": (forged(tier="gold"), "tier or scope"),
    "tier other case": (forged(tier="PRO"), "tier or scope"),
    "tier list": (forged(tier=["enterprise"]), "claims"),
    "scope unknown": (forged(scope="read root"), "tier or scope"),
    "scope empty": (forged(scope=""), "tier or scope"),
    "scope two spaces": (forged(scope="read  admin"), "tier or scope"),
    "scope list": (forged(scope=["read"]), "claims"),
    "scope tab": (forged(scope="read\tadmin"), "tier or scope"),
    "sub number": (forged(sub=1), "claims"),
    "sub another form": (forged(sub="key_0123456789A"), "claims"),
    "sub line end": (forged(sub="key_0123456789Ab\n"), "claims"),
    "sub wide digits": (forged(sub="key_" + "０" * 12), "claims"),
    "sub half a pair": (forged(sub="\ud800"), "claims"),
    "jti empty": (forged(jti=""), "claims"),
    "jti long": (forged(jti="a" * 65), "claims"),
    "jti control": (forged(jti="\x1b[31m" + "a" * 20), "claims"),
    "jti number": (forged(jti=12345678901234567), "claims"),
    "no claims": (forged({}), "issuer"),
    "claims list": (forged([]), "malformed"),
    "claims null": (forged(b"null"), "malformed"),
    "claims text": (forged("text"), "malformed"),
    "claims no JSON": (forged(b"{"), "malformed"),
    "claims no UTF-8": (forged(b"\xff\xfe{"), "malformed"),
    "claims nested": (forged(DEEP), "malformed"),
    "header nested": (forged({}, DEEP), "malformed"),
    "header list": (forged(header=[]), "malformed"),
    "header no JSON": (forged(header=b"{alg:HS256}"), "malformed"),
    "header no UTF-8": (forged(header=b"\xff\xfe"), "malformed"),
    "four parts": (forged() + ".AAAA", "malformed"),
    "five parts": ("a.b.c.d.e", "malformed"),
    "two parts": (forged().rpartition(".")[0], "malformed"),
    "empty": ("", "malformed"),
    "dots": ("..", "malformed"),
    "scheme": ("Bearer " + forged(), "malformed"),
    "padded": (forged() + "=", "malformed"),
    "line end": (forged() + "\n", "malformed"),
    "space": (forged() + " ", "malformed"),
    "zero": (forged() + "\0", "malformed"),
    "other alphabet": (forged().replace("_", "/").replace("-", "+") + "+", "malformed"),
    "no ASCII": ("é.é.é", "malformed"),
    "wide digits": ("０.０.０", "malformed"),
    "half a pair": ("\ud800.\ud800.\ud800", "malformed"),
    "oversized": (forged(more="x" * 4000), "oversized"),
    "megabytes": ("a" * 10_000_000, "oversized"),
    "megabytes of dots": ("." * 10_000_000, "oversized"),
    "oversized, no ASCII": ("é" * 5000, "oversized"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(attack: str, capsys: pytest.CaptureFixture[str]) -> None:
    token, reason = ATTACKS[attack]
    capsys.readouterr()
    refused(tokens(KEY, OTHER), token)
    told = capsys.readouterr().err
    assert told.count("token refused") == 1
    assert re.search(rf"reason='?{reason}'?\s", told), told
    assert all(part not in told for part in token[:MAX_LENGTH].split(".") if len(part) > 8)
    assert "another" not in told


TIMES = ("1700000000", 1.7e9, True, None, [], {}, -1, 10**30, 253_402_300_800, float("nan"), float("inf"))


@pytest.mark.parametrize("value", TIMES, ids=repr)
@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
def test_a_time_is_a_whole_number_of_seconds(claim: str, value: object) -> None:
    refused(tokens(), forged(**{claim: value}))


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_claim_may_be_missing_or_null(claim: str) -> None:
    refused(tokens(), without(claim))
    refused(tokens(), forged(**{claim: None}))


def test_every_change_of_one_character_shows() -> None:
    telemetry.configure("WARNING")
    reader = tokens()
    token = forged()
    assert reader.read(token)
    for place in range(len(token)):
        for other in (DIGITS[(DIGITS.find(token[place]) + 1) % 64], ".", "="):
            if other != token[place]:
                refused(reader, token[:place] + other + token[place + 1 :])
        refused(reader, token[:place] + token[place + 1 :])


def test_a_token_has_one_spelling() -> None:
    reader = tokens()
    token = forged()
    read = [last for last in DIGITS if not raises(lambda last=last: reader.read(token[:-1] + last))]
    assert read == [token[-1]]


def raises(call: Callable[[], object]) -> bool:
    try:
        call()
    except Unauthenticated:
        return True
    return False


def test_nothing_oversized_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tokens()
    full = forged(more="x" * 2000)
    full = forged(more="x" * (2000 + (MAX_LENGTH - len(full)) * 3 // 4))
    assert MAX_LENGTH - 4 <= len(full) <= MAX_LENGTH
    assert reader.read(full)

    def parsed(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(jwt.PyJWS, "get_unverified_header", parsed)
    monkeypatch.setattr(jwt.PyJWS, "decode", parsed)
    refused(reader, "a" * 2000 + "." + "b" * 2000 + "." + "c" * 95)
    with pytest.raises(AssertionError, match="parsed"):
        reader.read("a" * 2000 + "." + "b" * 2000 + "." + "c" * 94)


def test_claims_are_not_looked_at_before_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("looked at")

    monkeypatch.setattr(Tokens, "_claims", looked)
    refused(tokens(), forged(key=OTHER))
    refused(tokens(), forged(b"{", key=OTHER))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PART = st.text(DIGITS, max_size=40) | st.binary(max_size=40).map(segment) | JSON.map(segment)


@given(st.text() | st.builds(".".join, st.lists(PART, min_size=1, max_size=5)))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    telemetry.configure("WARNING")
    refused(tokens(), text)


@given(st.dictionaries(st.sampled_from([*HEADER, "crit", "b64", "jwk", "cty"]), JSON), st.binary(max_size=20))
def test_any_header_is_refused_and_nothing_else_happens(changes: dict[str, object], signature: bytes) -> None:
    telemetry.configure("WARNING")
    refused(tokens(), f"{segment({**HEADER, **changes})}.{segment(CLAIMS)}.{segment(signature)}")


@given(st.dictionaries(st.sampled_from([*CLAIMS, "more"]), JSON))
def test_any_claims_under_a_true_signature_are_read_or_refused(changes: dict[str, object]) -> None:
    telemetry.configure("WARNING")
    try:
        claims = tokens().read(forged(**changes))
    except Unauthenticated:
        refused(tokens(), forged(**changes))
    else:
        assert claims.tier in ("free", "pro", "enterprise")
        assert claims.scopes
        assert claims.scopes <= {"read", "admin"}
        assert claims.issued_ms <= (NOW + 60) * 1000
        assert claims.expires_ms > NOW * 1000
