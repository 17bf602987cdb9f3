"""Probing a candidate: it is asked through the outbound guard, what came is understood, and an entry proposed for it.

A candidate is asked at few addresses: the one that was named, and those that its answer leads to. What is understood is
tried at once: a table counts only read in a way that gives the prices the market has now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..gateway.outbound import OutboundReply
from ..model.ask import Capability, NewsAsk, QuotesAsk
from ..model.errors import UpstreamError
from ..model.news import Article
from ..model.quote import Quote
from ..providers import catalog, inference
from ..providers.directories import ABOUT, Lead, follow, well_known
from ..providers.inference import Guess
from ..providers.kit import Reply
from ..store.repos import news as news_repo
from ..telemetry import mask
from .discovery_rule import AGREES, COMPARED, FEED_ABOUT, MIN_ASSETS, FeedItem, Point
from .discovery_state import (
    FAILED,
    PROBED,
    REFUSED,
    STEPS,
    Candidate,
    Discovery,
    Proposal,
    Step,
    entry_id,
    entry_of,
    fields_of_feed,
    fields_of_table,
    site_of,
    understood,
)
from .newsroom import article_id
from .runtime import Runtime

MAX_FETCHES = 8
KINDS = ("api", "feed", "page", "readme")
"""Of leads, the most promising first."""
MIN_SOURCES = 3
"""Independent sources a consensus must rest on to be compared with."""
FIRST_SHARE = 0.8
"""Of the prices of the first reading must agree for a trial to be worth its time."""
FIRST_ITEMS = 3
TRIES = 3
ANYBODY = "candidate"
"""A venue that is none: a candidate's tickers mean what they mean everywhere."""
FRESH_QUOTE_MS = 120_000
LOOKED_AT = 5_000
"""Rows of a table that are compared with anything: this is done between other work."""
ITEMS = 100
"""Items of a feed that are judged, the first."""
DIGITS = 5
"""Digits a price needs for two equal ones to be no chance."""
CURRENCIES = {name: place for place, name in enumerate(("USD", "USDT", "USDC", "EUR", "GBP"))}
TEMPORARY = frozenset(
    {"upstream_timeout", "upstream_unreachable", "upstream_server_error", "upstream_rate_limited"}
)


class Tried(NamedTuple):
    """What became of one answer: a proposal, or why there is none; leads to go on with."""

    proposal: Proposal | None
    outcome: str
    detail: str = ""
    leads: tuple[Lead, ...] = ()


async def probe(rt: Runtime, discovery: Discovery, candidate: Candidate) -> None:
    """Ask a candidate and move it on: to `probed` with a proposal, to `refused`, or to `failed` where another day may tell
    more. Raises StoreError."""
    waiting = [Lead(candidate.row.url, candidate.row.kind, candidate.row.name)]
    asked: set[str] = set()
    candidate.evidence.steps = []
    temporary = False
    while waiting and len(asked) < MAX_FETCHES:
        lead = waiting.pop(0)
        if lead.url in asked:
            continue
        asked.add(lead.url)
        tried, code = await _ask(rt, discovery, candidate, lead)
        temporary = (
            temporary or (len(asked) == 1 and code in TEMPORARY) or tried.outcome == "nothing_to_compare"
        )
        if len(candidate.evidence.steps) < STEPS:
            candidate.evidence.steps.append(Step(mask(lead.url), tried.outcome, tried.detail[:200]))
        if tried.proposal is not None:
            candidate.proposal = tried.proposal
            candidate.move(PROBED, rt.clock.now_ms(), (tried.detail,))
            return
        waiting = _order(waiting, tried.leads)
        if tried.outcome in ("html", "json") and not waiting and len(asked) == 1:
            waiting = [Lead(url, "api", lead.name) for url in well_known(lead.url)]
    _turn_down(rt, candidate, temporary)


def _order(waiting: list[Lead], more: Sequence[Lead]) -> list[Lead]:
    """Depth first: what an answer leads to before what else there was; prices before pages."""
    ranked = sorted(more[:20], key=lambda lead: KINDS.index(lead.kind))
    return [*ranked, *waiting][: 2 * MAX_FETCHES]


def _turn_down(rt: Runtime, candidate: Candidate, temporary: bool) -> None:
    steps = candidate.evidence.steps
    reasons = [f"{step.outcome}: {step.detail}" if step.detail else step.outcome for step in steps][:5]
    candidate.evidence.tries += 1
    again = temporary and candidate.evidence.tries < TRIES
    candidate.move(FAILED if again else REFUSED, rt.clock.now_ms(), reasons)


