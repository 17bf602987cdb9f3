"""DefiLlama, all three hosts. https://api-docs.defillama.com/ Numbers are numbers, times seconds, the last point of a
series carries the time of the call; what is locked in other ways stands among the chains (`staking`, `Tron-borrowed`).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import combinations
from math import exp
from typing import Any, NamedTuple
from urllib.parse import unquote

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS
from .. import defi
from ..defi import Protocol, Snapshot
from ..noise import DAILY_OCTAVES, Path, key_of, unit
from . import Call, Route, SimReply, reply

STABLE = frozenset(stable.ticker for stable in defi.STABLES)
RATES = {
    "Lending": 4.2, "Liquid Staking": 3.1, "Restaking": 2.6, "Liquid Restaking": 3.4, "CDP": 4.8, "RWA": 4.4,
    "Basis Trading": 7.5, "Yield": 8.5, "Yield Aggregator": 6.5, "Dexs": 14.0, "Derivatives": 11.0,
}  # fmt: skip
"""Percent a year around which the yields of a category move."""
MOST_PAIRS = 2


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    # The API has no error of its own for a pace that is too fast; its edge answers.
    if kind == "rate_limited_in_200":
        return reply({"message": "Too Many Requests"}, 429)
    return reply({"message": "Protocol is not in our database"}, 400)


def _now(call: Call, back_ms: int = 0) -> Snapshot:
    return Snapshot(call.view, call.now_ms - back_ms)


def _pct(now: float, before: float) -> float:
    return (now / before - 1) * 100


def _site(protocol: Protocol) -> str:
    return f"https://{re.sub(r'[^a-z0-9]+', '-', protocol.slug)}.example/"


def _locked(protocol: Protocol, now: Snapshot) -> dict[str, float]:
    """`chainTvls`: the chains, and beside them what is staked and borrowed, on its first chain and in all."""
    whole = dict(now.by_chain(protocol))
    first = next(iter(whole))
    parts = {"staking": 0.03 if protocol.symbol else 0.0, "borrowed": 0.4 * (protocol.category == "Lending")}
    for section, share in parts.items():
        if share:
            whole[f"{first}-{section}"] = whole[section] = whole[first] * share
    return whole


def _about(protocol: Protocol, now: Snapshot) -> dict[str, Any]:
    """What the list and the page tell alike."""
    chains = sorted(protocol.chains, key=lambda chain: -protocol.chains[chain])
    cap = 0.04 + 0.4 * unit(key_of(now.view.market.seed, "cap", protocol.slug))
    return {
        "id": str(1 + key_of("id", protocol.slug) % 9000),
        "name": protocol.name,
        "address": None,
        "symbol": protocol.symbol or "-",
        "url": _site(protocol),
        "description": f"{protocol.name} is a protocol of the category {protocol.category}.",
        "chain": chains[0] if len(chains) == 1 else "Multi-Chain",
        "logo": None,
        "audits": "2",
        "gecko_id": None,
        "cmcId": None,
        "category": protocol.category,
        "chains": chains,
        "module": f"{protocol.slug}/index.js",
        "listedAt": 1_650_000_000 + key_of("listed", protocol.slug) % 80_000_000,
        "mcap": now.tvl(protocol) * cap if protocol.symbol else None,
    }


def _none(name: str, category: str, tvl: float) -> dict[str, Any]:
    """A row of the list that is no protocol with a history: a company, a chain counted whole, a team's tools."""
    changes = {"change_1h": None, "change_1d": None, "change_7d": None}
    common = {"name": name, "slug": defi.slug_of(name), "symbol": "-", "category": category, "url": ""}
    return {**common, "chains": [], "tvl": tvl, "chainTvls": {}, **changes, "mcap": None}


def protocols(call: Call) -> SimReply:
    now, hour, day, week = (_now(call, back) for back in (0, HOUR_MS, DAY_MS, 7 * DAY_MS))
    rows = []
    for protocol in defi.PROTOCOLS:
        tvl = now.tvl(protocol)
        rows.append(
            {
                **_about(protocol, now),
                "slug": protocol.slug,
                "tvl": tvl,
                "chainTvls": _locked(protocol, now),
                "change_1h": _pct(tvl, hour.tvl(protocol)),
                "change_1d": _pct(tvl, day.tvl(protocol)),
                "change_7d": _pct(tvl, week.tvl(protocol)),
                "tokenBreakdowns": {},
            }
        )
    rows += [_none(name, "CEX", held * now.price("BTC") / 90_000) for name, held in defi.COMPANIES]
    rows += [_none("Sui Locked", "Chain", 3e8), _none("Harbor Labs", "Developer Tools", 0)]
    return reply(sorted(rows, key=lambda row: -row["tvl"]))


