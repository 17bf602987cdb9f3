"""DefiLlama, keyless, on a host each for TVL and volumes (`api`), yields (`yields`) and stablecoins (`stablecoins`).

https://api-docs.defillama.com/ Only the fields read are declared: the lists are megabytes, a large protocol's page tens
of them. A row without its amount (TVL, volume, circulation) says nothing and is left out; a row of another shape is
left out and named. The spelling of a chain differs by list (`Binance` there, `BSC` here); here it is one
(`providers/chain_names.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote as escape

import msgspec

from ...model.ask import Capability, DefiChainsAsk, DefiProtocolAsk, DefiProtocolsAsk, TvlHistoryAsk
from ...model.bounds import COUNT_LIMIT
from ...model.candle import DAY_MS
from ...model.defi import ChainTvl, DefiProtocol, DefiProtocolDetail, TvlPoint
from ...model.errors import NotOffered, PayloadChanged
from ...model.normal import violation
from ...model.unreadable import Unreadable
from ..chain_names import each_once, spelled
from ..kit import Adapter, Endpoint, Reply, Request, decoder, number, positive, read_reply, read_rows, seconds
from ..text import link, plain
from . import _defillama_pages as pages
from ._defillama_pages import Number, amounts, each, explain

NO_DEFI = frozenset({"CEX", "Chain"})
"""Categories of the list of protocols that are none: reserves of companies, and chains counted as a whole."""
SECTIONS = frozenset(
    "staking pool2 borrowed vesting treasury offers OwnTokens doublecounted liquidstaking dcAndLsOverlap".split()
)
"""Keys among the chains of a TVL that are no chain; with a chain before a dash they are that chain's part."""
# A name is one segment of a path: nothing that ends one, nothing that is encoded already.
_SLUG = re.compile(r"(?!\.+$)[\w.~!$&()*+,:;=@|-]{1,100}")
_CHAIN = re.compile(r"(?!\.+$)[\w.~!$&()*+,:;=@|' -]{1,100}")


def _in_path(name: str, allowed: re.Pattern[str], what: str) -> str:
    if allowed.fullmatch(name) is None:
        raise NotOffered(f"no {what} of DefiLlama is named so")
    return escape(name, safe="")


def _whole(value: Number) -> int | None:
    found = number(value)
    return int(found) if found is not None and 0 < found < COUNT_LIMIT and found == int(found) else None


def _by_day(points: Iterable[tuple[Number, Number]]) -> list[TvlPoint]:
    """One point a UTC day, ascending: the last of a series carries the time of the call, and counts for its day."""
    days: dict[int, TvlPoint] = {}
    for date, tvl in points:
        at_ms, value = seconds(date), number(tvl)
        if at_ms is not None and value is not None:
            day = at_ms // DAY_MS * DAY_MS
            days[day] = TvlPoint(day, value)
    return [days[day] for day in sorted(days)]


def _chain_of(chain: str | None, chains: list[str]) -> str | None:
    if chain:
        return spelled(chain)
    return chains[0] if len(chains) == 1 else "Multi-Chain" if chains else None


def _symbol(text: str | None) -> str | None:
    return None if text in (None, "", "-") else text


def _category(text: str | None) -> str | None:
    return "Dexs" if text == "Dexes" else text or None  # spelled differently by endpoint


class _Protocol(msgspec.Struct):
    slug: str
    name: str
    tvl: Number = None
    symbol: str | None = None
    category: str | None = None
    chain: str | None = None
    chains: list[str] | None = None
    change_1h: Number = None
    change_1d: Number = None
    change_7d: Number = None
    mcap: Number = None
    url: str | None = None


_protocols = decoder(list[msgspec.Raw])
_protocol = decoder(_Protocol)


def protocols_request(ask: DefiProtocolsAsk) -> Request:
    return Request("/protocols")


def protocols_parse(reply: Reply, ask: DefiProtocolsAsk) -> list[DefiProtocol | Unreadable]:
    body = read_reply(_protocols, reply, explain)
    rows, unreadable = each(_protocol, body, "$")
    amounts([number(row.tvl) for row in rows], "$[].tvl")
    found: list[DefiProtocol | Unreadable] = [*unreadable]
    for row in rows:
        tvl = number(row.tvl)
        if tvl is None or row.category in NO_DEFI:
            continue
        chains = each_once(row.chains or ())
        found.append(
            DefiProtocol(
                provider=reply.provider,
                slug=row.slug,
                name=plain(row.name) or "",
                symbol=_symbol(row.symbol),
                category=_category(row.category),
                chain=_chain_of(row.chain, chains),
                chains=tuple(chains),
                tvl=tvl,
                change_1h_pct=number(row.change_1h),
                change_1d_pct=number(row.change_1d),
                change_7d_pct=number(row.change_7d),
                market_cap=positive(row.mcap),
                url=link(row.url),
                received_ms=reply.received_ms,
            )
        )
    return found


class _Liquidity(msgspec.Struct):
    date: Number = None
    totalLiquidityUSD: Number = None