async def _ask(rt: Runtime, discovery: Discovery, candidate: Candidate, lead: Lead) -> tuple[Tried, str]:
    try:
        reply = await discovery.outbound.get(lead.url)
    except UpstreamError as error:
        return Tried(None, error.code, error.message), error.code
    if reply.status != 200:
        code = "upstream_server_error" if reply.status >= 500 else "upstream_rejected"
        return Tried(None, code, f"status {reply.status}"), code
    if urlsplit(reply.url).scheme != "https":
        return Tried(None, "not_https"), ""
    try:
        return await _understand(rt, candidate, lead, reply), ""
    except UpstreamError as error:
        return Tried(None, error.code, error.message), error.code


async def _understand(rt: Runtime, candidate: Candidate, lead: Lead, reply: OutboundReply) -> Tried:
    kind = inference.kind_of(reply.body)
    if kind == "feed":
        return await _feed(rt, candidate, reply)
    if kind == "html":
        return Tried(None, "html", "a page for people", await _links(candidate, reply, kind))
    if kind == "other" and lead.kind == "readme":
        return Tried(None, "readme", "", await _links(candidate, reply, "readme"))
    if kind != "json":
        return Tried(None, "unreadable", "neither JSON, a feed nor a page")
    document = await understood(inference.document, reply.body)
    meaning = inference.meaning_of(document)
    if meaning == "feed":
        return await _feed(rt, candidate, reply)
    if meaning != "table":
        return Tried(None, meaning, "a description", await _links(candidate, reply, meaning))
    if any(site_of(entry.base_url) == site_of(reply.url) for entry in rt.entries.values()):
        return Tried(None, "known", "the catalogue has this site")
    return await _table(rt, candidate, reply, document)


async def _links(candidate: Candidate, reply: OutboundReply, kind: str) -> tuple[Lead, ...]:
    """Where a document leads; a page for people to its own site alone."""
    content_type = reply.headers.get("content-type", "")
    leads = await understood(follow, reply.body, reply.url, kind, content_type)
    if kind == "html":
        leads = [lead for lead in leads if site_of(lead.url) == site_of(reply.url)]
    return tuple(leads)


# --- prices -----------------------------------------------------------------------------------------------------------


def priced(rt: Runtime) -> bool:
    """Whether there is a consensus to compare with."""
    now, limit_ms = rt.clock.now_ms(), rt.freshness.prices * 1000
    fresh = (p for p in rt.pricer.last.values() if p.sources >= MIN_SOURCES and now - p.as_of_ms <= limit_ms)
    return sum(1 for _ in zip(fresh, range(MIN_ASSETS), strict=False)) >= MIN_ASSETS


async def _table(rt: Runtime, candidate: Candidate, reply: OutboundReply, document: Any) -> Tried:
    def coin(ticker: str) -> bool:
        return any(asset.kind == "coin" for asset in rt.resolver.by_ticker(ticker)[:1])

    found = await understood(inference.guesses, document, coin, reply.received_ms)
    if not found:
        return Tried(None, "json", "no table of prices in it")
    if not priced(rt):
        return Tried(None, "nothing_to_compare", "the service has no prices itself now")
    best: tuple[int, int, Proposal | None] = (0, 0, None)
    for guess in found:
        proposal = _proposal(candidate, reply, guess)
        points = await _points(rt, proposal, reply)
        agreed = sum(abs(point.price / point.consensus - 1) <= AGREES for point in points)
        # Of two ways to read it the one that gives more right prices, then fewer wrong ones.
        if (agreed, -len(points)) > (best[0], -best[1]) or best[2] is None:
            best = (agreed, len(points), proposal)
    agreed, points_made, proposed = best
    detail = f"{agreed} of {points_made} prices agree with the consensus"
    if points_made < MIN_ASSETS:
        return Tried(None, "too_few_prices", f"{points_made} prices of assets that have a consensus")
    if agreed < FIRST_SHARE * points_made:
        return Tried(None, "prices_disagree", detail)
    return Tried(proposed, "table", detail)


def _proposal(candidate: Candidate, reply: OutboundReply, guess: Guess) -> Proposal:
    row = candidate.row
    host = urlsplit(reply.url).hostname or row.name
    fields = fields_of_table(reply.url, host, row.found_by, guess.table)
    return Proposal(entry_id(reply.url, row.id), "exchange", fields)


async def _points(rt: Runtime, proposal: Proposal, reply: OutboundReply) -> list[Point]:
    try:
        quotes = await understood(read_quotes, proposal, reply)
    except UpstreamError:
        return []
    return compare(rt, quotes)


