"""Web addresses that came from outside: made absolute, and brought to the one form that says they are the same page.

The form follows RFC 3986 section 6 (https://www.rfc-editor.org/rfc/rfc3986#section-6), the host UTS 46.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

from .text import LINK_LIMIT, link

HOST_LIMIT = 253

TRACKING_PREFIXES = ("utm_", "mc_", "pk_", "mtm_", "hsa_", "_hs", "vero_", "oly_", "ns_")
TRACKING = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid twclid ttclid yclid ysclid li_fat_id igsh igshid epik "
    "ref ref_src ref_url referrer cmp cmpid ncid icid ocid spm mkt_tok wickedid guccounter guce_referrer "
    "guce_referrer_sig soc_src soc_trk tsrc _ga _gl __twitter_impression __s sref amp outputtype rss".split()
)
"""Names of query parameters that say where a reader came from or how the page is shown, never which page it is."""

_UNSAFE = re.compile(r"[\s\"'<>`{}|^]")
_STRIPPED = re.compile(r"[\t\r\n]")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})|%")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# `/amp` after a story's slug is that story; after a plain word it may be the coin of that ticker.
_AMP = re.compile(r"(/[^/]*-[^/]*)/amp/?$", re.IGNORECASE)


def absolute(text: str | None, base: str | None) -> str | None:
    """The http(s) address of a link as a feed wrote it, relative to `base`; None for any other scheme, for what is no
    address and for one longer than LINK_LIMIT. Blanks and quotes in it are percent-encoded, as a browser would."""
    address = _STRIPPED.sub("", (text or "")[: 2 * LINK_LIMIT]).strip()
    if not address or "\\" in address:
        return None
    try:
        if not address.lower().startswith(("http://", "https://")):
            if base is None and not address.startswith("//"):
                return None
            address = urljoin(base or "https:", address)
        address = _UNSAFE.sub(lambda mark: quote(mark[0], safe=""), address)
        return link(address) if urlsplit(address).hostname else None
    except (ValueError, UnicodeError):
        return None


def canonical_url(url: str) -> str | None:
    """The address by which a page is known to be the same one again, None for what is no public web address.

    Scheme https (a page that is served by both is one page), host in lower case and ASCII, no default port, no
    fragment, no tracking parameters (the others keep their order), no dot segments, no `/amp` behind a slug, no slash
    at the end of a path, percent-encoding in upper case and only where needed. An address with a user name is refused:
    it shows another host than it leads to. Giving it its own result changes nothing.
    """
    address = absolute(url, None)
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
        host = _host(parts.hostname or "")
        if host is None or "@" in parts.netloc:
            return None
        default = port is None or port == {"http": 80, "https": 443}[parts.scheme]
        path, query = _path(parts.path), _query(parts.query)
    except (ValueError, UnicodeError):
        return None
    result = f"https://{host}{'' if default else f':{port}'}{path}{f'?{query}' if query else ''}"
    return result if len(result) <= LINK_LIMIT else None


def _host(name: str) -> str | None:
    host = name.rstrip(".")
    if not host.isascii():
        if len(host) > HOST_LIMIT:
            return None
        try:
            host = idna.encode(host, uts46=True).decode("ascii").rstrip(".")
        except idna.IDNAError:
            return None
    host = host.lower()
    return host if len(host) <= HOST_LIMIT and _HOST.fullmatch(host) else None


def _path(text: str) -> str:
    kept: list[str] = []
    for segment in _normal(text, "/:@!$&'()*+,;=").split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    path = "/" + "/".join(kept).strip("/")
    while (shorter := _AMP.sub(r"\1", path)) != path:
        path = shorter
    return path


def _query(text: str) -> str:
    return "&".join(
        _normal(piece, "/:@!$'()*+,;=?")
        for piece in text.split("&")
        if piece and not _tracks(unquote(piece.partition("=")[0]).lower())
    )


def _tracks(name: str) -> bool:
    return name in TRACKING or name.startswith(TRACKING_PREFIXES)


def _normal(text: str, safe: str) -> str:
    """Escapes of unreserved characters undone, the others in upper case; everything not allowed as it is, escaped."""

    def escape(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else f"%{match[1].upper()}"

    return quote(_ESCAPED.sub(escape, text), safe=f"{safe}%~")
