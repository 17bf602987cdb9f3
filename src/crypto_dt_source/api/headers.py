"""What every answer tells a browser to leave alone.

An answer that names no content security policy of its own gets the strictest: JSON that a browser is made to show as a
page loads nothing and stands in no frame. Pages name theirs, also who may frame them. `X-Frame-Options` is not sent: the
dashboard is shown inside pages of other domains, and the policy says the same where it is wanted.

`Strict-Transport-Security` is not sent: this server ends no TLS, and the promise would bind its host name, every other
port and service of it included, beyond the life of this one. Who ends TLS in front sends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Header = tuple[bytes, bytes]
_ENTITY_TAG = re.compile(rb'"[^"]*"|\*')
POLICY_NAME = b"content-security-policy"
POLICY: Header = (POLICY_NAME, b"default-src 'none'; frame-ancestors 'none'")
SECURITY_HEADERS: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


def secured(headers: Iterable[Header]) -> list[Header]:
    """The headers of an answer and those that every answer has."""
    made = [*headers, *SECURITY_HEADERS]
    if not any(name == POLICY_NAME for name, _ in made):
        made.append(POLICY)
    return made


def joined(headers: list[Header], fields: Iterable[Header]) -> list[Header]:
    """The limiter's fields beside the answer's; of a Retry-After in both the answer's own stays."""
    waits = any(name == b"retry-after" for name, _ in headers)
    return [*headers, *(field for field in fields if not (waits and field[0] == b"retry-after"))]


def without_length(headers: Iterable[Header]) -> list[Header]:
    """The headers of an answer without a body."""
    return [h for h in headers if h[0] not in (b"content-length", b"content-type")]


def etag_matches(asked: Iterable[Header], etag: bytes) -> bool:
    """Whether If-None-Match names this entity tag: a list, `*`, and weak tags, which match the strong one of the same
    text (https://www.rfc-editor.org/rfc/rfc9110#field.if-none-match)."""
    named = b",".join(value for name, value in asked if name == b"if-none-match")
    return any(tag in (etag, b"*") for tag in _ENTITY_TAG.findall(named))
