"""Addresses that must never be connected to: forms times targets, and those that no form makes.

`PORT` stands where the test's own listener has its port, so that a guard that lets one through is seen to connect.
`NAMES` is what the names in the table resolve to, for a resolver that a test answers for.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

PORT = "{port}"
GOOD = "feeds.example.com"
"""A name that leads to a public address."""
PUBLIC_4, PUBLIC_6 = "93.184.215.14", "2606:4700:4700::1111"
NO_ADDRESS = "not an address"

TARGETS = (
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",
)
EDGES_4 = (
    *("0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"),
    *("127.0.0.0", "127.255.255.255", "169.254.0.0", "169.254.170.2", "169.254.255.255"),
    *("172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.0.255", "192.0.2.0", "192.0.2.255"),
    *("192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.0", "203.0.113.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "192.31.196.1", "192.52.193.1", "192.175.48.1"),
)
PLAIN_6 = (
    *("::", "::1", "::2", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "100::1"),
    *("fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fdff:ffff::1", "fe80::1", "fe80::a9fe:a9fe"),
    *("febf::1", "fec0::1", "feff::1", "ff02::1", "ff05::2", "ff0e::1", "2001:db8::1", "2001:db8:ffff::1"),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2002::1", "3fff::1", "4000::1", "5f00::1"),
    *("64:ff9b::808:808", "64:ff9b:1::1", "2620:4f:8000::1"),
)


def forms(text: str) -> Iterator[str]:
    """Spellings of the host that some reader takes for this version 4 address."""
    yield from _numbers(text)
    yield from _scripts(text)
    yield from (f"[{address}]" for address in _tunnels(text))


def _numbers(text: str) -> Iterator[str]:
    a, b, c, d = (int(part) for part in text.split("."))
    whole = int(IPv4Address(text))
    yield text
    yield text + "."
    yield str(whole)
    yield str(whole + 2**32)
    yield f"{whole:#x}"
    yield f"0X{whole:X}"
    yield f"0x{whole:016x}"
    yield f"0{whole:o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a:04o}.{b:04o}.{c:04o}.{d:04o}"
    yield f"{a:03}.{b:03}.{c:03}.{d:03}"
    yield f"{a}.{(b << 16) + (c << 8) + d}"
    yield f"{a}.{b}.{(c << 8) + d}"
    yield f"{a:#x}.{(b << 16) + (c << 8) + d}"
    yield f"{a}.{b:#x}.0{(c << 8) + d:o}"
    yield f"{a + 256}.{b}.{c}.{d}"
    yield f"{text}.0"
    yield f"{a}..{b}.{c}.{d}"


def _scripts(text: str) -> Iterator[str]:
    def shifted(zero: str) -> str:
        return "".join(chr(ord(zero) + int(sign)) if sign.isdigit() else sign for sign in text)

    circled = {str(digit): chr(0x2460 + digit - 1) if digit else "\u24ea" for digit in range(10)}
    yield shifted("\uff10")
    yield shifted("\U0001d7ce")
    yield shifted("\u0660")
    yield "".join(circled.get(sign, sign) for sign in text)
    yield text.replace(".", "\u3002")
    yield text.replace(".", "\uff0e")
    yield text.replace(".", "\u2024")
    yield text.replace(".", "%2e")
    yield text.replace(".", "%2E", 1)
    yield "".join(f"%{ord(sign):02x}" for sign in text)
    yield text.replace(".", "%E3%80%82")
    yield text[:1] + "\u00ad" + text[1:]
    yield text[:1] + "\u200b" + text[1:]
    yield text + "%00"
    yield f"[{text}]"


def _tunnels(text: str) -> Iterator[str]:
    whole = int(IPv4Address(text))
    high, low = whole >> 16, whole & 0xFFFF
    yield f"::ffff:{text}"
    yield f"::ffff:{high:x}:{low:x}"
    yield f"::{text}"
    yield f"::ffff:0:{high:x}:{low:x}"
    yield f"64:ff9b::{text}"
    yield f"64:ff9b:1::{high:x}:{low:x}"
    yield f"2002:{high:x}:{low:x}::1"
    yield str(IPv6Address((0x20010000 << 96) | (0x5DB8D70E << 64) | (whole ^ 0xFFFFFFFF)))
    yield f"2001:0:{high:x}:{low:x}::1"
    yield f"2606:4700::5efe:{high:x}:{low:x}"
    yield f"2606:4700::200:5efe:{high:x}:{low:x}"
    yield f"fe80::5efe:{text}"
    yield f"fe80::1%25{1}"


def names() -> dict[str, tuple[str, ...]]:
    """Names that look like any other, by what they resolve to: only a denied address, one among public ones, or one
    in a form that carries it."""
    found: dict[str, tuple[str, ...]] = {}
    for index, text in enumerate(TARGETS):
        tunnels = [address for address in _tunnels(text) if "%" not in address]
        found[f"only-{index}.example.com"] = (text,)
        found[f"last-{index}.example.com"] = (PUBLIC_4, PUBLIC_6, text)
        found[f"first-{index}.example.com"] = (text, PUBLIC_4)
        found[f"mapped-{index}.example.com"] = (PUBLIC_4, f"::ffff:{text}")
        found[f"tunnel-{index}.example.com"] = (PUBLIC_6, tunnels[index % len(tunnels)])
        found[f"{text}.nip.io"] = (text,)
        found[f"{text.replace('.', '-')}.sslip.io"] = (text,)
    for index, text in enumerate(PLAIN_6):
        found[f"six-{index}.example.com"] = (text,)
    found["zone.example.com"] = ("fe80::1%lo",)
    found["zone-public.example.com"] = (f"{PUBLIC_6}%lo",)
    found["many.example.com"] = (*(f"93.184.215.{last}" for last in range(200)), "127.0.0.1")
    found["localtest.me"] = ("127.0.0.1", "::1")
    found["no-address.example.com"] = (NO_ADDRESS,)
    return found


NAMES = names()

INSIDE_NAMES = (
    *(
        "localhost",
        "LOCALHOST",
        "LocalHost",
        "localhost.",
        "localhost.localdomain",
        "a.localhost",
        "x.y.localhost",
    ),
    *("printer.local", "nas.lan", "router.home", "router.home.arpa", "1.0.0.127.in-addr.arpa", "db.internal"),
    *(
        "metadata.google.internal",
        "host.docker.internal",
        "instance-data.ec2.internal",
        "intranet",
        "metadata",
    ),
    *(
        "redis",
        "kubernetes.default.svc.cluster.local",
        "wiki.corp",
        "app.intranet",
        "vault.private",
        "x.test",
    ),
    *(
        "a.invalid",
        "facebookcorewwwi.onion",
        "a.alt",
        "ip6-localhost",
        "loc\u0430lhost",
        "\uff4c\uff4f\uff43alhost",
    ),
    *(
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        "loca\u00adlhost",
        "localhost\u3002",
        "xn--localhost-",
    ),
)

WRITTEN = (
    # User names, and what one reader takes for one.
    f"http://user:pass@127.0.0.1:{PORT}/",
    f"http://{GOOD}@127.0.0.1:{PORT}/",
    f"http://{GOOD}:80@127.0.0.1:{PORT}/",
    f"http://{GOOD}%40127.0.0.1:{PORT}/",
    f"http://127.0.0.1:{PORT}@{GOOD}/",
    f"http://user@{GOOD}/",
    f"http://:@{GOOD}/",
    f"http://@{GOOD}/",
    f"http://a@b@127.0.0.1:{PORT}/",
    f"http://{GOOD}\uff20127.0.0.1:{PORT}/",
    # Backslashes, blanks, control characters, line ends.
    f"http://{GOOD}\\@127.0.0.1:{PORT}/",
    f"http://127.0.0.1:{PORT}\\@{GOOD}/",
    f"http://{GOOD}/\\127.0.0.1:{PORT}/",
    f"http://{GOOD}/?\\@127.0.0.1:{PORT}/",
    f"http:\\\\127.0.0.1:{PORT}\\",
    f"http:/\\127.0.0.1:{PORT}/",
    f"\\\\127.0.0.1:{PORT}\\share",
    f" http://127.0.0.1:{PORT}/",
    f"\x00http://127.0.0.1:{PORT}/",
    f"\u00a0http://127.0.0.1:{PORT}/",
    f"ht\ntp://127.0.0.1:{PORT}/",
    f"http://127.0.0.1\t:{PORT}/",
    f"http://127.0.\n0.1:{PORT}/",
    f"http://127.0.0.1:{PORT}/\r\nX-Injected: 1",
    f"http://{GOOD}/ HTTP/1.1\r\nHost: 127.0.0.1",
    f"http://{GOOD}\r\n.127.0.0.1:{PORT}/",
    f"http://{GOOD} 127.0.0.1:{PORT}/",
    f"http://{GOOD}\x00.127.0.0.1:{PORT}/",
    f"http://{GOOD}\u2028/",
    f"http://{GOOD}\u202e/",
    "http://\ud800.example.com/",
    # What ends the host for one reader and not for another.
    f"http://127.0.0.1:{PORT}#@{GOOD}/",
    f"http://127.0.0.1:{PORT}?@{GOOD}/",
    f"http://127.0.0.1:{PORT};@{GOOD}/",
    f"http://127.0.0.1:{PORT},{GOOD}/",
    f"http://127.0.0.1&@{GOOD}/",
    f"http://{GOOD}:80:{PORT}/",
    f"http://[{GOOD}]/",
    f"http://[::1]{GOOD}/",
    f"http://{GOOD}[::1]:{PORT}/",
    f"http://[::1:{PORT}/",
    f"http://::1:{PORT}/",
    f"http://[[::1]]:{PORT}/",
    f"http://[::1%25lo]:{PORT}/",
    f"http://[::1%lo]:{PORT}/",
    f"http://[fe80::1%25eth0]:{PORT}/",
    f"http://[v1.127.0.0.1]:{PORT}/",
    # Labels.
    f"http://.127.0.0.1:{PORT}/",
    f"http://127.0.0.1..:{PORT}/",
    f"http://..localhost:{PORT}/",
    f"http://example..com:{PORT}/",
    f"http://.:{PORT}/",
    f"http://-.example.com:{PORT}/",
    f"http://{'a' * 64}.example.com:{PORT}/",
    f"http://{'a.' * 130}com:{PORT}/",
    f"http://{'1' * 5000}/",
    f"http://xn--{'a' * 200}.com:{PORT}/",
    "http://xn--localhost-.example.com/",
    "http://xn--.example.com/",
    "http://xn--a.example.com/",
    "http://xn--localhost.example.com/",
    "http://xn--\u00fc.example.com/",
    f"http://\u2100.example.com:{PORT}/",
    f"http://a\uff0fb.example.com:{PORT}/",
    f"http://localhost\uff1a{PORT}/",
    f"http://127.0.0.1\uff1a{PORT}/",
    f"http://localhost%00.example.com:{PORT}/",
    f"http://local%68ost:{PORT}/",
    # Schemes.
    f"//127.0.0.1:{PORT}/",
    f"///127.0.0.1:{PORT}/",
    f"http:127.0.0.1:{PORT}/",
    f"http:/127.0.0.1:{PORT}/",
    f"http:///127.0.0.1:{PORT}/",
    f"http:////127.0.0.1:{PORT}/",
    f"https:127.0.0.1:{PORT}/",
    f"http+unix://127.0.0.1:{PORT}/",
    f"http\u017f://127.0.0.1:{PORT}/",
    f"http\u017f://{GOOD}/",
    f"\uff48ttp://127.0.0.1:{PORT}/",
    f"ftp://127.0.0.1:{PORT}/",
    f"gopher://127.0.0.1:{PORT}/_GET%20/",
    f"dict://127.0.0.1:{PORT}/info",
    f"ldap://127.0.0.1:{PORT}/",
    f"ws://127.0.0.1:{PORT}/",
    f"wss://{GOOD}/",
    f"jar:http://127.0.0.1:{PORT}/!/",
    f"view-source:http://127.0.0.1:{PORT}/",
    f"url:http://127.0.0.1:{PORT}/",
    f"http://http://127.0.0.1:{PORT}/",
    f"feed:http://127.0.0.1:{PORT}/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "about:blank",
    f"127.0.0.1:{PORT}",
    f"localhost:{PORT}/",
    GOOD,
    "http://",
    "https://",
    "http://?",
    "http://#",
    "http:// /",
    f"http://:{PORT}/",
    "",
    "\ufeffhttp://example.com/",
    # Ports.
    f"http://{GOOD}:22/",
    f"http://{GOOD}:25/",
    f"http://{GOOD}:6379/",
    f"http://{GOOD}:5432/",
    f"https://{GOOD}:0/",
    f"http://{GOOD}:65536/",
    f"http://{GOOD}:99999999999999999999/",
    f"http://{GOOD}:-80/",
    f"http://{GOOD}:+80/",
    f"http://{GOOD}:080/",
    f"http://{GOOD}:/",
    f"http://{GOOD}:0x50/",
    f"http://{GOOD}:\uff18\uff10/",
    f"http://{GOOD}:80a/",
    # Size.
    f"http://{GOOD}/{'a' * 3000}",
    f"http://{GOOD}/{'é' * 1000}",
)


def hostile() -> list[str]:
    """Every URL of the table once, in one order."""
    urls = [f"http://{host}:{PORT}/" for target in TARGETS for host in forms(target)]
    urls += [f"http://{host}:{PORT}/latest/meta-data/" for host in EDGES_4]
    urls += [f"http://[{host}]:{PORT}/" for host in PLAIN_6]
    urls += [f"https://[{host}]:{PORT}/" for host in PLAIN_6[:6]]
    urls += [f"http://{host}:{PORT}/" for host in NAMES]
    urls += [f"http://{host}:{PORT}/" for host in INSIDE_NAMES]
    return list(dict.fromkeys([*urls, *WRITTEN]))
