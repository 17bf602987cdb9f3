"""Where the service is, and how a key or a token is shown to it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_TEXT = re.compile(r"[!-~]{1,8192}")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
"""A JWT; no API key looks like one."""


def headers_of(key: str) -> dict[str, str]:
    """The headers that go with every request: none for an empty key. The service takes a token as a bearer alone. Raises
    ValueError, without the text, for what cannot be either."""
    if not key:
        return {}
    if not _TEXT.fullmatch(key):
        raise ValueError("a key is 1 to 8192 printable ASCII characters without blanks")
    return {"Authorization": f"Bearer {key}"} if _TOKEN.fullmatch(key) else {"X-API-Key": key}


def base_of(url: str) -> str:
    """The address without a slash at its end. Raises ValueError, without the text, unless it is http(s) with a host and
    nothing secret in it: addresses are shown and logged."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the address is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address must be http:// or https:// with a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the address must not carry a user, a password, a query or a fragment")
    return url.rstrip("/")