class _Page(msgspec.Struct):
    name: str
    tvl: list[msgspec.Raw] | float | None
    symbol: str | None = None
    category: str | None = None
    chain: str | None = None
    chains: list[str] | None = None
    description: str | None = None
    url: str | None = None
    mcap: Number = None
    currentChainTvls: dict[str, Number] | None = None


_page = decoder(_Page)
_liquidity = decoder(_Liquidity)


def protocol_request(ask: DefiProtocolAsk) -> Request:
    return Request(f"/protocol/{_in_path(ask.slug, _SLUG, 'protocol')}")


def _parts(row: _Page) -> tuple[dict[str, float], dict[str, float]]:
    """The TVL now by chain alone, and the parts whose key is no chain's (`staking`, `Ethereum-borrowed`)."""
    current = {
        key: value for key, raw in (row.currentChainTvls or {}).items() if (value := number(raw)) is not None
    }
    named = {*(row.chains or ()), *each_once(row.chains or ())}
    whole: dict[str, float] = {}
    other: dict[str, float] = {}
    for key, value in current.items():
        before, dash, section = key.rpartition("-")
        part = key in SECTIONS or (dash and (section in SECTIONS or before in named))
        if part and key not in named:
            other[f"{spelled(before)}-{section}" if dash else key] = value
        else:
            whole[spelled(key)] = value
    return whole, other


def protocol_parse(reply: Reply, ask: DefiProtocolAsk) -> list[DefiProtocolDetail | Unreadable]:
    row = read_reply(_page, reply, explain)
    history: list[TvlPoint] = []
    unreadable: list[Unreadable] = []
    if isinstance(row.tvl, list):
        rows, unreadable = each(_liquidity, row.tvl, "$.tvl")
        points = _by_day((point.date, point.totalLiquidityUSD) for point in rows)
        if rows and not points:
            raise PayloadChanged("no point has a time and an amount", path="$.tvl[]")
        # A point of the history that is no amount must not cost the page: it is left out.
        history = [point for point in points if violation(point) is None]
        tvl = history[-1].tvl if history else None
    else:
        tvl = number(row.tvl)
    chains = each_once(row.chains or ())
    by_chain, other = _parts(row)
    return [
        DefiProtocolDetail(
            provider=reply.provider,
            slug=ask.slug,
            name=plain(row.name) or "",
            symbol=_symbol(row.symbol),
            category=_category(row.category),
            chain=_chain_of(row.chain, chains),
            chains=tuple(chains),
            description=plain(row.description),
            url=link(row.url),
            market_cap=positive(row.mcap),
            tvl=tvl,
            chain_tvl=tuple(by_chain.items()),
            other_tvl=tuple(other.items()),
            history=tuple(history),
            received_ms=reply.received_ms,
        ),
        *unreadable,
    ]


class _Chain(msgspec.Struct):
    name: str
    tvl: Number = None
    tokenSymbol: str | None = None
    chainId: Number = None


_chains = decoder(list[_Chain])


def chains_request(ask: DefiChainsAsk) -> Request:
    return Request("/v2/chains")


def chains_parse(reply: Reply, ask: DefiChainsAsk) -> list[ChainTvl | Unreadable]:
    rows, unreadable = read_rows(_chains, _Chain, reply, explain)
    amounts([number(row.tvl) for row in rows], "$[].tvl")
    return [
        *(
            ChainTvl(
                reply.provider,
                spelled(row.name),
                _symbol(row.tokenSymbol),
                _whole(row.chainId),
                tvl,
                reply.received_ms,
            )
            for row in rows
            if (tvl := number(row.tvl)) is not None
        ),
        *unreadable,
    ]


class _Day(msgspec.Struct):
    date: Number
    tvl: Number = None


_days = decoder(list[_Day])


def tvl_request(ask: TvlHistoryAsk) -> Request:
    chain = "" if ask.chain is None else "/" + _in_path(ask.chain, _CHAIN, "chain")
    return Request(f"/v2/historicalChainTvl{chain}")


def tvl_parse(reply: Reply, ask: TvlHistoryAsk) -> list[TvlPoint | Unreadable]:
    rows, unreadable = read_rows(_days, _Day, reply, explain)
    points = _by_day((row.date, row.tvl) for row in rows)
    if rows and not points:
        raise PayloadChanged("no point has a time and an amount", path="$[]")
    return [*points, *unreadable]


ADAPTER = Adapter(
    name="defillama",
    endpoints={
        Capability.DEFI_PROTOCOLS: Endpoint(protocols_request, protocols_parse, threaded=True),
        Capability.DEFI_PROTOCOL: Endpoint(protocol_request, protocol_parse, threaded=True),
        Capability.DEFI_CHAINS: Endpoint(chains_request, chains_parse),
        Capability.TVL_HISTORY: Endpoint(tvl_request, tvl_parse),
        Capability.YIELDS: Endpoint(pages.yields_request, pages.yields_parse, threaded=True),
        Capability.STABLECOINS: Endpoint(pages.stablecoins_request, pages.stablecoins_parse),
        Capability.DEX_VOLUMES: Endpoint(pages.dexs_request, pages.dexs_parse, threaded=True),
    },
    explain=explain,
)
