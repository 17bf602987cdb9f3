"""A corpus of places where sources might be: a few good ones among many that are dead, wrong, hostile or lead inside.

Each place is a host of its own; what it says is a function of the simulated market and the time. `discovery_server.py` serves
them all; `directories` name them, as the directories of the world would.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape
from typing import Any, NamedTuple

import msgspec

from ..clock import Clock, rfc3339
from ..model.candle import MINUTE_MS
from .discovery_tables import IN_DOLLARS, STYLES, Row, Style
from .market import Market
from .news import desk_of
from .noise import key_of, unit

VETTED = "vetted"
"""In the addresses of a host: where the server of the corpus listens, which stands for the public internet."""
QUOTES = ("USDT", "USD", "USDT", "USDC")


class Said(NamedTuple):
    """One answer. `trap` names what the server does instead of sending `body`: endless, drip, hang, headers, close."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    trap: str = ""


Speak = Callable[[str, int], Said]
"""A path and the time, ms UTC, to what a place answers."""


@dataclass(slots=True)
class Spot:
    """One place: its host, what is named of it, whether a source of use is there, and what kind of place it is. `addresses` are
    what its name resolves to, one answer after the other, the last for ever; none: it does not."""

    host: str
    url: str
    good: bool
    kind: str
    speak: Speak
    addresses: list[tuple[str, ...]] = field(default_factory=lambda: [(VETTED,)])


class Tale(NamedTuple):
    """How a table is off the truth: `factor(base, now)` multiplies a price, `late_ms` is how old it is, `frozen`: it stands
    still from the corpus's start. `own`: it has noise of its own."""

    factor: Callable[[str, int], float] = lambda base, now: 1.0
    late_ms: int = 0
    frozen: bool = False
    own: bool = True


HONEST = Tale()
PAGE = b"<!doctype html><html><head><title>%s</title></head><body><h1>%s</h1>%s</body></html>"


def html(title: str, more: str = "", status: int = 200) -> Said:
    """A page for people; `more` is markup."""
    name = escape(title).encode()
    return Said(PAGE % (name, name, more.encode()), status, "text/html; charset=utf-8")


def json(value: Any, status: int = 200) -> Said:
    """A value as JSON."""
    return Said(msgspec.json.encode(value), status)


def moved(to: str) -> Said:
    """A redirect."""
    return Said(b"", 302, "text/plain", (("Location", to),))


class Corpus:
    """Places by host. `port` is that of every address but those that try others; `make` (`discovery_places.py`) fills it."""

    def __init__(self, market: Market, clock: Clock, port: int) -> None:
        self.market = market
        self.clock = clock
        self.port = port
        self.started_ms = clock.now_ms()
        self.spots: dict[str, Spot] = {}
        self._bases = [a.ticker for a in market.assets.values() if a.kind == "coin"][:40]

    def add(self, kind: str, speak: Speak, *, good: bool = False, path: str = "/", **more: Any) -> Spot:
        """A place more, with a host of its own."""
        host = f"{kind.replace('_', '-')}-{len(self.spots):03d}.example{len(self.spots)}.org"
        spot = Spot(host, f"https://{host}:{self.port}{path}", good, kind, speak, **more)
        self.spots[host] = spot
        return spot

    def say(self, host: str, path: str) -> Said:
        """What a place answers now."""
        spot = self.spots.get(host)
        return html("Not found", status=404) if spot is None else spot.speak(path, self.clock.now_ms())

    # --- what places say ---------------------------------------------------------------------------------------------

    def rows(self, seed: int, style: Style, tale: Tale, now: int, pairs: int = 0) -> list[Row]:
        """Pairs as one place shows them; how many, if not as many as it has."""
        at = (self.started_ms if tale.frozen else now) - tale.late_ms
        count = pairs or 12 + seed % 20
        rows = []
        for place, base in enumerate(self._bases[:count]):
            quote = "USD" if style in IN_DOLLARS else QUOTES[(seed + place // 30) % len(QUOTES)]
            price = self.market.true_price(base, at) / self.market.true_price(quote, at)
            if tale.own:
                price *= 1 + 0.0006 * (unit(key_of(seed, base), at // (10 * MINUTE_MS)) - 0.5)
            volume = 1e6 / price * (1 + unit(key_of(seed, base, "volume")))
            rows.append(Row(base, quote, float(f"{price * tale.factor(base, now):.8g}"), volume))
        return rows

    def table(
        self,
        seed: int,
        tale: Tale = HONEST,
        path: str = "",
        style: Style | None = None,
        *,
        pairs: int = 0,
        stops_ms: int = 0,
    ) -> Speak:
        """A place with a table at `path` (anywhere where it is empty), whose prices stop at a time."""
        chosen = style or STYLES[seed % len(STYLES)]

        def speak(asked: str, now: int) -> Said:
            if path and asked.split("?")[0] != path:
                return html("Not found", status=404)
            at = min(now, stops_ms) if stops_ms else now
            return json(chosen(self.rows(seed, chosen, tale, at, pairs), now))

        return speak

    def feed(self, seed: int, link: str, *, atom: bool = False, age_ms: int = 0) -> Speak:
        """A place that tells the market's news in its own words, `age_ms` old."""
        desk = desk_of(self.market)
        told_by = desk.feeds[seed % len(desk.feeds)]

        def speak(asked: str, now: int) -> Said:
            stories = [s for feed in (told_by, *desk.feeds[:6]) for s in desk.stories(feed, now - age_ms)][
                :25
            ]
            items = [
                (s.title, f"{link}/{seed}/{s.slug}", s.summary, s.published_ms - age_ms) for s in stories
            ]
            return atom_of(items) if atom else rss_of(items)

        return speak


def rss_of(items: Sequence[tuple[str, str, str, int]]) -> Said:
    """RSS 2.0 of title, link, summary and time."""
    told = "".join(
        f"<item><title>{escape(title)}</title><link>{escape(link)}</link><description>{escape(text)}</description>"
        f"<pubDate>{formatdate(ms // 1000, usegmt=True)}</pubDate></item>"
        for title, link, text, ms in items
    )
    body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{told}</channel></rss>'
    return Said(body.encode(), 200, "application/rss+xml")


def atom_of(items: Sequence[tuple[str, str, str, int]]) -> Said:
    """Atom 1.0 of the same."""
    told = "".join(
        f"<entry><title>{escape(title)}</title><link href='{escape(link)}'/><summary>{escape(text)}</summary>"
        f"<updated>{rfc3339(ms)}</updated></entry>"
        for title, link, text, ms in items
    )
    body = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{told}</feed>'
    return Said(body.encode(), 200, "application/atom+xml")


def bomb() -> Said:
    """A few kilobytes that unpack to a hundred megabytes."""
    return Said(_BOMB, 200, "application/json", (("Content-Encoding", "gzip"),))


_BOMB = gzip.compress(bytes(24 << 20), 9, mtime=0)


def sometimes(share: float, factor: float) -> Callable[[str, int], float]:
    """Wrong by `factor` for `share` of all coins and times."""

    def off(base: str, now: int) -> float:
        return factor if unit(key_of("off", base), now // (10 * MINUTE_MS)) < share else 1.0

    return off