def read_quotes(proposal: Proposal, reply: OutboundReply) -> list[Quote]:
    """The quotes of an answer as the proposed entry reads it. Raises UpstreamError, CatalogError."""
    endpoint = catalog.adapter_of(entry_of(proposal)).endpoints[Capability.QUOTES]
    made = Reply(proposal.id, reply.status, reply.body, reply.received_ms, reply.headers)
    return [record for record in endpoint.parse(made, QuotesAsk()) if isinstance(record, Quote)]


def compare(rt: Runtime, quotes: Iterable[Quote]) -> list[Point]:
    """The quotes beside the consensus of now, one an asset, the COMPARED most traded: only coins whose ticker is certain and
    whose price rests on several sources."""
    rates = rt.pricer.rates_into("USD")
    chosen: dict[str, Quote] = {}
    for quote in islice(quotes, LOOKED_AT):
        if quote.quote not in CURRENCIES or not rates.get(quote.quote):
            continue
        # The resolver remembers what it is asked: strangers' tickers must not crowd out those of venues in use.
        if not rt.resolver.by_ticker(quote.base):
            continue
        asset = rt.resolver.venue_asset(ANYBODY, quote.base)
        if asset is None or asset.kind != "coin" or not rt.resolver.counts(ANYBODY, quote.base):
            continue
        held = chosen.get(asset.id)
        if held is None or CURRENCIES[quote.quote] < CURRENCIES[held.quote]:
            chosen[asset.id] = quote
    volumes = {
        asset: rt.pricer.last[asset, "USD"].volume_24h or 0.0
        for asset in chosen
        if (asset, "USD") in rt.pricer.last
    }
    made: list[Point] = []
    for asset_id in sorted(volumes, key=lambda asset: (-volumes[asset], asset))[: 3 * COMPARED]:
        price = rt.pricer.point(asset_id)
        if price is None or price.price is None or price.stale or price.sources < MIN_SOURCES:
            continue
        quote = chosen[asset_id]
        same, seen = _alike(rt, asset_id, quote)
        made.append(Point(asset_id, quote.price * rates[quote.quote], price.price, quote.price, same, seen))
        if len(made) >= COMPARED:
            break
    return made


def _alike(rt: Runtime, asset_id: str, quote: Quote) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which sources in use give the very digits of a quote, and which quote the pair at all."""
    if len(f"{quote.price:.12g}".replace(".", "").strip("0")) < DIGITS:
        return (), ()
    fresh_ms = rt.clock.now_ms() - FRESH_QUOTE_MS
    seen: dict[str, bool] = {}
    for held in rt.board.of(asset_id):
        other = held.quote
        if other.currency == quote.quote and other.received_ms >= fresh_ms:
            seen[other.source] = seen.get(other.source, False) or other.price == quote.price
    return tuple(source for source, same in seen.items() if same), tuple(seen)


# --- feeds ------------------------------------------------------------------------------------------------------------


async def _feed(rt: Runtime, candidate: Candidate, reply: OutboundReply) -> Tried:
    if any(entry.base_url == reply.url for entry in rt.entries.values() if entry.kind == "feed"):
        return Tried(None, "known", "the catalogue has this feed")
    host = (urlsplit(reply.url).hostname or "").removeprefix("www.")
    proposal = Proposal(entry_id(reply.url, candidate.row.id), "news", fields_of_feed(reply.url, host))
    items = await read_items(rt, proposal, reply)
    about = sum(item.about for item in items)
    detail = f"{about} of {len(items)} items are about cryptocurrencies"
    if len(items) < FIRST_ITEMS:
        return Tried(None, "too_few_items", f"{len(items)} items")
    if about < FEED_ABOUT * len(items):
        return Tried(None, "off_topic", detail)
    return Tried(proposal, "feed", detail)


async def read_items(rt: Runtime, proposal: Proposal, reply: OutboundReply) -> list[FeedItem]:
    """The items of a feed, each judged. Raises UpstreamError, StoreError."""
    endpoint = catalog.adapter("feed").endpoints[Capability.NEWS]
    made = Reply(proposal.id, reply.status, reply.body, reply.received_ms, reply.headers)

    def parse() -> list[Article]:
        return [record for record in endpoint.parse(made, NewsAsk()) if isinstance(record, Article)]

    articles = (await understood(parse))[:ITEMS]
    await rt.newsroom.prepare()
    ids = [article_id(article.url) for article in articles]
    held = await news_repo.known(rt.store, ids)
    return [
        FeedItem(name, _about(rt, article), article.published_ms, name in held)
        for name, article in zip(ids, articles, strict=True)
    ]


def _about(rt: Runtime, article: Article) -> bool:
    words = f"{article.title} {article.summary or ''} {' '.join(article.tags)}"
    return bool(ABOUT.search(words) or rt.newsroom.assets_in(article.title, article.summary))
