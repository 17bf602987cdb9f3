"""Whose address a request counts for, where proxies stand in front of the service.

Every proxy appends to `X-Forwarded-For` the address it was spoken to from, so what the operator's own proxies wrote is
at the right end and everything left of it is the client's own text. Only the number of those proxies
(`TRUSTED_PROXY_HOPS`) tells the two apart; names and addresses of proxies are not asked for. RFC 7239's `Forwarded` is
not read: a proxy that writes one of the two headers passes the other on as the client sent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

UNKNOWN = "unknown"
"""Stands for a peer without an address, such as one on a Unix socket; all of these are one client."""
ENTRY_CHARS = 96
"""No longer text is an address; the longest, bracketed with a zone and a port, is shorter."""
_NAT64 = IPv6Network("64:ff9b::/96")
_GROUP_BITS = 64


def client_address(peer: str, forwarded: Sequence[str], hops: int) -> str:
    """The client's address, canonical and without port, brackets and zone; IPv4 inside IPv6 is given as IPv4.

    `peer` is who the connection is from, `forwarded` the values of the `X-Forwarded-For` lines in their order, `hops`
    the number of trusted proxies. With 0 the header is ignored; with n the n-th address from the right counts, the one
    that the outermost trusted proxy saw. A chain shorter than that, or another text in that place, gives the peer;
    a peer that is no address gives `unknown`. Never raises, and looks at no more text than `hops` addresses need.
    """
    if hops > 0 and forwarded:
        entry = _from_right(forwarded, hops)
        address = _canonical(entry) if entry else None
        if address is not None:
            return address
    return (_canonical(peer) if len(peer) <= ENTRY_CHARS else None) or UNKNOWN


def bucket_of(address: str) -> str:
    """What the requests of an address are counted by: an IPv4 address itself, an IPv6 address its /64, which is the
    least that one customer gets (RFC 6177). Other text is `unknown`."""
    return _bucket(address) if len(address) <= ENTRY_CHARS else UNKNOWN


def _from_right(forwarded: Sequence[str], hops: int) -> str | None:
    """The `hops`-th entry from the right, None where there is none or it is too long for an address. An empty entry
    counts: skipped, it would make room for one that the client wrote."""
    left = hops
    for value in reversed(forwarded):
        end = len(value)
        while True:
            # Bounded on the left: a header of a megabyte costs what its last entries cost.
            comma = value.rfind(",", max(0, end - ENTRY_CHARS), end)
            left -= 1
            if left == 0:
                entry = value[max(0, comma + 1, end - ENTRY_CHARS) : end]
                return entry if comma >= 0 or end <= ENTRY_CHARS else None
            if comma < 0:
                if end > ENTRY_CHARS:
                    return None
                break
            end = comma
    return None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    address = _parsed(text)
    return None if address is None else str(address)


@lru_cache(maxsize=4096)
def _bucket(text: str) -> str:
    address = _parsed(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> _GROUP_BITS << _GROUP_BITS, _GROUP_BITS)))


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip(" \t")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    text = text.partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        # A translator in front of an IPv6-only service shows the whole IPv4 internet inside one /96.
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
