"""What the repos take and give beside model records. Ids are text; times are ms UTC; money is US dollars.

`None` is 'not given' or 'not known', never zero.
"""

from __future__ import annotations

from typing import NamedTuple

from ..model.candle import Candle
from ..model.defi import TvlPoint
from ..model.sentiment import Score
from .tables import CONSENSUS


class PriceRow(NamedTuple):
    """One price of one asset, in US dollars. `price` is None where `status` is not `ok` (`no_consensus`).

    `half_width` is the confidence half-width in US dollars, `sources` the number of independent sources,
    `dispersion_pct` the spread between them in percent, `method` the name of the method and its version.
    """

    asset: str
    timestamp: int
    price: float | None
    half_width: float | None = None
    sources: int | None = None
    dispersion_pct: float | None = None
    status: str = "ok"
    method: str | None = None
    provider: str = CONSENSUS


PricePoint = tuple[int, float | None]
"""One point of a price history: its time and the price in US dollars. A plain tuple, as the driver makes it: a chart is
thousands of them, and a second object for each would cost half of the read again."""


class QuoteRow(NamedTuple):
    """One source's quote behind a consensus price, as pricing saw it: enough to compute the price again, bit for bit.

    `timestamp` is the price's. The fields from `provider` on are those of `pricing.source.SourceQuote`, in its order:
    `QuoteRow(asset, timestamp, *quote)` and `SourceQuote(*row[2:])`.
    """

    asset: str
    timestamp: int
    provider: str
    source: str
    kind: str
    symbol: str
    currency: str
    price: float
    bid: float | None
    ask: float | None
    volume: float | None
    event_ms: int | None
    received_ms: int
    unchanged_since_ms: int


class RateRow(NamedTuple):
    """What one unit of `currency` cost in US dollars when the prices of `timestamp` were decided."""

    timestamp: int
    currency: str
    usd: float


class SeriesKey(NamedTuple):
    """Candles of one pair at one venue in one interval."""

    provider: str
    base: str
    quote: str
    interval: str


class CandleRange(NamedTuple):
    """Candles ascending by open time. `repaired` maps the open time of each candle that another venue supplied to that
    venue's id."""

    candles: list[Candle]
    repaired: dict[int, str]


class Coverage(NamedTuple):
    """Stored open times of a series: the first, the last, and how many candles."""

    first_ms: int
    last_ms: int
    candles: int


class Gap(NamedTuple):
    """Open times in [start_ms, end_ms) have no candle."""

    start_ms: int
    end_ms: int


class ConfirmedGap(NamedTuple):
    """A gap the venue itself confirmed: it answered for the range and had nothing in it."""

    start_ms: int
    end_ms: int
    reason: str


class BackfillRow(NamedTuple):
    """How far a backfill has come: everything in [from_ms, done_to_ms) of [from_ms, to_ms) was asked for and stored."""

    series: SeriesKey
    from_ms: int
    to_ms: int
    done_to_ms: int
    updated_ms: int


class MarketRow(NamedTuple):
    """The whole market as one aggregator counts it, with the consensus prices of bitcoin and ether beside it."""

    timestamp: int
    provider: str
    btc_price: float | None
    eth_price: float | None
    market_cap: float | None
    volume_24h: float | None
    btc_dominance_pct: float | None
    eth_dominance_pct: float | None
    active_coins: int | None
    change_24h_pct: float | None


class ProviderRow(NamedTuple):
    """One provider's state. `health_score` is 0 to 1; `detail` is JSON text of the caller's own shape. `priority` and
    `weight` are an operator's overrides."""

    id: str
    status: str | None = None
    health_score: float | None = None
    last_check: int | None = None
    detail: str | None = None
    enabled: bool = True
    priority: int | None = None
    weight: float | None = None


class PoolMemberRow(NamedTuple):
    """A provider in a pool. `priority` None: the catalogue's rank. `removed`: a shipped pool is to do without it."""

    provider: str
    priority: int | None
    weight: float
    enabled: bool = True
    removed: bool = False


