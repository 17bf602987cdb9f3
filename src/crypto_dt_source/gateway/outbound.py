"""The guard for every address that a caller or a document supplies.

An address passes in two steps. :func:`check_url` reads it without asking anybody: scheme, port, host and literal
address. :class:`Outbound` then resolves the name once, checks every address it has, and connects to one of those
and to nothing else; each redirect starts again at the first step. The operator's own settings are another matter
(`guard.check_base_url`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from ..clock import Clock
from ..model.errors import AddressRefused, BodyTooLarge, UpstreamTimeout, UpstreamUnreachable
from .outbound_url import PORTS, Public, Target, check_redirect, check_url, is_public
from .transport import USER_AGENT

__all__ = [
    "PORTS",
    "Outbound",
    "OutboundReply",
    "Public",
    "Resolve",
    "Target",
    "check_redirect",
    "check_url",
    "is_public",
]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host in ASCII and port to every address of that host, as text. Raises OSError where the name does not resolve."""

MAX_REDIRECTS = 5
TIMEOUT_S = 10.0
"""For the whole of one `get`: waiting for a slot, resolving, every redirect, the body."""
RESOLVE_TIMEOUT_S = 4.0
CONNECT_TIMEOUT_S = 3.0
MAX_BYTES = 2 * 1024 * 1024
"""Of a body, as sent and again as unpacked."""
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100
MAX_GZIP_MEMBERS = 16
AT_ONCE = 16
LOOKUPS_AT_ONCE = 4
TRIED_PER_FAMILY = 2
KEPT_HEADERS = ("content-type", "etag", "last-modified", "date", "retry-after")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SENT_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "application/json, application/xml;q=0.9, text/*;q=0.8, */*;q=0.1",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class OutboundReply:
    """`url` is the last one asked, `headers` the few of KEPT_HEADERS that came (names in lower case), `body` unpacked,
    `address` the one connected to, `received_ms` milliseconds UTC."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str
    received_ms: int


class _Pinned(AbstractResolver):
    """Knows one host and its vetted addresses; nothing else can be resolved or connected to through it."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses
        self.tried = ""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host != self._host:
            raise OSError("another host than the vetted one")
        return [
            ResolveResult(hostname=host, host=text, port=port, family=family, proto=0, flags=0)
            for text in self._addresses
        ]

    def socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """aiohttp asks no resolver about a literal, so the address is compared here too, right before connecting."""
        family, kind, protocol, _, place = info
        if place[0] not in self._addresses:
            raise OSError("another address than the vetted ones")
        self.tried = str(place[0])
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Holds nothing open."""


class Outbound:
    """Gets documents from addresses that others supply. GET only; no cookies, no credentials, no proxy; a connection
    serves one request and is not kept. `close` must be called."""

    def __init__(
        self,
        clock: Clock,
        *,
        resolve: Resolve | None = None,
        public: Public = is_public,
        ports: frozenset[int] = PORTS,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`resolve`: the system's resolver where None. `public`: which addresses may be connected to. `tls`: trust
        other than the system's; it should verify host names as the default does."""
        self._clock = clock
        self._resolve = resolve or self._look_up
        self._public = public
        self._ports = ports
        self._tls = tls
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._slots = asyncio.Semaphore(AT_ONCE)
        # Threads of its own: a name server that hangs must not take those that other upstreams are resolved on.
        self._lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="outbound-dns")
        self._closed = False

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> OutboundReply:
        """The document at `url` after at most MAX_REDIRECTS redirects, whatever its status. `headers` go to every server on
        the way: no secret belongs into them.

        Raises AddressRefused (also for a redirect), UpstreamTimeout, UpstreamUnreachable or BodyTooLarge, never
        anything else. No message repeats the URL or an address.
        """
        target = check_url(url, public=self._public, ports=self._ports)
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                for _ in range(MAX_REDIRECTS + 1):
                    reply, location = await self._ask(target, headers or {})
                    if location is None:
                        return reply
                    target = check_redirect(target, location, public=self._public, ports=self._ports)
        except TimeoutError:
            raise UpstreamTimeout("no complete answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamUnreachable(f"the connection failed: {type(error).__name__}") from None
        raise AddressRefused(f"more than {MAX_REDIRECTS} redirects")

    def moved(self, url: str, location: str) -> str:
        """Where a redirect of `url`, which somebody else asked, leads. Raises AddressRefused unless `get` may ask both."""
        current = check_url(url, public=self._public, ports=self._ports)
        return check_redirect(current, location, public=self._public, ports=self._ports).url

    async def close(self) -> None:
        """No request begins after this; those under way end by themselves within their time."""
        self._closed = True
        self._lookups.shutdown(wait=False)
        for _ in range(3):
            # aiohttp closes its sockets on the next turns of the loop.
            await self._clock.sleep(0)

    async def _ask(self, target: Target, headers: Mapping[str, str]) -> tuple[OutboundReply, str | None]:
        """One request: the reply and, where it redirects, its `Location`."""
        if self._closed:
            raise UpstreamUnreachable("the service is stopping")
        pinned = _Pinned(target.host, await self._vetted(target))
        connector = aiohttp.TCPConnector(
            resolver=pinned,
            socket_factory=pinned.socket,
            use_dns_cache=False,
            force_close=True,
            # One after the other, so that the last one tried is the one connected to.
            happy_eyeballs_delay=None,
            ssl=self._tls or True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers=SENT_HEADERS,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                max_headers=MAX_HEADERS,
            ) as session,
            session.get(
                yarl.URL(target.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            ) as response,
        ):
            location = response.headers.get("Location") if response.status in REDIRECTS else None
            body = b"" if location is not None else await _read(response, self._max_bytes)
            kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            now_ms = self._clock.now_ms()
            return OutboundReply(target.url, response.status, kept, body, pinned.tried, now_ms), location

    async def _vetted(self, target: Target) -> list[str]:
        """Addresses to connect to. All that the name has are checked; a few are tried, version 4 first."""
        if target.address is not None:
            return [str(target.address)]
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            texts = await self._resolve(target.host, target.port)
        try:
            addresses = [ip_address(text) for text in dict.fromkeys(texts)]
        except ValueError:
            raise AddressRefused("the name leads to what is not an address") from None
        if not addresses:
            raise UpstreamUnreachable("the name has no address")
        if not all(self._public(address) for address in addresses):
            raise AddressRefused("the name leads to an address that is not public")
        four = [str(address) for address in addresses if address.version == 4]
        six = [str(address) for address in addresses if address.version == 6]
        return four[:TRIED_PER_FAMILY] + six[:TRIED_PER_FAMILY]

    async def _look_up(self, host: str, port: int) -> list[str]:
        # The dot at the end keeps the machine's search domains out: `a.b` must not become `a.b.cluster.local`.
        found = await asyncio.get_running_loop().run_in_executor(
            self._lookups, lambda: socket.getaddrinfo(f"{host}.", port, type=socket.SOCK_STREAM)
        )
        return [str(place[0]) for *_, place in found]


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    coding = ",".join(response.headers.getall("Content-Encoding", ())).strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise UpstreamUnreachable("the body is encoded in a way that was not asked for")
    if (response.content_length or 0) > limit:
        raise BodyTooLarge("the answer announces more than is allowed")
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > limit:
            raise BodyTooLarge(f"the answer is larger than {limit} bytes")
    return _unpacked(bytes(body), limit) if "gzip" in coding and body else bytes(body)


def _unpacked(packed: bytes, limit: int) -> bytes:
    """The gzip members (RFC 1952) one after the other, never more than `limit` bytes and one of them in memory."""
    plain = b""
    for _ in range(MAX_GZIP_MEMBERS):
        inflate = zlib.decompressobj(wbits=31)
        try:
            plain += inflate.decompress(packed, limit + 1 - len(plain))
        except zlib.error:
            raise UpstreamUnreachable("the body is not what its encoding says") from None
        if len(plain) > limit:
            raise BodyTooLarge(f"the answer unpacks to more than {limit} bytes")
        if not inflate.eof:
            raise UpstreamUnreachable("the body ends too early")
        packed = inflate.unused_data
        if not packed:
            return plain
    raise UpstreamUnreachable("the body has too many parts")