def protocol(call: Call) -> SimReply:
    found = defi.BY_SLUG.get(unquote(call.path["slug"]))
    if found is None:
        return ERROR("unknown_symbol")
    past = [Snapshot(call.view, at_ms) for at_ms in defi.days(call.now_ms)]
    whole = [(moment.at_ms // 1000, moment.tvl(found)) for moment in past]
    by_chain = {
        chain: {
            "tvl": [{"date": date, "totalLiquidityUSD": tvl * share} for date, tvl in whole],
            "tokensInUsd": [],
            "tokens": [],
        }
        for chain, share in found.chains.items()
    }
    page = {
        **_about(found, past[-1]),
        "chainTvls": by_chain,
        "tvl": [{"date": date, "totalLiquidityUSD": tvl} for date, tvl in whole],
        "currentChainTvls": _locked(found, past[-1]),
        "raises": [],
        "metrics": {},
    }
    return reply(page)


def chains(call: Call) -> SimReply:
    tvl = _now(call).chains()
    return reply(
        [
            {
                "gecko_id": chain.gecko_id,
                "tvl": tvl[chain.name],
                "tokenSymbol": chain.symbol,
                "cmcId": None,
                "name": chain.name,
                "chainId": chain.chain_id,
            }
            for chain in defi.CHAINS
        ]
    )


def historical_tvl(call: Call) -> SimReply:
    chain = None
    if "chain" in call.path:
        chain = defi.chain_named(unquote(call.path["chain"]))
        if chain is None:
            return SimReply(b"Not found", 404, content_type="text/plain; charset=utf-8")
    rows = []
    for at_ms in defi.days(call.now_ms):
        tvl = Snapshot(call.view, at_ms).chains()
        rows.append({"date": at_ms // 1000, "tvl": tvl[chain.name] if chain else sum(tvl.values())})
    return reply(rows)


def _dex_row(protocol: Protocol, past: list[Snapshot]) -> dict[str, Any]:
    """`past` is today and the 59 days before."""
    days = [moment.volume(protocol) for moment in past]
    shares = sorted(protocol.chains, key=lambda chain: -protocol.chains[chain])
    return {
        "total24h": round(days[0]),
        "total48hto24h": round(days[1]),
        "total7d": round(sum(days[:7])),
        "total14dto7d": round(sum(days[7:14])),
        "total30d": round(sum(days[:30])),
        "total60dto30d": round(sum(days[30:])),
        "change_1d": round(_pct(days[0], days[1]), 2),
        "change_7d": round(_pct(days[0], days[7]), 2),
        "change_1m": round(_pct(days[0], days[30]), 2),
        "change_7dover7d": round(_pct(sum(days[:7]), sum(days[7:14])), 2),
        "breakdown24h": None,
        "defillamaId": str(1 + key_of("id", protocol.slug) % 9000),
        "name": protocol.name,
        "displayName": protocol.name,
        "module": protocol.slug,
        "category": "Dexes",
        "chains": shares,
        "protocolType": "protocol",
        "latestFetchIsOk": True,
        "slug": protocol.slug,
    }


def overview_dexs(call: Call) -> SimReply:
    past = [_now(call, day * DAY_MS) for day in range(60)]
    rows = [_dex_row(p, past) for p in defi.PROTOCOLS if p.category == "Dexs"]
    body: dict[str, Any] = {
        "protocols": rows,
        "total24h": sum(row["total24h"] for row in rows),
        "total7d": sum(row["total7d"] for row in rows),
        "total30d": sum(row["total30d"] for row in rows),
        "allChains": [chain.listed_as for chain in defi.CHAINS],
        "chain": None,
    }
    if call.query.get("excludeTotalDataChart") != "true":
        dexs = [p for p in defi.PROTOCOLS if p.category == "Dexs"]
        body["totalDataChart"] = [
            [moment.at_ms // DAY_MS * 86_400, round(sum(map(moment.volume, dexs)))] for moment in past[::-1]
        ]
    return reply(body)


class _Pool(NamedTuple):
    """One pool of a protocol: the tickers in it, and its share of the protocol's TVL."""

    protocol: Protocol
    chain: str
    tickers: tuple[str, ...]
    share: float


@cache
def _all_pools() -> tuple[_Pool, ...]:
    """Exchanges have a pool for each of the first pairs of what they hold, the others one an asset; on every chain."""
    found = []
    for one in defi.PROTOCOLS:
        if one.category not in RATES:
            continue
        singles = [(ticker,) for ticker in one.basket]
        pairs = list(combinations(one.basket, 2))[:MOST_PAIRS]
        kinds: list[tuple[str, ...]] = [*pairs] if one.category == "Dexs" and pairs else [*singles]
        found += [
            _Pool(one, chain, tickers, share * 0.9 / len(kinds))
            for chain, share in one.chains.items()
            for tickers in kinds
        ]
    return tuple(found)


@lru_cache(maxsize=1024)
def _mood(seed: int, pool: str) -> Path:
    return Path(key_of(seed, "apy", pool), DAILY_OCTAVES[:3], 0.08, 64)


def _pool_row(call: Call, pool: _Pool, tvl: float) -> dict[str, Any]:
    seed, chain = call.market.seed, defi.chain_named(pool.chain)
    pool_id = defi.pool_id(seed, pool.protocol.slug, pool.chain, *pool.tickers)
    level = RATES[pool.protocol.category] * (0.3 + 1.4 * unit(key_of(seed, "rate", pool_id)))
    mood = _mood(seed, pool_id)
    base = level * exp(mood.at(call.now_ms))
    reward = base * 0.3 if pool.protocol.symbol and unit(key_of(seed, "reward", pool_id)) < 0.35 else None
    rate = base + (reward or 0.0)
    usual = sum(exp(mood.at(call.now_ms - day * DAY_MS)) for day in range(0, 30, 3)) / 10 * level
    stable = all(ticker in STABLE for ticker in pool.tickers)
    several = len(pool.tickers) > 1
    return {
        "chain": chain.name if chain else pool.chain,
        "project": pool.protocol.slug,
        "symbol": "-".join(pool.tickers),
        "tvlUsd": round(tvl * pool.share),
        "apyBase": round(base, 5),
        "apyReward": None if reward is None else round(reward, 5),
        "apy": round(rate, 5),
        "rewardTokens": None,
        "pool": pool_id,
        "apyPct1D": round(base - level * exp(mood.at(call.now_ms - DAY_MS)), 5),
        "apyPct7D": round(base - level * exp(mood.at(call.now_ms - 7 * DAY_MS)), 5),
        "apyPct30D": round(base - level * exp(mood.at(call.now_ms - 30 * DAY_MS)), 5),
        "stablecoin": stable,
        "ilRisk": "yes" if several and not stable else "no",
        "exposure": "multi" if several else "single",
        "poolMeta": None,
        "count": 200 + key_of("count", pool_id) % 900,
        "outlier": False,
        "underlyingTokens": None,
        "apyMean30d": round(usual * (rate / base), 5),
    }


def pools(call: Call) -> SimReply:
    now = _now(call)
    worth = {one.slug: now.tvl(one) for one in defi.PROTOCOLS}
    rows = [_pool_row(call, pool, worth[pool.protocol.slug]) for pool in _all_pools()]
    return reply({"status": "success", "data": sorted(rows, key=lambda row: -row["tvlUsd"])})


def stablecoins(call: Call) -> SimReply:
    moments = [_now(call, days * DAY_MS) for days in (0, 1, 7, 30)]
    rows = []
    for stable in defi.STABLES:
        if stable.ticker in call.view.sight.hidden:
            continue
        peg = f"pegged{stable.peg}"
        supply = [{peg: moment.supply(stable)} for moment in moments]
        row: dict[str, Any] = {
            "id": stable.id,
            "name": stable.name,
            "symbol": stable.ticker,
            "gecko_id": None,
            "pegType": peg,
            "priceSource": "defillama",
            "pegMechanism": stable.mechanism,
            "circulating": supply[0],
            "circulatingPrevDay": supply[1],
            "circulatingPrevWeek": supply[2],
            "circulatingPrevMonth": supply[3],
            "chainCirculating": {},
            "chains": list(stable.chains),
        }
        if call.query.get("includePrices") == "true":
            row["price"] = moments[0].stable_price(stable)
        rows.append(row)
    return reply({"peggedAssets": rows, "chains": []})


ROUTES = {
    "/protocols": Route(protocols, (Capability.DEFI_PROTOCOLS,)),
    "/protocol/{slug}": Route(protocol, (Capability.DEFI_PROTOCOL,)),
    "/v2/chains": Route(chains, (Capability.DEFI_CHAINS,)),
    "/v2/historicalChainTvl": Route(historical_tvl, (Capability.TVL_HISTORY,)),
    "/v2/historicalChainTvl/{chain}": Route(historical_tvl, (Capability.TVL_HISTORY,)),
    "/overview/dexs": Route(overview_dexs, (Capability.DEX_VOLUMES,)),
    "/pools": Route(pools, (Capability.YIELDS,)),
    "/stablecoins": Route(stablecoins, (Capability.STABLECOINS,)),
}
