"""Reading an address that a caller or a document supplies: what it asks for, and whether that may be asked at all.

Nothing here asks anybody. Reading follows RFC 3986 (https://www.rfc-editor.org/rfc/rfc3986#appendix-B) and is stricter
than a browser: what two readers could take for two hosts is refused, never repaired. Special addresses are those of
the IANA registries (https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from urllib.parse import quote, urljoin

import idna

from ..model.errors import AddressRefused

Address = IPv4Address | IPv6Address
Public = Callable[[Address], bool]

PORTS = frozenset({80, 443, 8080, 8443})
MAX_URL = 2048
"""Characters, as given and again with all that must be percent-encoded."""
MAX_HOST = 253

DENIED = tuple(
    ip_network(block)
    for block in (
        # Version 4: this network, private, carrier-grade NAT, loopback, link-local with the metadata services.
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        # Protocol assignments (one cloud keeps its metadata there), documentation, AS112, AMT, 6to4 relays.
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        # Private, AS112, benchmarking, documentation, multicast, reserved with broadcast.
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        # A public address by every registry, and inside one cloud the host's own agent.
        "168.63.129.16/32",
        # Version 6 within 2000::/3: protocol assignments with Teredo, documentation, 6to4, AS112.
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that is given out of version 6. Loopback, mapped, compatible and translated version 4, NAT64, unique local,
link-local, site-local and multicast lie outside it."""
INSIDE = frozenset(
    "alt arpa corp home internal intranet invalid lan local localdomain localhost onion private test".split()
)
"""Last labels that never lead to a public host: special use (RFC 6761, 6762, 7686, 8375, 9476), kept for inside
networks (ICANN), or in common use there."""

# ASCII, or the long s would be an s.
_URL = re.compile(r"(https?)://([^/?#]+)([^?#]*)(\?[^#]+)?\??(?:#.*)?", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\[\]:]+))(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A last label that begins with a digit is a number to `inet_aton`, and 0x7f.1 is then an address.
_LAST_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KEPT_IN_PATH = "/:?#[]@!$&'()*+,;=%~"
# Of an interface identifier made from a version 4 address (RFC 5214, section 6.1), without its universal bit.
_ISATAP, _ISATAP_MASK = 0x0000_5EFE, 0xFDFF_FFFF


@dataclass(frozen=True, slots=True)
class Target:
    """An address as it will be asked for. `host` is ASCII in lower case, without brackets; `path` holds the query and
    begins with a slash; `address` is set where the host is a literal."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet. Tunnels and translations that carry a version 4 address
    (6to4, Teredo, ISATAP, NAT64, mapped) are not public whatever they carry."""
    if isinstance(address, IPv6Address) and (
        address.scope_id is not None
        or address not in GLOBAL_UNICAST
        or (int(address) >> 32) & _ISATAP_MASK == _ISATAP
    ):
        return False
    return address.is_global and not any(address in block for block in DENIED)


def check_url(url: str, *, public: Public = is_public, ports: frozenset[int] = PORTS) -> Target:
    """What the URL asks for, without asking anybody. Raises AddressRefused, and nothing else, for whatever is not
    plain http(s) to an allowed port of a public host name or public literal address. The message never repeats the
    URL, which may hold a secret."""
    _refuse_odd_characters(url)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise AddressRefused("the address must be http:// or https:// with a host")
    scheme, authority, path, query = parts[1].lower(), parts[2], parts[3], parts[4] or ""
    if "@" in authority:
        raise AddressRefused("the address must not carry a user name or password")
    if "%" in authority:
        raise AddressRefused("the host must not be percent-encoded and must have no zone")
    named = _AUTHORITY.fullmatch(authority)
    if named is None:
        raise AddressRefused("the address has no readable host and port")
    port = int(named[3]) if named[3] else _DEFAULT_PORTS[scheme]
    if port not in ports:
        raise AddressRefused("the port is not allowed")
    try:
        literal: Address | None = IPv6Address(named[1]) if named[1] else None
    except ValueError:
        raise AddressRefused("the address in brackets is not of IP version 6") from None
    host = str(literal) if literal else _host(named[2])
    if literal is None and host.rpartition(".")[2].isdigit():
        literal = _version_4(host, named[2])
    if literal is not None and not public(literal):
        raise AddressRefused("the address is not public")
    target = Target(scheme, host, port, quote((path or "/") + query, safe=_KEPT_IN_PATH), literal)
    if len(target.url) > MAX_URL:
        raise AddressRefused("the address is too long")
    return target


def check_redirect(
    current: Target, location: str, *, public: Public = is_public, ports: frozenset[int] = PORTS
) -> Target:
    """Where a `Location` leads from `current`, checked in full. Raises AddressRefused; also for https to http."""
    _refuse_odd_characters(location)
    try:
        joined = urljoin(current.url, location)
    except ValueError:
        raise AddressRefused("the redirect is not a URL") from None
    target = check_url(joined, public=public, ports=ports)
    if current.scheme == "https" and target.scheme != "https":
        raise AddressRefused("the redirect leaves https")
    return target


def _refuse_odd_characters(text: str) -> None:
    if not text or len(text) > MAX_URL:
        raise AddressRefused("the address is empty or too long")
    # Some readers drop tabs and line ends, some take a backslash for a slash: two hosts from one text.
    if "\\" in text or " " in text or not text.isprintable():
        raise AddressRefused("the address holds a blank, a control character or a backslash")


def _host(text: str) -> str:
    """In ASCII and lower case; it may still be a version 4 address."""
    host = text.lower()
    if len(host) > MAX_HOST:
        raise AddressRefused("the host is too long")
    try:
        if not host.isascii():
            host = idna.encode(host, uts46=True, std3_rules=True).decode("ascii").lower()
        elif "xn--" in host:
            idna.decode(host)
    except UnicodeError:
        raise AddressRefused("the host is not a valid international name") from None
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("the host is not a name")
    if labels[-1].isdigit():
        return host
    if len(labels) == 1 or labels[-1] in INSIDE or not _LAST_LABEL.fullmatch(labels[-1]):
        raise AddressRefused("the host is not a public name")
    return host


def _version_4(host: str, written: str) -> IPv4Address:
    """The address, of four plain decimal numbers only. Raises AddressRefused for octal, hexadecimal, short and
    whole-number forms and for digits of other scripts."""
    try:
        address = IPv4Address(host)
    except ValueError:
        raise AddressRefused("the host is a number that is not a plain IP address") from None
    if written != host:
        raise AddressRefused("the host is an IP address in disguise")
    return address
