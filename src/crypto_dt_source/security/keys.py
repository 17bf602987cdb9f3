"""API keys: how one is made, told from a typing mistake, stored and compared.

A key is `cdts_live_` + 43 base62 digits of 256 random bits + 6 base62 digits of the CRC-32 of all before. The checksum
tells a typing mistake from a wrong key without the database, and lets a secret scanner be sure of a find; it protects
nothing. The idea of a fixed prefix and a checksum is GitHub's:
https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Any, Literal, NoReturn

from ..clock import rfc3339
from ..model.access import ApiKey as ApiKey
from ..model.errors import InvalidParameter
from ..telemetry import mask
from .tiers import NAMES, SCOPES

PREFIX = "cdts_live_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = len(PREFIX) + 43 + 6
ID = re.compile(r"key_[0-9A-Za-z]{12}")
"""The public id of a key."""
MAX_NAME = 100
MAX_ORIGINS = 20
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, beyond which RFC 3339 has no text."""

_DIGITS = re.compile(rf"{PREFIX}[0-9A-Za-z]{{49}}")
_ORIGIN = re.compile(r"(https?)://([a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_IMPLIED_PORT = {"http": 80, "https": 443}
_SHOWN = 100


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), 6)


def new_key() -> str:
    """A new key: 256 bits from the system's source of randomness."""
    text = PREFIX + _base62(secrets.randbits(256), 43)
    return text + _checksum(text)


def well_formed(text: str) -> bool:
    """Whether this can be a key at all: prefix, length, alphabet, checksum. Says nothing about whether it is known.

    Never raises, whatever the text; the work does not grow with its length.
    """
    return len(text) == LENGTH and _DIGITS.fullmatch(text) is not None and _checksum(text[:-6]) == text[-6:]


def prefix_of(key: str) -> str:
    """The start that may be shown and logged: `cdts_live_`, six digits, an ellipsis. 220 bits stay unsaid.

    Of anything that is not a well formed key only the ellipsis: it may be another service's secret.
    """
    return f"{key[: len(PREFIX) + 6]}…" if well_formed(key) else "…"


def fingerprint(key: str, salt: bytes) -> str:
    """HMAC-SHA-256 of the key under `salt`, 64 hex digits: what is stored, and looked up by index.

    One fast hash is enough, because what is hashed is 256 random bits and no password. Raises ValueError for an empty
    salt, under which a stolen database could be searched for a known key.
    """
    if not salt:
        raise ValueError("a salt of at least one byte")
    return hmac.digest(salt, _bytes(key), hashlib.sha256).hex()


def same(a: str, b: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(_bytes(a), _bytes(b))


def _bytes(text: str) -> bytes:
    # A JSON body may hold half a surrogate pair, which strict UTF-8 refuses with an error of its own.
    return text.encode(errors="surrogatepass")


def usable(key: ApiKey, now_ms: int) -> Literal["revoked", "expired"] | None:
    """Why the key may not be used at `now_ms`, None when it may.

    A revoked key stays so whatever the clock says; one that expires is expired from that millisecond on.
    """
    if key.revoked_ms is not None:
        return "revoked"
    if key.expires_ms is not None and now_ms >= key.expires_ms:
        return "expired"
    return None


def new_record(
    name: str,
    tier: str,
    scopes: Iterable[str],
    *,
    salt: bytes,
    now_ms: int,
    expires_ms: int | None = None,
    origins: Iterable[str] = (),
    secret: str | None = None,
) -> tuple[str, ApiKey]:
    """A key to show once, and the record to keep. `secret` is a key the operator brings; a new one is made without it.

    Origins are kept as a browser sends them: lower case, without the port its scheme implies, each once. Raises
    InvalidParameter for a name that is not 1 to 100 printable characters, a tier or scope that does not exist, no
    scope, an expiry that is not ahead, and an origin that is not http(s)://host[:port].
    """
    held = new_key() if secret is None else secret
    return held, ApiKey(
        id="key_" + "".join(secrets.choice(ALPHABET) for _ in range(12)),
        name=_name(name),
        prefix=prefix_of(held),
        fingerprint=fingerprint(held, salt),
        tier=_tier(tier),
        scopes=_scopes(scopes),
        created_ms=now_ms,
        expires_ms=_expiry(expires_ms, now_ms),
        origins=_origins(origins),
    )


def _refuse(parameter: str, got: Any, allowed: str | list[str]) -> NoReturn:
    if isinstance(got, str):
        got = got[:_SHOWN].encode(errors="replace").decode()
    words = ", ".join(allowed) if isinstance(allowed, list) else allowed
    raise InvalidParameter(
        f"{parameter}: must be {words}.", details={"parameter": parameter, "got": got, "allowed": allowed}
    )


def _name(name: str) -> str:
    stripped = name.strip()
    if not (0 < len(stripped) <= MAX_NAME and stripped.isprintable()):
        _refuse("name", name, f"1 to {MAX_NAME} printable characters")
    if mask(stripped) != stripped:
        _refuse("name", "…", "a name, not a key or a token: names are stored and shown")
    return stripped


def _tier(tier: str) -> str:
    if tier not in NAMES:
        _refuse("tier", tier, list(NAMES))
    return tier


def _scopes(scopes: Iterable[str]) -> frozenset[str]:
    given = frozenset(scopes)
    for scope in sorted(given.difference(SCOPES)):
        _refuse("scopes", scope, list(SCOPES))
    if not given:
        _refuse("scopes", [], list(SCOPES))
    return given


def _expiry(expires_ms: int | None, now_ms: int) -> int | None:
    if expires_ms is not None and not now_ms < expires_ms <= LATEST_MS:
        got = rfc3339(expires_ms) if 0 <= expires_ms <= LATEST_MS else expires_ms
        _refuse("expires", got, "a time ahead, up to the year 9999")
    return expires_ms


def _origins(origins: Iterable[str]) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(origin(text) for text in origins))
    if len(given) > MAX_ORIGINS:
        _refuse("origins", len(given), f"at most {MAX_ORIGINS} origins")
    return given


def origin(text: str) -> str:
    """The ASCII serialisation of an origin (https://www.rfc-editor.org/rfc/rfc6454#section-6.2). Raises InvalidParameter
    for what is none."""
    # Lowering is for ASCII alone: it turns the Kelvin sign into a k.
    match = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    host = _host(match[2]) if match else None
    if match is None or host is None or not 0 < int(match[3] or 1) <= 65_535:
        _refuse(
            "origins", text, "http:// or https://, a host name (IDN as xn--…) and perhaps a :port, no path"
        )
    scheme, port = match[1], int(match[3] or 0)
    return f"{scheme}://{host}" + (f":{port}" if port and port != _IMPLIED_PORT[scheme] else "")


def _host(text: str) -> str | None:
    if text.startswith("["):
        try:
            return f"[{IPv6Address(text[1:-1]).compressed}]"
        except ValueError:
            return None
    return text if all(_LABEL.fullmatch(label) for label in text.split(".")) else None
