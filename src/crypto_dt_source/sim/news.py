"""The news of the simulated market: one stream of events, told by several feeds each in its own words.

An event is a function of (seed, its time): what it tells of an asset is what the asset's true price did. Before the
simulator's first question there was one about every 72 minutes, from then on there is one every four.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ..model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from .market import Market
from .noise import key_of, unit
from .wordings import AUTHORS, CARRIERS, CLOSINGS, WORDINGS

SLOT_MS = 4 * MINUTE_MS
PAST_SLOTS = 18
"""Of the slots before the start, each of this number has an event: 40 in two days."""
WINDOW_MS = 2 * DAY_MS
STORIES = 30
"""Stories in a feed at most, the newest."""
CALM = 0.006
"""A day's move below it is none."""
SHARES = (0.2, 0.45, 0.7, 0.87)
"""Of events that have at most 1, 2, 3 and 4 feeds telling of them; the others have CARRIERS."""
PRESS = "_press"
"""Ends the ids of feeds of authorities: they tell of policy and of nothing else."""
POLICY_EVERY = 8
_KINDS = ("move", "move", "flows", "leverage", "network")
_KEPT = 4_000


class Event(NamedTuple):
    """What happened: the facts that every feed's words share. `at_ms` is when; `facts` fill a wording's placeholders."""

    slot: int
    at_ms: int
    ticker: str
    kind: str
    tone: str
    facts: dict[str, str]
    feeds: tuple[str, ...]


class Story(NamedTuple):
    """An event as one feed tells it; `slug` is the end of its address."""

    event: Event
    title: str
    summary: str
    slug: str
    author: str
    published_ms: int


class NewsDesk:
    """The events of one market and who tells of them."""

    def __init__(self, market: Market) -> None:
        self._key = key_of(market.seed, "news")
        self._market = market
        self._start_slot = market.clock.now_ms() // SLOT_MS
        live = [e.id for e in market.entries.values() if e.kind == "feed" and e.status in ("live", "keyed")]
        self.feeds = tuple(live)
        self._press = tuple(feed for feed in live if feed.endswith(PRESS)) or self.feeds
        self._papers = tuple(feed for feed in live if not feed.endswith(PRESS)) or self.feeds
        self._tickers = [asset.ticker for asset in market.assets.values() if asset.kind == "coin"]
        self._events: dict[int, Event] = {}

    def stories(self, feed: str, now_ms: int) -> list[Story]:
        """What `feed` shows at `now_ms`, the newest first, STORIES at most; nothing for a feed the market does not
        have."""
        told = (
            self._story(event, feed)
            for event in self._between(now_ms - WINDOW_MS, now_ms)
            if feed in event.feeds
        )
        shown = [story for story in told if story.published_ms <= now_ms]
        return sorted(shown, key=lambda story: -story.published_ms)[:STORIES]

    def _between(self, start_ms: int, end_ms: int) -> Iterator[Event]:
        for slot in range(start_ms // SLOT_MS, end_ms // SLOT_MS + 1):
            if slot >= self._start_slot or slot % PAST_SLOTS == 0:
                yield self._event(slot)

    def _event(self, slot: int) -> Event:
        known = self._events.get(slot)
        if known is None:
            if len(self._events) >= _KEPT:
                self._events.clear()
            known = self._events[slot] = self._make(slot)
        return known

    def _make(self, slot: int) -> Event:
        key = key_of(self._key, slot)
        at_ms = slot * SLOT_MS + int(unit(key, 0) * MINUTE_MS)
        number = slot // PAST_SLOTS if slot % PAST_SLOTS == 0 else slot
        ticker, move = max(
            (self._mover(key, draw, at_ms) for draw in (1, 2)), key=lambda found: abs(found[1])
        )
        tone = "flat" if abs(move) < CALM else "up" if move > 0 else "down"
        policy = number % POLICY_EVERY == 0
        kind = "policy" if policy else _KINDS[int(unit(key, 3) * len(_KINDS))]
        asset = self._market.assets[ticker]
        facts = {
            "name": asset.name,
            "ticker": ticker,
            "pct": f"{abs(move) * 100:.1f}%",
            "sign": "-" if move < 0 else "+",
            "price": dollars(self._market.true_price(ticker, at_ms)),
            "amount": f"${20 + int(480 * unit(key, 4))}",
            "count": f"{40 + int(50 * unit(key, 5))}" if policy else f"{100 + int(900 * unit(key, 5))},000",
        }
        first = self._press if policy else self._papers
        lead = first[(number // POLICY_EVERY if policy else number) % len(first)]
        others = sorted((f for f in self._papers if f != lead), key=lambda feed: key_of(key, "carries", feed))
        drawn = unit(key, 6)
        count = next((n for n, share in enumerate(SHARES, 1) if drawn < share), CARRIERS)
        return Event(slot, at_ms, ticker, kind, tone, facts, (lead, *others[: count - 1]))

    def _mover(self, key: int, draw: int, at_ms: int) -> tuple[str, float]:
        """A coin, the large ones more often, and its move over the day before as a fraction."""
        # Even draws of the rank's logarithm: each tenfold of the list is as likely as the next.
        rank = int(len(self._tickers) ** unit(key, 100 + draw)) - 1
        ticker = self._tickers[rank]
        before = self._market.true_price(ticker, at_ms - DAY_MS)
        return ticker, self._market.true_price(ticker, at_ms) / before - 1

    def _story(self, event: Event, feed: str) -> Story:
        place = event.feeds.index(feed)
        key = key_of(self._key, event.slot, feed)
        wording = WORDINGS[event.kind][event.tone]
        turn = event.slot + place
        title = wording.titles[turn % len(wording.titles)].format(**event.facts)
        opening = wording.openings[turn % len(wording.openings)].format(**event.facts)
        closing = CLOSINGS[int(unit(key, 1) * len(CLOSINGS))].format(**event.facts)
        late = unit(key, 2) * (3 * MINUTE_MS if place == 0 else 3 * HOUR_MS / 4)
        words = "".join(c if c.isalnum() else " " for c in title.lower()).split()
        return Story(
            event,
            title,
            f"{opening} {closing}",
            f"{'-'.join(words)}-{event.slot}",
            f"{AUTHORS[int(unit(key, 3) * len(AUTHORS))]} (simulator)",
            (event.at_ms + int(late)) // 1000 * 1000,
        )


def dollars(price: float) -> str:
    """A price as headlines print it."""
    if price >= 1000:
        return f"${price:,.0f}"
    return f"${price:.2f}" if price >= 1 else f"${price:.{2 - floor(log10(price))}f}"


_DESKS: WeakKeyDictionary[Market, NewsDesk] = WeakKeyDictionary()


def desk_of(market: Market) -> NewsDesk:
    """The one desk of a market; it opens, for good, when it is first asked for."""
    desk = _DESKS.get(market)
    if desk is None:
        desk = _DESKS[market] = NewsDesk(market)
    return desk
