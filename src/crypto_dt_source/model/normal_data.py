"""The normal form of what is no market record: DeFi, derivatives, chains, news, fear and greed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from .bounds import (
    LAST_MS,
    TEXT_LIMIT,
    is_count,
    is_finite,
    is_id,
    is_name,
    is_not_negative,
    is_positive,
    is_price,
    is_text,
    is_ticker,
    is_time,
    wrong_late,
    wrong_moments,
)
from .defi import ChainTvl, DefiProtocol, DefiProtocolDetail, DexVolume, Stablecoin, TvlPoint, YieldPool
from .derivatives import FundingRate, OpenInterest
from .news import SUMMARY_LIMIT, TITLE_LIMIT, URL_LIMIT, Article, FeedState
from .onchain import ChainStats, GasFee
from .sentiment import FearGreed

CHAINS_LIMIT = 500
"""Chains of one protocol."""
TAGS_LIMIT = 40
POINTS_LIMIT = 20_000
"""Points of one history: more than fifty years of days."""
TVL_LIMIT = 1e14
"""US dollars: above it a TVL is a broken oracle, not money."""
RATE_LIMIT = 1.0
"""A funding rate is a fraction: a whole position a settlement is a wrong unit."""
APY_LIMIT = 1e9
DAY_MS = 86_400_000
HEADER_LIMIT = 500


def _words(texts: tuple[str, ...], limit: int) -> bool:
    return len(texts) <= limit and all(is_name(text) for text in texts)


def _is_tvl(value: float) -> bool:
    return 0 <= value < TVL_LIMIT


def _address(url: str | None) -> bool:
    if url is None:
        return True
    if not is_text(url, URL_LIMIT):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _protocol(p: DefiProtocol) -> str | None:
    if not (is_id(p.slug) and is_name(p.name)):
        return "slug or name is missing, long or not printable"
    if not _is_tvl(p.tvl):
        return "tvl is no amount of dollars"
    if not (
        is_text(p.symbol) and is_text(p.category) and is_text(p.chain) and _words(p.chains, CHAINS_LIMIT)
    ):
        return "symbol, category or a chain is long or not printable"
    if not all(is_finite(change) for change in (p.change_1h_pct, p.change_1d_pct, p.change_7d_pct)):
        return "a change is not finite"
    return None if is_not_negative(p.market_cap) and _address(p.url) else "market cap or url is none"


def _point(p: TvlPoint) -> str | None:
    if not is_time(p.at_ms):
        return "time is out of range (wrong unit?)"
    return None if _is_tvl(p.tvl) else "tvl is no amount of dollars"


def _protocol_detail(p: DefiProtocolDetail) -> str | None:
    if not (is_id(p.slug) and is_name(p.name)):
        return "slug or name is missing, long or not printable"
    texts = (p.symbol, p.category, p.chain)
    if not (
        all(map(is_text, texts)) and is_text(p.description, TEXT_LIMIT) and _words(p.chains, CHAINS_LIMIT)
    ):
        return "a text is long or not printable"
    parts = (*p.chain_tvl, *p.other_tvl)
    if len(parts) > 4 * CHAINS_LIMIT or not all(
        is_name(name) and abs(tvl) < TVL_LIMIT for name, tvl in parts
    ):
        return "a part of the tvl has no name or is no amount"
    if not (p.tvl is None or _is_tvl(p.tvl)) or not is_not_negative(p.market_cap) or not _address(p.url):
        return "tvl, market cap or url is none"
    if len(p.history) > POINTS_LIMIT:
        return "the history is too long"
    times = [point.at_ms for point in p.history]
    if times != sorted(set(times)):
        return "the history is not ascending"
    return next((reason for point in p.history if (reason := _point(point))), None)


def _chain(c: ChainTvl) -> str | None:
    if not (is_name(c.name) and is_text(c.symbol) and is_count(c.chain_id)):
        return "name, symbol or chain id is none"
    return None if _is_tvl(c.tvl) else "tvl is no amount of dollars"


def _pool(p: YieldPool) -> str | None:
    if not (is_id(p.pool) and is_name(p.project) and is_name(p.chain) and is_name(p.symbol)):
        return "pool, project, chain or symbol is missing, long or not printable"
    if not _is_tvl(p.tvl):
        return "tvl is no amount of dollars"
    rates = (p.apy, p.apy_base, p.apy_reward, p.apy_mean_30d)
    if not all(rate is None or abs(rate) < APY_LIMIT for rate in rates):
        return "an apy is no percentage"
    return None if is_text(p.exposure) else "exposure is long or not printable"


def _stablecoin(s: Stablecoin) -> str | None:
    if not (is_id(s.native_id) and is_name(s.name) and is_name(s.symbol) and is_name(s.pegged_to)):
        return "id, name, symbol or peg is missing, long or not printable"
    amounts = (s.circulating, s.circulating_1d_ago, s.circulating_7d_ago, s.circulating_30d_ago)
    if not all(map(is_not_negative, amounts)):
        return "an amount is negative or not finite"
    if not (is_positive(s.price) and is_text(s.mechanism) and _words(s.chains, CHAINS_LIMIT)):
        return "price, mechanism or a chain is none"
    return None


def _dex(d: DexVolume) -> str | None:
    if not (is_id(d.slug) and is_name(d.name) and _words(d.chains, CHAINS_LIMIT)):
        return "slug, name or a chain is missing, long or not printable"
    if not (0 <= d.volume_24h < TVL_LIMIT and is_not_negative(d.volume_7d) and is_not_negative(d.volume_30d)):
        return "a volume is no amount of dollars"
    return None if is_finite(d.change_1d_pct) and is_finite(d.change_7d_pct) else "a change is not finite"


def _funding(f: FundingRate) -> str | None:
    if not (is_id(f.symbol) and is_ticker(f.base) and is_ticker(f.quote)):
        return "symbol or pair is not in normal form"
    if not abs(f.rate) < RATE_LIMIT:
        return "rate is no fraction"
    if not (f.interval_h is None or 0 < f.interval_h <= 168):
        return "interval is out of range"
    if not (is_positive(f.mark_price) and is_positive(f.index_price)):
        return "a price is not a positive number"
    if not (f.next_ms is None or 0 < f.next_ms < LAST_MS):
        return "time is out of range (wrong unit?)"
    return wrong_moments(f.event_ms, f.received_ms)


def _open_interest(o: OpenInterest) -> str | None:
    if not (is_id(o.symbol) and is_ticker(o.base) and is_ticker(o.quote)):
        return "symbol or pair is not in normal form"
    if o.amount is None and o.value is None:
        return "neither amount nor value"
    if not (is_not_negative(o.amount) and is_not_negative(o.value)):
        return "amount or value is negative or not finite"
    return wrong_moments(o.event_ms, o.received_ms)


def _gas(g: GasFee) -> str | None:
    if g.unit not in ("gwei", "sat/vB"):
        return "unit is neither gwei nor sat/vB"
    if not (is_price(g.fast) and 0 <= g.slow <= g.standard <= g.fast):
        return "fees are not ascending amounts"
    if not (is_not_negative(g.base_fee) and is_not_negative(g.blob_base_fee) and is_count(g.block)):
        return "base fee or block is none"
    return (
        None if is_name(g.chain) and not wrong_moments(g.event_ms, g.received_ms) else "chain or time is none"
    )


def _chain_stats(c: ChainStats) -> str | None:
    counts = (c.block, c.mempool, c.mempool_bytes, c.transactions_24h)
    if not (is_name(c.chain) and all(map(is_count, counts))):
        return "chain has no name or a count is none"
    amounts = (c.block_time_s, c.difficulty, c.hashrate, c.tps, c.supply)
    if not all(map(is_not_negative, amounts)):
        return "an amount is negative or not finite"
    if all(value is None for value in (*counts, *amounts)):
        return "nothing is known of the chain"
    return wrong_moments(c.event_ms, c.received_ms)


def _fear_greed(f: FearGreed) -> str | None:
    if not 0 <= f.value <= 100:
        return "value is not 0 to 100"
    if not (is_name(f.series) and is_name(f.classification)):
        return "series or classification is missing, long or not printable"
    if not is_time(f.day_ms) or f.day_ms % DAY_MS:
        return "day is no day"
    return wrong_late(f.day_ms, f.received_ms)


def _article(a: Article) -> str | None:
    if not (a.title and is_text(a.title, TITLE_LIMIT) and "\n" not in a.title):
        return "title is missing, long or not printable"
    if not (a.url and _address(a.url) and a.link and _address(a.link) and _address(a.image)):
        return "an address is missing, long or neither http nor https"
    if not (is_text(a.summary, SUMMARY_LIMIT) and is_text(a.author) and is_text(a.guid, URL_LIMIT)):
        return "summary, author or guid is long or not printable"
    if not _words(a.tags, TAGS_LIMIT):
        return "tags are many, long or not printable"
    return wrong_moments(a.published_ms, a.received_ms)


def _feed(f: FeedState) -> str | None:
    texts = (f.title, f.etag, f.last_modified)
    return (
        None
        if all(is_text(text, HEADER_LIMIT) for text in texts)
        else "title or a header is long or not printable"
    )


DATA_CHECKS: dict[type, Callable[[Any], str | None]] = {
    DefiProtocol: _protocol,
    DefiProtocolDetail: _protocol_detail,
    ChainTvl: _chain,
    TvlPoint: _point,
    YieldPool: _pool,
    Stablecoin: _stablecoin,
    DexVolume: _dex,
    FundingRate: _funding,
    OpenInterest: _open_interest,
    GasFee: _gas,
    ChainStats: _chain_stats,
    FearGreed: _fear_greed,
    Article: _article,
    FeedState: _feed,
}
