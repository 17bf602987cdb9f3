"""Feeds that moved: followed where that is safe, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping

import pytest
import structlog
from hostile_urls import GOOD, NAMES, PORT, hostile
from outbound_rig import FEED, VETTED, VICTIM, Stage, staged

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import HttpTransport
from crypto_dt_source.gateway.outbound import MAX_REDIRECTS, is_public
from crypto_dt_source.gateway.redirects import Following
from crypto_dt_source.model.errors import AddressRefused, UpstreamError, UpstreamTimeout
from crypto_dt_source.providers.adapters.feed import ADAPTER
from crypto_dt_source.providers.kit import Reply, Request

CONDITIONAL = (("Accept", "application/rss+xml"), ("If-None-Match", '"1"'), ("X-Other", "kept here"))
MOVES = Request("", headers=CONDITIONAL, moves=True)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(monkeypatch) as told:
        yield told


async def sent(
    stage: Stage,
    path: str,
    request: Request = MOVES,
    *,
    host: str = VETTED,
    timeout_s: float = 5.0,
    **changes: object,
) -> Reply:
    """The reply to a feed of `host`, which the vetted listener serves."""
    clock = SystemClock()
    door = Following(HttpTransport(clock), clock, stage.outbound(**changes))
    try:
        return await door.send("toy", stage.url(path, host), request, {}, timeout_s)
    finally:
        await door.close()


class Told:
    """A transport that answers every first request of a provider with one redirect, and the next with a document."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.asked: list[str] = []

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.asked.append(base_url)
        if len(self.asked) > 1:
            return Reply(provider, 200, b"there", 1)
        return Reply(provider, 302, b"", 1, {"location": self.location})

    async def close(self) -> None:
        return None


async def test_a_feed_is_asked_for_where_it_is_now(stage: Stage) -> None:
    stage.redirects("/old", stage.url("/new"), "301 Moved Permanently")
    stage.says("/new", b"<rss/>", Content_Type="text/xml", ETag='"2"')
    reply = await sent(stage, "/old")
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, b"<rss/>", '"2"')
    first, second = (head.lower() for head in stage.heads)
    assert 'if-none-match: "1"' in first
    assert 'if-none-match: "1"' in second
    assert "accept: application/rss+xml" in second
    assert "x-other" in first
    assert "x-other" not in second
    assert stage.asked == [FEED]


async def test_what_has_not_changed_is_told_through_a_redirect(stage: Stage) -> None:
    stage.redirects("/old", stage.url("/new"))
    stage.says("/new", status="304 Not Modified", ETag='"1"')
    assert (await sent(stage, "/old")).status == 304


async def test_steps_within_the_origin_need_no_guard(stage: Stage) -> None:
    """The simulator, or a server of the operator's own network: private, and theirs to choose."""
    stage.redirects("/a", "/b?x=1", "301 Moved Permanently")
    stage.redirects("/b?x=1", stage.url("/c", VETTED), "308 Permanent Redirect")
    stage.says("/c", b"there")
    assert (await sent(stage, "/a", public=lambda address: False)).body == b"there"
    assert all("x-other" in head.lower() for head in stage.heads)
    assert set(stage.tried) == {VETTED}


@pytest.mark.parametrize("status", ["301 a", "302 b", "303 c", "307 d", "308 e"])
@pytest.mark.parametrize(
    "place", ["http://{victim}:{port}/", "//{victim}:{port}/", "http://feeds.example.com/"]
)
async def test_a_private_address_sends_nobody_elsewhere(stage: Stage, place: str, status: str) -> None:
    stage.redirects("/", place.format(victim=VICTIM, port=stage.port), status)
    with pytest.raises(AddressRefused):
        await sent(stage, "/", public=is_public)
    assert (stage.reached, set(stage.tried), stage.asked) == (0, {VETTED}, [])


async def test_a_loop_and_a_long_chain_end(stage: Stage) -> None:
    stage.redirects("/loop", "/loop")
    with pytest.raises(AddressRefused):
        await sent(stage, "/loop")
    assert len(stage.heads) == MAX_REDIRECTS + 1
    stage.heads.clear()
    stage.redirects("/away", stage.url("/loop"))
    with pytest.raises(AddressRefused):
        await sent(stage, "/away")
    assert len(stage.heads) == MAX_REDIRECTS + 2


async def test_all_steps_together_have_the_calls_time(stage: Stage) -> None:
    async def hang(writer: object) -> None:
        await SystemClock().sleep(30)

    stage.redirects("/", stage.url("/slow"))
    stage.answers["/slow"] = hang
    with pytest.raises(UpstreamTimeout):
        await sent(stage, "/", timeout_s=0.2)


async def test_requests_that_do_not_move_are_left_alone(stage: Stage) -> None:
    stage.redirects("/", stage.url("/new"))
    reply = await sent(stage, "/", Request(""))
    assert (reply.status, reply.headers["location"]) == (302, stage.url("/new"))
    stage.says("/nowhere", b"moved", status="302 Found")
    assert (await sent(stage, "/nowhere")).status == 302


async def test_no_redirect_of_a_feed_to_a_hostile_url_connects(stage: Stage) -> None:
    urls = [url.replace(PORT, str(stage.port)) for url in hostile()]
    stage.addresses.update({host: [found] for host, found in NAMES.items()})
    del stage.addresses[GOOD]
    ends: Counter[str] = Counter()
    for url in urls:
        inner = Told(url)
        door = Following(inner, SystemClock(), stage.outbound())
        try:
            await door.send("toy", stage.url("/feed"), MOVES, {}, 5.0)
        except UpstreamError as error:
            ends[error.code] += 1
        else:
            ends["same origin"] += 1
            assert all(place.startswith(stage.url("/")) for place in inner.asked), url
        await door.close()
    assert (stage.reached, stage.tried) == (0, [])
    assert ends["address_refused"] >= 600
    assert ends.total() == len(urls) >= 700


async def test_a_move_for_good_is_told_once_and_by_its_site_alone(stage: Stage) -> None:
    clock = SystemClock()
    stage.redirects("/", stage.url("/new?key=s3cret"), "301 Moved Permanently")
    stage.says("/new?key=s3cret", b"there")
    door = Following(HttpTransport(clock), clock, stage.outbound())
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert (await door.send("toy", stage.url("/", VETTED), MOVES, {}, 5.0)).body == b"there"
    await door.close()
    [line] = [line for line in lines if line["event"] == "feed has moved"]
    assert (line["provider"], line["to"]) == ("toy", f"http://{FEED}")
    assert "s3cret" not in str(lines)


def test_feeds_move_and_nothing_else_does() -> None:
    from crypto_dt_source.model.ask import Capability, NewsAsk
    from crypto_dt_source.providers import catalog

    assert ADAPTER.endpoints[Capability.NEWS].request(NewsAsk()).moves
    kinds = {entry.adapter for entry in catalog.load().values() if entry.kind == "feed"}
    assert kinds == {"feed"}
