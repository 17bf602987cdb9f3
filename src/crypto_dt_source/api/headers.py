"""What every answer tells a browser to leave alone.

An answer that names no content security policy of its own gets the strictest: JSON that a browser is made to show as a
page loads nothing and stands in no frame. Pages name theirs, also who may frame them. `X-Frame-Options` is not sent: the
dashboard is shown inside pages of other domains, and the policy says the same where it is wanted.

`Strict-Transport-Security` is not sent: this server ends no TLS, and the promise would bind its host name, every other
port and service of it included, beyond the life of this one. Who ends TLS in front sends it.
"""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]
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
