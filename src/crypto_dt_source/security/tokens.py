"""Bearer tokens: JWT signed with HS256 and nothing else, after RFC 8725 (https://www.rfc-editor.org/rfc/rfc8725).

A token vouches for an API key for a while. That the key itself has not been revoked since is for the reader to look up
by `sub`: no token knows it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from jwt import InvalidSignatureError, PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm

from ..clock import Clock
from ..model.errors import Unauthenticated
from ..telemetry import logger
from .keys import ID, LATEST_MS, ApiKey, usable
from .tiers import NAMES, SCOPES

log = logger("tokens")

ALGORITHM = "HS256"
TYPE = "at+jwt"
"""RFC 9068, 2.1: an access token is of no other type, so that none made for another purpose passes for one."""
REFUSED = "The token is not valid or has expired; get a new one from POST /api/auth/token."
MAX_LENGTH = 4096
LEEWAY_S = 60
"""How far ahead the clock of the process that issued a token may be."""

# A `=` at the end would be a second spelling of the same token, as would other bits in its last digit, which PyJWT refuses.
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


class TokenClaims(NamedTuple):
    """What a valid token says. `sub` is the id of the API key it was issued for; times are milliseconds UTC."""

    sub: str
    tier: str
    scopes: frozenset[str]
    jti: str
    issued_ms: int
    expires_ms: int


class _Hs256(HMACAlgorithm):
    """HMAC-SHA-256 of whatever bytes the key is.

    PyJWT looks at each use whether the key is not a PEM, DER or JSON public key that a swapped algorithm turned into a
    shared secret. Here keys come from the operator alone and no other algorithm is there to swap with, so a random key
    must not be refused for its looks. How long a key has to be is for `secret_file.strength` to say, at the start.
    """

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)

    def prepare_key(self, key: str | bytes) -> bytes:
        return key if isinstance(key, bytes) else key.encode()

    def check_key_length(self, key: bytes) -> str | None:
        return None


class Tokens:
    """Issues and reads tokens. The first of `keys` signs, all of them verify, so that a key can be replaced in steps.

    `lifetime_s` is seconds. Raises ValueError for no key, an empty key, and a lifetime under a second.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        clock: Clock,
        *,
        issuer: str = "crypto-dt-source",
        audience: str = "crypto-dt-source-api",
        lifetime_s: int = 86_400,
    ) -> None:
        if not keys or not all(keys):
            raise ValueError("at least one key, none of them empty")
        if lifetime_s < 1:
            raise ValueError("a lifetime of at least one second")
        self._keys = {_key_id(key): key for key in keys}
        self._signing = _key_id(keys[0])
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._lifetime_s = lifetime_s
        self._jws = PyJWS(algorithms=[])
        self._jws.register_algorithm(ALGORITHM, _Hs256())

    def issue(self, key: ApiKey) -> tuple[str, int]:
        """A token for `key` and the whole seconds it is good for: the lifetime, or less where the key expires before.

        Raises Unauthenticated for a key that is revoked, expired, or expires within the second.
        """
        now_ms = self._clock.now_ms()
        why = usable(key, now_ms)
        if why is not None:
            _refuse(why)
        issued = now_ms // 1000
        expires = issued + self._lifetime_s
        if key.expires_ms is not None:
            expires = min(expires, key.expires_ms // 1000)
        if expires <= issued:
            _refuse("expired")
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": key.id,
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "jti": secrets.token_urlsafe(16),
            "tier": key.tier,
            "scope": " ".join(sorted(key.scopes)),
        }
        token = self._jws.encode(
            json.dumps(claims, separators=(",", ":")).encode(),
            self._keys[self._signing],
            algorithm=ALGORITHM,
            headers={"typ": TYPE, "kid": self._signing},
        )
        return token, expires - issued

    def read(self, token: str) -> TokenClaims:
        """What a valid token says. Raises Unauthenticated, with the one sentence REFUSED, for every other text.

        The signature is checked before anything in the token is believed, the header's `kid` excepted, which selects
        the key. Nothing longer than 4 KiB is looked at. Why a token was refused is in the log by class, the token not.
        """
        if len(token) > MAX_LENGTH:
            _refuse("oversized")
        if _SHAPE.fullmatch(token) is None:
            _refuse("malformed")
        return self._claims(self._verified(token))

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = self._jws.get_unverified_header(token)
            self._check_header(header)
            payload = self._jws.decode(token, self._keys[header["kid"]], algorithms=[ALGORITHM])
            claims = json.loads(payload)
        except InvalidSignatureError:
            _refuse("signature")
        except (PyJWTError, ValueError, RecursionError):
            _refuse("malformed")
        if not isinstance(claims, dict):
            _refuse("malformed")
        return claims

    def _check_header(self, header: dict[str, Any]) -> None:
        if header.get("alg") != ALGORITHM:
            _refuse("algorithm")
        if header.get("typ") != TYPE:
            _refuse("type")
        if header.get("kid") not in self._keys:
            _refuse("key id")
        # We write no other: `crit`, `b64`, `jwk`, `jku`, `x5u` and the like ask for what this service does not do.
        if len(header) != 3:
            _refuse("header")

    def _claims(self, claims: dict[str, Any]) -> TokenClaims:
        if claims.get("iss") != self._issuer:
            _refuse("issuer")
        # A list that also names another service is one that the other service could replay here.
        if claims.get("aud") != self._audience:
            _refuse("audience")
        issued, begins, expires = (_seconds(claims, name) for name in ("iat", "nbf", "exp"))
        now_ms = self._clock.now_ms()
        if max(issued, begins) * 1000 > now_ms + LEEWAY_S * 1000:
            _refuse("not yet")
        if now_ms >= expires * 1000:
            _refuse("expired")
        tier = _text(claims, "tier")
        scopes = _text(claims, "scope").split(" ")
        if tier not in NAMES or not all(scope in SCOPES for scope in scopes):
            _refuse("tier or scope")
        return TokenClaims(
            sub=_matching(claims, "sub", ID),
            tier=tier,
            scopes=frozenset(scopes),
            jti=_matching(claims, "jti", _TOKEN_ID),
            issued_ms=issued * 1000,
            expires_ms=expires * 1000,
        )


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _refuse(reason: str) -> NoReturn:
    log.info("token refused", reason=reason)
    raise Unauthenticated(REFUSED) from None


def _seconds(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # To Python `true` is a whole number, and 1.0 is equal to one.
    if type(value) is not int or not 0 <= value <= LATEST_MS // 1000:
        _refuse("claims")
    return value


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        _refuse("claims")
    return value


def _matching(claims: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = _text(claims, name)
    if form.fullmatch(value) is None:
        _refuse("claims")
    return value
