"""The simulated feeds: every one can be read, changes only when it has news, and tells what the market did."""

from __future__ import annotations

from collections import Counter
from string import Formatter

import pytest
from sim_client import START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability, NewsAsk
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.model.news import Article, FeedState
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers import catalog
from crypto_dt_source.sim.app import create_app
from crypto_dt_source.sim.news import CALM, WINDOW_MS, Event, NewsDesk, desk_of, dollars
from crypto_dt_source.sim.wire.feed import ROUTES
from crypto_dt_source.sim.wordings import CARRIERS, CLOSINGS, WORDINGS

FEEDS = {i: e for i, e in catalog.load().items() if e.kind == "feed"}
LIVE = [entry for entry in FEEDS.values() if entry.status == "live"]
ROOTS = (b"<rss ", b"<feed ", b"<rdf:RDF ", b'{"version":')
FACTS = {"name", "ticker", "pct", "sign", "price", "amount", "count"}


@pytest.fixture
def papers(clock: ManualClock) -> Client:
    """A client of a simulator of feeds alone."""
    return Client(create_app(7, clock, FEEDS), clock)


async def news(client: Client, feed: str, ask: NewsAsk | None = None) -> tuple[FeedState, list[Article]]:
    entry, asked = FEEDS[feed], ask or NewsAsk()
    endpoint = catalog.adapter("feed").endpoints[Capability.NEWS]
    reply = await client.reply(entry, endpoint.request(asked))
    assert reply.status in (200, 304)
    state, *articles = endpoint.parse(reply, asked)
    assert isinstance(state, FeedState)
    assert [violation(record) for record in (state, *articles)] == [None] * (len(articles) + 1)
    return state, [article for article in articles if isinstance(article, Article)]


async def told(client: Client) -> dict[str, list[Article]]:
    return {entry.id: (await news(client, entry.id))[1] for entry in LIVE}


def events(client: Client, now_ms: int) -> list[Event]:
    return list(desk_of(client.app.market)._between(now_ms - WINDOW_MS, now_ms))


async def test_every_feed_has_news_from_the_start(papers: Client, clock: ManualClock) -> None:
    papers_by_feed = await told(papers)
    assert min(map(len, papers_by_feed.values())) >= 1
    assert 38 <= len(events(papers, START_MS)) <= 42
    for feed, articles in papers_by_feed.items():
        for article in articles:
            assert article.url.startswith(f"https://{FEEDS[feed].host}/news/")
            assert article.published_ms is not None
            assert clock.now_ms() - WINDOW_MS <= article.published_ms <= clock.now_ms()
            assert article.summary
            assert article.tags
            assert (article.author or "").endswith("(simulator)")


async def test_all_formats_are_spoken(papers: Client) -> None:
    bodies = [await papers.get(f"/{entry.id}") for entry in LIVE]
    assert {body.headers["content-type"].partition(";")[0] for body in bodies} == {
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
        "application/feed+json",
    }
    roots = Counter(root for body in bodies for root in ROOTS if root in body.body[:200])
    assert set(roots) == set(ROOTS)
    assert sum(roots.values()) == len(LIVE)


async def test_an_unchanged_feed_costs_a_304_and_news_a_body(papers: Client, clock: ManualClock) -> None:
    for entry in LIVE:
        state, _ = await news(papers, entry.id)
        assert state.etag
        assert state.last_modified
        for ask in (NewsAsk(state.etag, state.last_modified), NewsAsk(None, state.last_modified)):
            endpoint = catalog.adapter("feed").endpoints[Capability.NEWS]
            reply = await papers.reply(entry, endpoint.request(ask))
            assert (reply.status, reply.body) == (304, b"")
            assert (await news(papers, entry.id, ask))[0].unchanged
        assert not (await news(papers, entry.id, NewsAsk('"other"', state.last_modified)))[0].unchanged
    before = {entry.id: (await news(papers, entry.id))[0] for entry in LIVE}
    await clock.advance(6 * HOUR_MS / 1000)
    changed = 0
    for entry in LIVE:
        state, articles = await news(papers, entry.id, NewsAsk(before[entry.id].etag))
        changed += not state.unchanged
        assert state.unchanged or articles
    assert changed > len(LIVE) / 2


