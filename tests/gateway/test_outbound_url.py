"""Reading supplied addresses: what is refused before anybody is asked, and that nobody reads another host."""

from __future__ import annotations

import socket
import unicodedata
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
import yarl
from hostile_urls import (
    EDGES_4,
    GOOD,
    NAMES,
    NO_ADDRESS,
    PLAIN_6,
    PORT,
    PUBLIC_4,
    PUBLIC_6,
    TARGETS,
    forms,
    hostile,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.gateway.outbound import (
    PORTS,
    check_redirect,
    check_url,
    is_public,
)
from crypto_dt_source.gateway.outbound_url import DENIED, MAX_URL
from crypto_dt_source.model.errors import (
    AddressRefused,
)
from each_case import each


def naive(url: str) -> list[str]:
    """Where a client goes that only strips the text and asks the system: the addresses, none where it fails too."""
    try:
        host = urlsplit(unicodedata.normalize("NFKC", url.strip()).replace("\\", "/")).hostname or ""
        if host in NAMES or host == GOOD:
            return list(NAMES.get(host, (PUBLIC_4,)))
        if host.rstrip(".").endswith(("localhost", "localdomain")):
            return ["127.0.0.1"]
        found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (ValueError, OSError):
        return []
    return [str(place[0]) for *_, place in found]


@each("text", [*TARGETS, *EDGES_4, *PLAIN_6, "fe80::1%lo", "2606:4700:4700::1111%lo"])
def test_an_address_of_a_special_range_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@each("text", [*TARGETS, *EDGES_4, "2001::1", "2001:2::1", "2001:20::1", "2001:1ff::1"])
def test_the_list_is_whole_without_what_this_python_knows(text: str) -> None:
    """`is_global` says other things in other versions."""
    assert any(ip_address(text) in block for block in DENIED)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
        ),
        *("128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"),
        *(
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            PUBLIC_4,
            PUBLIC_6,
        ),
        *(
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2a00:1450::1",
            "2606:4700::5efd:1:1",
            "3ffe:ffff::1",
        ),
    ],
)
def test_the_neighbours_of_the_special_ranges_are_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_the_hostile_urls_would_mislead_an_unguarded_client() -> None:
    """The table is worth its name: most of it leads a plain client to an address that is not public."""
    found = {url: naive(url.replace(PORT, "8080")) for url in hostile()}
    inside = [
        url
        for url, addresses in found.items()
        if any(not is_public(ip_address(text)) for text in addresses if text != NO_ADDRESS)
    ]
    assert len(inside) >= 400
    assert {text for addresses in found.values() for text in addresses} >= {*TARGETS, *EDGES_4}


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A?b=C#d", "https://example.com/A?b=C"),
        ("http://example.com:8080/rss.xml", "http://example.com:8080/rss.xml"),
        ("https://example.com?q=1&u=http://127.0.0.1/", "https://example.com/?q=1&u=http://127.0.0.1/"),
        ("https://medium.com/@someone/a:b", "https://medium.com/@someone/a:b"),
        ("https://münchen.example/ä ü".replace(" ", "%20"), "https://xn--mnchen-3ya.example/%C3%A4%20%C3%BC"),
        ("https://例え。jp/", "https://xn--r8jz45g.jp/"),
        ("https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example/"),
        ("https://r3---sn-4g5e.example.com/", "https://r3---sn-4g5e.example.com/"),
        ('https://my_bucket.example.com/a|b"<c>', "https://my_bucket.example.com/a%7Cb%22%3Cc%3E"),
        ("http://1.2.3.4.example.com/", "http://1.2.3.4.example.com/"),
        (f"http://{PUBLIC_4}/", f"http://{PUBLIC_4}/"),
        ("https://[2606:4700:4700:0::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
    ],
)
def test_a_public_url_is_read_to_one_form(url: str, read: str) -> None:
    target = check_url(url)
    assert target.url == read
    assert check_url(read) == target


