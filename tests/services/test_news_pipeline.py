"""From feeds to scored stories: every article once, whatever breaks in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.model.errors import (
    AllProvidersFailed,
    InvalidParameter,
    ModelUnavailable,
    NoDataYet,
    NotFound,
)
from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import news, providers
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store import StoreError
from crypto_dt_source.store.repos import news as repo
from crypto_dt_source.store.repos.news import NewsFilter

Rig = tuple[Runtime, SimApp, ManualClock]
ALL = NewsFilter()
FEED = "coindesk"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


def bullish(text: str) -> Score:
    return Score("bullish", 0.8, 0.1, 0.1, 0.8, "bullish", "stand-in", "1")


class StandIn:
    """Instead of the registry of models: everything is bullish, or nothing can be said."""

    default = "stand-in"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.broken = False

    async def classify(self, texts: Sequence[str], model: str | None = None) -> list[Score]:
        if self.broken:
            raise ModelUnavailable("no model")
        self.texts.extend(texts)
        return [bullish(text) for text in texts]


@pytest.fixture
def model(rig: Rig) -> StandIn:
    stand_in = StandIn()
    rig[0].models = stand_in  # type: ignore[assignment]
    return stand_in


def rss(*items: tuple[str, str, str | None]) -> bytes:
    """A feed of (title, link, date or None)."""
    told = "".join(
        f"<item><title>{title}</title><link>{link}</link>{f'<pubDate>{date}</pubDate>' if date else ''}</item>"
        for title, link, date in items
    )
    return f'<rss version="2.0"><channel><title>Own</title><link>https://own.example/</link>{told}</channel></rss>'.encode()


def serve(rt: Runtime, feeds: dict[str, bytes]) -> None:
    """These feeds have these bodies; every other one is out of reach."""

    def bend(provider: str, request: Request, reply: Reply) -> Reply:
        if provider not in feeds:
            return Reply(provider, 503, b"", reply.received_ms, {})
        return Reply(
            provider, 200, feeds[provider], reply.received_ms, {"content-type": "application/rss+xml"}
        )

    harness.transport_of(rt).bend = bend


def date(ms: int) -> str:
    return formatdate(ms / 1000, usegmt=True)


async def everything(rt: Runtime) -> list[news.Story]:
    return (await news.page(rt, ALL, number=1, size=1000)).stories


async def test_the_simulated_feeds_give_stories_with_several_sources(rig: Rig, model: StandIn) -> None:
    rt, sim, clock = rig
    taken = await harness.drive(clock, news.read_feeds(rt))
    stories = await everything(rt)
    members = [member for story in stories for member in story.members]
    assert taken == len(members) == len({member.id for member in members}) >= 60
    assert any(len({member.provider for member in story.members}) >= 3 for story in stories)
    assert any(story.head.assets for story in stories)
    published = [story.head.published_ms for story in stories]
    assert published == sorted(published, reverse=True)
    assert sim.log.unknown == 0


async def test_a_second_poll_of_unchanged_feeds_is_a_304_each_and_adds_nothing(
    rig: Rig, model: StandIn
) -> None:
    rt, _, clock = rig
    await harness.drive(clock, news.read_feeds(rt))
    statuses: list[int] = []

    def note(provider: str, request: Request, reply: Reply) -> Reply:
        statuses.append(reply.status)
        return reply

    harness.transport_of(rt).bend = note
    before = len(await everything(rt))
    assert await harness.drive(clock, news.read_feeds(rt)) == 0
    assert statuses
    assert set(statuses) == {304}
    assert len(await everything(rt)) == before


async def test_dates_that_are_missing_or_ahead_become_the_time_of_the_answer(
    rig: Rig, model: StandIn
) -> None:
    rt, _, clock = rig
    now = clock.now_ms()
    serve(
        rt,
        {
            FEED: rss(
                ("Dated well", "https://own.example/a", date(now - HOUR_MS)),
                ("Not dated", "https://own.example/b", None),
                ("Dated next week", "https://own.example/c", date(now + 7 * DAY_MS)),
                ("Dated a minute ahead", "https://own.example/d", date(now + 60_000)),
                ("Older than anything kept", "https://own.example/e", date(now - 200 * DAY_MS)),
            )
        },
    )
    assert await harness.drive(clock, news.read_feeds(rt)) == 4
    rows = {story.head.title: story.head for story in await everything(rt)}
    assert rows["Dated well"].published_ms == (now - HOUR_MS) // 1000 * 1000
    assert rows["Dated well"].dated
    for title in ("Not dated", "Dated next week"):
        assert not rows[title].dated
        assert rows[title].published_ms == rows[title].received_ms
    assert rows["Dated a minute ahead"].dated
    assert rows["Dated a minute ahead"].published_ms <= rows["Dated a minute ahead"].received_ms


async def test_the_same_address_with_tracking_is_the_same_article(rig: Rig, model: StandIn) -> None:
    rt, _, clock = rig
    now = date(clock.now_ms())
    serve(rt, {FEED: rss(("One", "https://own.example/a?utm_source=rss#top", now))})
    assert await harness.drive(clock, news.read_feeds(rt)) == 1
    serve(rt, {FEED: rss(("One, corrected", "https://own.example/a", now))})
    assert await harness.drive(clock, news.read_feeds(rt)) == 0
    (story,) = await everything(rt)
    assert (story.head.title, story.head.url) == ("One", "https://own.example/a")


async def test_a_write_that_fails_leaves_the_article_for_the_next_poll(
    rig: Rig, model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _, clock = rig

    async def refused(*_: object) -> int:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(repo, "take", refused)
        with pytest.raises(StoreError):
            await harness.drive(clock, news.read_feeds(rt))
    assert await repo.feeds(rt.store) == []
    assert await harness.drive(clock, news.read_feeds(rt)) >= 60


async def test_a_model_that_cannot_answer_leaves_articles_to_be_scored_once_later(
    rig: Rig, model: StandIn
) -> None:
    rt, _, clock = rig
    model.broken = True
    assert await harness.drive(clock, news.read_feeds(rt)) >= 60
    with pytest.raises(ModelUnavailable):
        await news.score(rt)
    assert all(story.head.score is None for story in await everything(rt))
    model.broken = False
    scored = await news.score(rt)
    members = [member for story in await everything(rt) for member in story.members]
    assert scored == len(members) == len(model.texts)
    assert {member.score.model for member in members if member.score} == {"stand-in"}
    assert await news.score(rt) == 0
    assert len(model.texts) == scored


async def test_stories_are_taken_up_again_after_a_restart(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        rt.models = StandIn()  # type: ignore[assignment]
        now = date(clock.now_ms())
        serve(rt, {FEED: rss(("Kraken lists 12 new tokens after review", "https://own.example/a", now))})
        await harness.drive(clock, news.read_feeds(rt))
        (first,) = await everything(rt)
    await clock.advance(1800)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        rt.models = StandIn()  # type: ignore[assignment]
        now = date(clock.now_ms())
        serve(
            rt,
            {"decrypt": rss(("Kraken lists 12 new tokens after its review", "https://two.example/b", now))},
        )
        assert await harness.drive(clock, news.read_feeds(rt)) == 1
        (story,) = await everything(rt)
        assert story.head.id == first.head.id
        assert {member.provider for member in story.members} == {FEED, "decrypt"}


async def test_one_dead_feed_costs_only_itself_all_of_them_an_error_that_names_them(
    rig: Rig, model: StandIn
) -> None:
    rt, _, clock = rig
    with pytest.raises(NoDataYet):
        await news.read_state(rt)
    harness.transport_of(rt).dead = True
    with pytest.raises(AllProvidersFailed) as error:
        await harness.drive(clock, news.read_feeds(rt))
    assert len(error.value.details["tried"]) >= 25
    harness.transport_of(rt).dead = False
    await clock.advance(600)
    serve(rt, {FEED: rss(("One", "https://own.example/a", None))})
    assert await harness.drive(clock, news.read_feeds(rt)) == 1
    read = await news.read_state(rt)
    assert not read.stale
    await clock.advance(3 * 3600)
    assert (await news.read_state(rt)).stale
    serve(rt, {"decrypt": rss(("Two", "https://two.example/b", None))})
    await harness.drive(clock, news.read_feeds(rt))
    assert not (await news.read_state(rt, ["decrypt"])).stale
    assert (await news.read_state(rt, ["decrypt", FEED])).stale


async def test_a_filter_holds_for_any_telling_and_unknown_names_are_refused(rig: Rig, model: StandIn) -> None:
    rt, _, clock = rig
    await harness.drive(clock, news.read_feeds(rt))
    await news.score(rt)
    of_feed = await news.page(rt, NewsFilter(source="decrypt"), number=1, size=100)
    assert of_feed.total
    assert all(any(m.provider == "decrypt" for m in story.members) for story in of_feed.stories)
    of_bitcoin = await news.page(rt, NewsFilter(asset="bitcoin"), number=1, size=100)
    assert of_bitcoin.total
    assert all(any("bitcoin" in m.assets for m in story.members) for story in of_bitcoin.stories)
    assert (await news.page(rt, NewsFilter(sentiment="bearish"), number=1, size=10)).total == 0
    with pytest.raises(InvalidParameter):
        news.check_source(rt, "kraken")
    with pytest.raises(NotFound):
        await news.article(rt, "0" * 16)
    row, members = await news.article(rt, of_feed.stories[0].head.id)
    assert row in members


async def test_a_feed_of_the_settings_is_read_like_any_other(tmp_path: Path) -> None:
    async with harness.running(tmp_path, news_feeds="own=https://own.example/feed?type=rss") as (
        rt,
        _,
        clock,
    ):
        rt.models = StandIn()  # type: ignore[assignment]
        serve(rt, {"own": rss(("One", "https://own.example/a", None))})
        assert await harness.drive(clock, news.read_feeds(rt)) == 1
        assert rt.gateway.sources["own"].base_url == "https://own.example/feed?type=rss"
        assert "own" in {p.source.entry.id for p in await news.publishers(rt)}
        shown = msgspec.json.encode([providers.view(rt, rt.entries["own"]), providers.stats(rt, "own")])
        assert b"type=rss" not in shown
        assert b"/feed" not in shown
