"""Which outside addresses may be called at all.

Catalogue entries are https by schema. The operator may point a provider anywhere, a local address included
(`CDTS_BASE_URL__…`), so here only what can never be right is refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ..model.errors import AddressRefused


def check_base_url(url: str, *, whole: bool = False) -> str:
    """The URL without a trailing slash; `whole`: as it is, a query included, for a feed whose address it is to the last
    character. Raises AddressRefused unless it is plain http(s) with a host and nothing else that could smuggle a
    credential or a query."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise AddressRefused("the address is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("the address must be http:// or https:// with a host")
    if parts.username or parts.password:
        raise AddressRefused("the address must not carry a user name or password")
    if parts.fragment or (parts.query and not whole):
        raise AddressRefused("the address must not carry a query or a fragment")
    return url if whole else url.rstrip("/")