class PoolRow(NamedTuple):
    """A pool and its members, by priority. `capabilities`: what one of the operator's own serves, by spaces."""

    id: str
    name: str
    category: str
    strategy: str
    created_ms: int
    enabled: bool = True
    members: tuple[PoolMemberRow, ...] = ()
    capabilities: str = ""


class ApiCallRow(NamedTuple):
    """One upstream call. `status` is `ok` or the error's code; `http_status` is None where no answer came."""

    timestamp: int
    provider: str
    endpoint: str
    response_time_ms: float | None
    status: str
    http_status: int | None = None


class CallStats(NamedTuple):
    """Upstream calls of one provider in a span of time. `mean_ms` is over the calls that were answered well."""

    provider: str
    calls: int
    failures: int
    mean_ms: float | None
    last_ms: int


class UserRequestRow(NamedTuple):
    """Client requests alike: `batched` of them in the minute that began before `timestamp`, the first one's time.
    `endpoint` is the route, `address` the client's (`*` for those beyond what a minute keeps apart), `response_time_ms`
    their mean."""

    timestamp: int
    address: str
    endpoint: str
    status: int
    response_time_ms: float | None
    batched: int = 1


class RequestStats(NamedTuple):
    """Client requests in a span of time."""

    requests: int
    mean_ms: float | None


class BudgetRow(NamedTuple):
    """What was used of one upstream limit, in the part of its window that began at `window_start_ms`."""

    scope: str
    window_s: int
    window_start_ms: int
    used: float


class Kept(NamedTuple):
    """The last answer of a list that is kept as a whole. `source` names the providers behind it, `payload` is text of the
    caller's own shape, `timestamp` when it was made."""

    key: str
    timestamp: int
    source: tuple[str, ...]
    payload: str


class TvlSeries(NamedTuple):
    """A TVL history as one provider tells it: ascending, a point a UTC day, at the day's beginning."""

    provider: str
    points: list[TvlPoint]


class NewsRow(NamedTuple):
    """An article. `id` is the same for the same canonical `url`, `story` the id of the article that began its story.

    `dated`: the feed told when it was published; else `published_ms` is the caller's own estimate. `assets` are
    canonical ids, the most prominent first. `score` and `scored_ms` are None until a model has seen it.
    """

    id: str
    provider: str
    url: str
    link: str
    guid: str | None
    title: str
    summary: str | None
    author: str | None
    image: str | None
    tags: tuple[str, ...]
    published_ms: int
    dated: bool
    received_ms: int
    story: str
    assets: tuple[str, ...] = ()
    score: Score | None = None
    scored_ms: int | None = None


class FeedRow(NamedTuple):
    """A feed as it was asked last, at `checked_ms`. `etag` and `last_modified` are what it is asked with next;
    `changed_ms` is when it last had something new."""

    provider: str
    title: str | None
    etag: str | None
    last_modified: str | None
    checked_ms: int
    changed_ms: int | None


class NewsFilter(NamedTuple):
    """What a story must have, None for anything. One of its articles must be of the feed `source`, name `asset`, hold
    every word of `q` in title or summary (the last may be the beginning of one) and be published in
    [since_ms, until_ms); the article that stands for the story must have the label `sentiment`."""

    source: str | None = None
    asset: str | None = None
    sentiment: str | None = None
    q: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class Scored(NamedTuple):
    """An article with a score, without its long texts."""

    id: str
    story: str
    provider: str
    title: str
    url: str
    published_ms: int
    score: Score
    assets: tuple[str, ...]


class SentimentDay(NamedTuple):
    """The scored articles of one feed published on one UTC day: how many, the mean of bullish - bearish (-1 to 1), and
    how many have each label."""

    day_ms: int
    provider: str
    items: int
    score: float
    bearish: int
    neutral: int
    bullish: int


class AuditRow(NamedTuple):
    """One action of an admin. `actor` is the id of a key or `cli`, `target` what it was done to, `request` the request
    id, `status` the HTTP status it ended with (None: it did not end)."""

    number: int
    at_ms: int
    actor: str
    address: str
    action: str
    target: str
    request: str
    status: int | None
