"""Client addresses behind proxies, and what their requests are counted by."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.security.addresses import UNKNOWN, bucket_of, client_address

PROXY = "10.0.0.1"
ADDRESSES = st.ip_addresses().map(str)
HEADER = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=200)
FORGED = st.lists(HEADER | st.lists(ADDRESSES, max_size=4).map(", ".join), max_size=4)


def through(client: str, sent: list[str], hops: int, joined: bool) -> tuple[str, list[str]]:
    """Peer and header lines after `hops` proxies that append, to the last line or as a line of their own."""
    lines, seen = list(sent), client
    for n in range(hops):
        if joined and lines:
            lines[-1] += f", {seen}"
        else:
            lines.append(seen)
        seen = f"10.0.0.{n + 1}"
    return seen, lines


@given(client=ADDRESSES, sent=FORGED, hops=st.integers(0, 4), joined=st.booleans())
def test_a_forged_chain_changes_nothing(client: str, sent: list[str], hops: int, joined: bool) -> None:
    honest, forged = through(client, [], hops, joined), through(client, sent, hops, joined)
    assert client_address(*forged, hops) == client_address(*honest, hops) == client_address(client, [], 0)


@given(one=ADDRESSES, other=ADDRESSES, sent=FORGED, hops=st.integers(1, 4), joined=st.booleans())
def test_two_clients_behind_one_proxy_have_two_buckets(
    one: str, other: str, sent: list[str], hops: int, joined: bool
) -> None:
    def network(text: str) -> object:
        address = ip_address(client_address(text, [], 0))
        return address if address.version == 4 else int(address) >> 64

    buckets = {bucket_of(client_address(*through(who, sent, hops, joined), hops)) for who in (one, other)}
    assert len(buckets) == (1 if network(one) == network(other) else 2)
    assert bucket_of(PROXY) not in buckets - {bucket_of(one), bucket_of(other)}


@given(peer=st.text(max_size=120), sent=st.lists(st.text(max_size=300), max_size=5), hops=st.integers(-2, 6))
def test_no_text_raises_and_what_comes_out_is_an_address(peer: str, sent: list[str], hops: int) -> None:
    address = client_address(peer, sent, hops)
    assert address == UNKNOWN or str(ip_address(address)) == address
    assert bucket_of(peer)
    assert bucket_of(bucket_of(address)[: -len("/64")] if "/" in bucket_of(address) else address)


@given(raw=st.binary(max_size=300), hops=st.integers(0, 3))
def test_no_bytes_raise(raw: bytes, hops: int) -> None:
    client_address(raw.decode("latin-1"), [raw.decode("latin-1")], hops)
    bucket_of(raw.decode("latin-1"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:cb00:7107]:80", "203.0.113.7"),
        ("64:ff9b::203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
    ],
)
def test_every_form_of_an_address_is_one_address(text: str, address: str) -> None:
    assert client_address(PROXY, [text], 1) == address
    assert client_address(text, [], 0) == address
    assert bucket_of(text) == bucket_of(address)


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "unknown", "localhost", "example.com", "203.0.113.7:", "203.0.113.7:port", "203.0.113.7:123456",
        "203.0.113.007", "203.0.113", "3405803783", "0x7f.1", "256.1.1.1", "[203.0.113.7]", "[::1", "[::1]80",
        "::1]", '"[::1]"', "for=203.0.113.7", "203.0.113.7 203.0.113.8", "203.0.113.7\r\nX: 1", "１.1.1.1",
        "1.1.1.1:٣", "\x00", "%", "[%]:1", ":" * 40, "1" * 5000, " " * 5000 + "1.1.1.1",
    ],
)  # fmt: skip
def test_another_text_in_that_place_gives_the_peer(text: str) -> None:
    assert client_address(PROXY, [text], 1) == PROXY
    assert client_address(PROXY, [f"{text},203.0.113.9"], 2) == PROXY
    assert bucket_of(text) == UNKNOWN


def test_the_nth_from_the_right_over_all_lines() -> None:
    lines = ["1.1.1.1, 2.2.2.2", "3.3.3.3", "4.4.4.4,5.5.5.5"]
    found = [client_address(PROXY, lines, hops) for hops in range(7)]
    assert found == [PROXY, "5.5.5.5", "4.4.4.4", "3.3.3.3", "2.2.2.2", "1.1.1.1", PROXY]


def test_an_empty_entry_makes_no_room_for_a_forged_one() -> None:
    assert client_address(PROXY, ["6.6.6.6, , 203.0.113.7"], 2) == PROXY
    assert client_address(PROXY, ["6.6.6.6", "", "203.0.113.7"], 2) == PROXY


def test_without_hops_the_header_is_not_read() -> None:
    assert client_address("203.0.113.7", ["6.6.6.6"], 0) == "203.0.113.7"
    assert client_address("203.0.113.7", ["6.6.6.6"], -1) == "203.0.113.7"


def test_ipv6_counts_by_64_bits_and_ipv4_by_all() -> None:
    assert bucket_of("2001:db8:1:2::1") == bucket_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert bucket_of("2001:db8:1:3::1") == "2001:db8:1:3::/64"
    assert bucket_of("203.0.113.7") == "203.0.113.7"
    assert bucket_of("203.0.113.7") != bucket_of("203.0.113.8")


@pytest.mark.parametrize("peer", ["", "testclient", "/run/cdts.sock", "x" * 100_000])
def test_a_peer_without_an_address_is_unknown(peer: str) -> None:
    assert client_address(peer, [], 0) == UNKNOWN
    assert client_address(peer, ["203.0.113.7"], 1) == "203.0.113.7"


def test_a_header_of_megabytes_costs_what_its_end_costs() -> None:
    small, large = ["6.6.6.6, 203.0.113.7"], ["6.6.6.6," * 500_000 + "203.0.113.7"]
    cost = []
    for lines in (small, large, ["," * 4_000_000 + "203.0.113.7"], ["6" * 4_000_000]):
        begun = time.process_time()
        for _ in range(200):
            client_address(PROXY, lines, 2)
        cost.append(time.process_time() - begun)
    assert client_address(PROXY, large, 1) == "203.0.113.7"
    assert max(cost[1:]) < 20 * cost[0] + 0.02