@pytest.mark.parametrize(
    "host", [form for form in forms(PUBLIC_4) if form not in (PUBLIC_4, f"[{PUBLIC_4}]")]
)
def test_even_a_public_address_must_be_written_plainly(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(f"http://{host}/")


def test_the_length_of_a_url_is_capped_as_written_and_as_sent() -> None:
    base = "https://example.com/"
    assert len(check_url(base + "a" * (MAX_URL - len(base))).url) == MAX_URL
    for tail in ("a" * (MAX_URL - len(base) + 1), "é" * (MAX_URL // 6)):
        with pytest.raises(AddressRefused):
            check_url(base + tail)


def is_number(host: str) -> bool:
    """Whether the system takes the host for a version 4 address in any of its forms."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


_PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "HTTP://",
            "//",
            "/",
            "\\",
            ":",
            "@",
            "#",
            "?",
            "[",
            "]",
            "%",
            "%25",
            "%2e",
            ".",
            "。",
        ),
        *(
            "127",
            "0",
            "1",
            "0x7f",
            "2130706433",
            "::",
            "ffff",
            "fe80",
            "64:ff9b::",
            "2606:4700::",
            "10",
            "8.8.8.8",
        ),
        *(
            "localhost",
            "example",
            "com",
            "xn--",
            "-",
            "_",
            "80",
            "8080",
            " ",
            "\t",
            "\n",
            "①",
            "７",
            "ß",
            "İ",
            "K",
        ),
        *("\u200d", "\u0661", "e\u0301", "\ud800", "a" * 63, "http", "local", "http\u017f://"),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(max_size=40).map(lambda text: f"http://{text}/"),
    st.lists(_PIECES, max_size=14).map("".join),
    st.lists(_PIECES, max_size=10).map(lambda pieces: "http://" + "".join(pieces)),
    st.ip_addresses().map(lambda a: f"http://[{a}]/" if a.version == 6 else f"http://{a}/"),
    st.from_regex(r"https?://[a-z0-9.\-]{1,20}\.(com|xn--p1ai)(:8080)?/[!-~]{0,10}", fullmatch=True),
)


@settings(max_examples=800)
@given(_TEXTS)
def test_any_text_is_refused_or_read_as_every_other_reader_would(text: str) -> None:
    try:
        target = check_url(text)
    except AddressRefused:
        return
    assert target.address is None or is_public(target.address)
    assert target.port in PORTS
    assert target.url.isascii()
    assert target.url.isprintable()
    assert check_url(target.url) == target
    others = yarl.URL(target.url, encoded=True), urlsplit(target.url)
    assert [(other.scheme, other.port or {"http": 80, "https": 443}[target.scheme]) for other in others] == [
        (target.scheme, target.port)
    ] * 2
    assert others[0].raw_host == others[1].hostname == target.host
    assert others[0].user is others[1].username is None
    assert others[0].raw_path_qs == target.path
    if target.address is None:
        assert "." in target.host
        assert not is_number(target.host)
    else:
        assert ip_address(target.host) == target.address


@settings(max_examples=300)
@given(_TEXTS)
def test_any_location_is_refused_or_leads_to_a_public_host(text: str) -> None:
    try:
        target = check_redirect(check_url("https://example.com/a/b?c"), text)
    except AddressRefused:
        return
    assert target.scheme == "https"
    assert target.address is None or is_public(target.address)


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://other.example.net/x", "https://other.example.net/x"),
        ("//other.example.net", "https://other.example.net/"),
        ("../x?y#z", "https://example.com:8443/x?y"),
        ("?y", "https://example.com:8443/a/b?y"),
        ("http://example.com/", None),
        ("HTTP://other.example.net/", None),
        ("http://example.com:8443/a", None),
        ("//127.0.0.1/", None),
        ("https://[::1", None),
        ("https:///x", "https://example.com:8443/x"),
        ("/a b", None),
        ("", None),
        ("ftp://example.com/", None),
        ("\ud8ff", None),
    ],
)
def test_a_redirect_never_leaves_https(location: str, leads: str | None) -> None:
    base = check_url("https://example.com:8443/a/b?c")
    if leads is None:
        with pytest.raises(AddressRefused):
            check_redirect(base, location)
    else:
        assert check_redirect(base, location).url == leads


def test_a_redirect_may_enter_https() -> None:
    assert check_redirect(check_url("http://example.com/"), "https://example.com/").scheme == "https"