async def test_news_keeps_coming_and_what_was_told_stays(papers: Client, clock: ManualClock) -> None:
    first = await told(papers)
    at = clock.now_ms()
    await clock.advance(HOUR_MS / 1000)
    later = await told(papers)
    assert len([event for event in events(papers, clock.now_ms()) if event.at_ms > at]) >= 12
    for feed, articles in first.items():
        kept = {article.url: article for article in later[feed]}
        lasting = [a for a in articles if (a.published_ms or 0) > clock.now_ms() - WINDOW_MS + HOUR_MS]
        assert {article.url: article.title for article in lasting}.items() <= {
            url: article.title for url, article in kept.items()
        }.items()


async def test_one_event_is_told_by_several_in_their_own_words(papers: Client) -> None:
    desk = desk_of(papers.app.market)
    shared = [event for event in events(papers, START_MS - HOUR_MS) if len(event.feeds) > 1]
    assert len(shared) >= 15
    for event in shared:
        stories = [
            s for feed in event.feeds for s in desk.stories(feed, START_MS) if s.event.slot == event.slot
        ]
        assert 1 < len(stories) <= CARRIERS
        assert len({story.title for story in stories}) == len(stories)
        for story in stories:
            assert event.facts["price"] in story.summary
            assert event.facts["name"] in story.title + story.summary


async def test_the_tone_is_what_the_market_did(papers: Client) -> None:
    market = papers.app.market
    seen = set()
    for event in events(papers, START_MS):
        price = market.true_price(event.ticker, event.at_ms)
        move = price / market.true_price(event.ticker, event.at_ms - DAY_MS) - 1
        assert event.tone == ("flat" if abs(move) < CALM else "up" if move > 0 else "down")
        assert event.facts["pct"] == f"{abs(move) * 100:.1f}%"
        assert event.facts["price"] == dollars(price)
        seen.add(event.tone)
    assert seen == {"up", "down", "flat"}


async def test_a_shock_is_news(papers: Client, clock: ManualClock) -> None:
    for ticker in papers.app.market.assets:
        if papers.app.market.assets[ticker].kind == "coin":
            papers.app.market.shock(ticker, 0.5)
    at = clock.now_ms()
    await clock.advance(2 * HOUR_MS / 1000)
    after = [event for event in events(papers, clock.now_ms()) if event.at_ms > at]
    assert after
    assert {event.tone for event in after} == {"down"}


async def test_authorities_tell_of_policy_alone(papers: Client) -> None:
    for event in events(papers, START_MS):
        press = [feed for feed in event.feeds if feed.endswith("_press")]
        assert bool(press) == (event.kind == "policy")


def test_the_past_does_not_depend_on_when_the_simulator_starts(clock: ManualClock) -> None:
    one = desk_of(create_app(7, clock, FEEDS).market)
    other = desk_of(create_app(7, ManualClock(START_MS - 12 * HOUR_MS), FEEDS).market)
    day = START_MS - DAY_MS
    assert one.stories("coindesk", day) == other.stories("coindesk", day)
    assert desk_of(create_app(8, clock, FEEDS).market).stories("coindesk", day) != one.stories(
        "coindesk", day
    )


async def test_a_feed_that_is_off_is_not_there(papers: Client) -> None:
    assert (await papers.get("/dlnews")).status == 404
    assert NewsDesk(papers.app.market).stories("dlnews", START_MS) == []
    assert list(ROUTES) == ["/"]


def test_every_wording_can_be_filled() -> None:
    for kind, tones in WORDINGS.items():
        assert set(tones) == {"up", "down", "flat"}, kind
        for wording in tones.values():
            assert len(set(wording.titles)) == CARRIERS
            assert wording.openings
            for text in (*wording.titles, *wording.openings, *CLOSINGS):
                assert {name for _, name, _, _ in Formatter().parse(text) if name} <= FACTS
            for text in (*wording.titles, *wording.openings):
                assert "{name}" in text or "{ticker}" in text or kind == "policy"


@pytest.mark.parametrize(
    ("price", "shown"),
    [(91_234.5, "$91,234"), (142.333, "$142.33"), (0.284, "$0.284"), (0.0000089, "$0.00000890")],
)
def test_prices_read_like_prices(price: float, shown: str) -> None:
    assert dollars(price) == shown
