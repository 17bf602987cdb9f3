"""The guard for supplied addresses: what it connects to and where redirects end."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hostile_urls import GOOD, NAMES, PORT, PUBLIC_4, hostile
from outbound_rig import FEED, VETTED, VICTIM, Stage, got, staged

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import outbound
from crypto_dt_source.gateway.outbound import (
    MAX_REDIRECTS,
    is_public,
)
from crypto_dt_source.model.errors import (
    AddressRefused,
    UpstreamError,
    UpstreamUnreachable,
)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(monkeypatch) as told:
        yield told


async def test_none_of_the_hostile_urls_connects(stage: Stage) -> None:
    urls = [url.replace(PORT, str(stage.port)) for url in hostile()]
    assert len(urls) == len(set(urls)) >= 700
    stage.addresses.update({host: [found] for host, found in NAMES.items()})
    door = stage.outbound(public=is_public)
    passed: dict[str, object] = {}
    for url in urls:
        try:
            passed[url] = await door.get(url)
        except AddressRefused:
            continue
        except Exception as error:  # noqa: BLE001 - anything else is what the test looks for
            passed[url] = error
    await door.close()
    assert not passed
    assert (stage.reached, stage.tried, stage.heads) == (0, [], [])
    assert Counter(stage.asked) == Counter(dict.fromkeys(NAMES, 1)), (
        "asked for each name once, for nothing else"
    )


async def test_no_redirect_to_a_hostile_url_connects(stage: Stage) -> None:
    """Each hostile URL as a Location of a vetted server. Some are relative paths there, and only there they lead."""
    urls = [url.replace(PORT, str(stage.port)) for url in hostile()]
    urls = [url for url in urls if not set(url) & set("\r\n\0\ud800")]
    stage.addresses.update({host: [found] for host, found in NAMES.items()})
    del stage.addresses[GOOD]
    door = stage.outbound()
    ends: Counter[str] = Counter()
    for index, url in enumerate(urls):
        stage.redirects(f"/{index}", url)
        try:
            reply = await door.get(stage.url(f"/{index}"))
        except UpstreamError as error:
            ends[error.code] += 1
        else:
            assert reply.url.startswith(stage.url()), url
            ends["relative"] += 1
    await door.close()
    assert stage.reached == 0
    assert set(stage.tried) == {VETTED}
    assert ends["address_refused"] >= 600
    assert ends.total() == len(urls)


async def test_a_public_document_arrives_with_the_little_that_is_kept(stage: Stage) -> None:
    stage.says("/feed?x=1", b"<rss/>", Content_Type="text/xml", ETag='"1"', Set_Cookie="a=b", X_Other="1")
    reply = await got(stage, stage.url("/feed?x=1#top"))
    assert (reply.url, reply.status, reply.body) == (stage.url("/feed?x=1"), 200, b"<rss/>")
    assert (reply.headers, reply.address) == ({"content-type": "text/xml", "etag": '"1"'}, VETTED)
    assert abs(reply.received_ms - SystemClock().now_ms()) < 60_000
    [head] = stage.heads
    lines = head.split("\r\n")
    assert lines[:2] == ["GET /feed?x=1 HTTP/1.1", f"Host: {FEED}:{stage.port}"]
    assert {line.split(":")[0].lower() for line in lines[1:] if line} == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "connection",
    }
    assert (stage.asked, stage.tried) == ([FEED], [VETTED])


async def test_a_status_is_given_as_it_is(stage: Stage) -> None:
    assert (await got(stage, stage.url("/none"))).status == 404
    stage.says("/kept", status="304 Not Modified")
    assert (await got(stage, stage.url("/kept"))).status == 304
    stage.says("/nowhere", b"moved", status="302 Found")
    assert (await got(stage, stage.url("/nowhere"))).body == b"moved"


async def test_a_public_literal_is_asked_without_resolving(stage: Stage) -> None:
    stage.says("/", b"ok")
    reply = await got(stage, stage.url("/", VETTED))
    assert (reply.body, reply.address, stage.asked) == (b"ok", VETTED, [])


async def test_a_name_that_changes_its_address_is_resolved_once(stage: Stage) -> None:
    """Rebinding: the second answer would be the victim, and nobody asks for it."""
    stage.addresses[FEED] = [(VETTED,), (VICTIM,)]
    stage.says("/", b"ok")
    reply = await got(stage, stage.url())
    assert (reply.address, stage.asked, stage.tried, stage.reached) == (VETTED, [FEED], [VETTED], 0)
    with pytest.raises(AddressRefused):
        await got(stage, stage.url())
    assert (stage.tried, stage.reached) == ([VETTED], 0)


async def test_the_machines_resolver_is_not_asked_behind_the_guards_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("resolved again")

    stage.says("/", b"ok")
    door = stage.outbound()
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    assert (await door.get(stage.url())).body == b"ok"
    await door.close()


async def test_a_name_that_changes_its_address_between_two_hops_is_checked_again(stage: Stage) -> None:
    stage.addresses[FEED] = [(VETTED,), (VICTIM,)]
    stage.redirects("/", "/next")
    with pytest.raises(AddressRefused):
        await got(stage, stage.url())
    assert (stage.asked, stage.tried, stage.reached) == ([FEED, FEED], [VETTED], 0)


@pytest.mark.parametrize(
    "answer",
    [
        (VICTIM,),
        (VETTED, VICTIM),
        (VICTIM, VETTED),
        (VETTED, "::1"),
        (VETTED, f"::ffff:{VETTED}"),
        (VETTED, "10.0.0.1"),
        (*(f"93.184.215.{last}" for last in range(250)), "169.254.169.254"),
        (VETTED, "fe80::1%lo"),
        (VETTED, "2130706433"),
        (VETTED, ""),
    ],
)
async def test_one_address_that_is_not_public_refuses_them_all(stage: Stage, answer: tuple[str, ...]) -> None:
    stage.addresses[FEED] = [answer]
    with pytest.raises(AddressRefused):
        await got(stage, stage.url())
    assert (stage.tried, stage.reached) == ([], 0)


async def test_a_second_address_is_tried_and_told_when_the_first_does_not_answer(stage: Stage) -> None:
    stage.says("/", b"ok")
    stage.addresses[FEED] = [("127.0.0.3", VETTED, "127.0.0.4")]
    reply = await got(stage, stage.url(), public=lambda address: str(address) != VICTIM)
    assert (reply.address, stage.tried) == (VETTED, ["127.0.0.3", VETTED])


async def test_only_a_few_of_many_addresses_are_tried(stage: Stage) -> None:
    stage.addresses[FEED] = [tuple(f"127.0.1.{last}" for last in range(200))]
    with pytest.raises(UpstreamUnreachable):
        await got(stage, stage.url(), public=lambda address: True)
    assert set(stage.tried) == {"127.0.1.0", "127.0.1.1"}


async def test_nothing_but_a_vetted_address_gets_a_socket() -> None:
    pinned = outbound._Pinned(FEED, [VETTED])
    assert [found["host"] for found in await pinned.resolve(FEED, 80)] == [VETTED]
    with pytest.raises(OSError, match="another host"):
        await pinned.resolve(GOOD, 80)
    for text in (VICTIM, PUBLIC_4, "127.2", "::1"):
        with pytest.raises(OSError, match="another address"):
            pinned.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 80)))
    pinned.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (VETTED, 80))).close()


async def test_no_proxy_of_the_environment_is_used(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{VICTIM}:{stage.port}")
    stage.says("/", b"ok")
    assert (await got(stage, stage.url())).body == b"ok"
    assert (stage.tried, stage.reached) == ([VETTED], 0)


async def test_no_connection_serves_two_requests(stage: Stage) -> None:
    stage.says("/", b"ok")
    door = stage.outbound()
    for _ in range(3):
        await door.get(stage.url())
    await asyncio.gather(*(door.get(stage.url()) for _ in range(40)))
    await door.close()
    assert len(stage.tried) == len(stage.heads) == 43


async def test_the_system_is_asked_for_the_whole_name_in_a_thread_of_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answers(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (VETTED, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    stage.says("/", b"ok")
    assert (await got(stage, stage.url(), resolve=None)).body == b"ok"
    assert asked == [f"{FEED}."]


async def test_redirects_are_followed_across_hosts_with_nothing_carried_along(stage: Stage) -> None:
    other = "cdn.example.net"
    stage.addresses[other] = [(VETTED,)]
    stage.says("/", status="301 Moved", Location=stage.url("/b?c", other), Set_Cookie="session=secret")
    stage.redirects("/b?c", "d", "307 Temporary Redirect")
    stage.redirects("/d", f"//{FEED}:{stage.port}/e#f", "308 Permanent Redirect")
    stage.says("/e", b"there")
    reply = await got(stage, stage.url())
    assert (reply.url, reply.body) == (stage.url("/e"), b"there")
    assert stage.asked == [FEED, other, other, FEED]
    assert [head.split("\r\n")[1] for head in stage.heads] == [f"Host: {h}:{stage.port}" for h in stage.asked]
    assert not any(
        word in head.lower() for head in stage.heads for word in ("cookie", "referer", "authorization")
    )


async def test_a_loop_and_a_long_chain_end(stage: Stage) -> None:
    stage.redirects("/loop", "/loop")
    with pytest.raises(AddressRefused):
        await got(stage, stage.url("/loop"))
    assert len(stage.heads) == MAX_REDIRECTS + 1
    for step in range(MAX_REDIRECTS + 1):
        stage.redirects(f"/{step}", f"/{step + 1}")
    stage.says(f"/{MAX_REDIRECTS + 1}", b"far")
    assert (await got(stage, stage.url("/1"))).body == b"far"
    with pytest.raises(AddressRefused):
        await got(stage, stage.url("/0"))
