"""Upstreams that need no code: the catalogue entry's `tables` say where each value stands.

docs/add-a-provider.md, "A provider without code".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote as percent_encoded

from ...model.answer import Record
from ...model.ask import Ask, Capability, CoinsAsk, ExchangesAsk
from ...model.asset import AssetListing, Instrument
from ...model.candle import DAY_MS
from ...model.defi import ChainTvl, DefiProtocol, DexVolume, Stablecoin, YieldPool
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import NotOffered, PayloadChanged, UpstreamError
from ...model.market import Category, CoinMarket, ExchangeInfo, GlobalMarket, TrendingCoin
from ...model.onchain import ChainStats, GasFee
from ...model.quote import Pair, Quote
from ...model.sentiment import FearGreed
from ...model.unreadable import Unreadable
from ..catalog import Entry
from ..kit import Adapter, Endpoint, Reply, Request
from ..perpetuals import Contract, coin_of
from ..table import TableSpec, specs_of
from ..table_columns import PAIR_WORDS, SHAPES
from ..table_rows import Reader, Row, body_error

PLAIN: dict[Capability, Callable[..., Record]] = {
    Capability.ASSETS: AssetListing,
    Capability.COINS: CoinMarket,
    Capability.GLOBAL: GlobalMarket,
    Capability.CATEGORIES: Category,
    Capability.EXCHANGES: ExchangeInfo,
    Capability.DEFI_PROTOCOLS: DefiProtocol,
    Capability.DEFI_CHAINS: ChainTvl,
    Capability.YIELDS: YieldPool,
    Capability.STABLECOINS: Stablecoin,
    Capability.DEX_VOLUMES: DexVolume,
    Capability.TRENDING: TrendingCoin,
}
"""Records whose fields are the columns, with no more to it than their names."""
NAMES = {"id": "native_id", "time": "event_ms", "next_time": "next_ms"}
NOT_RECEIVED = frozenset(
    {Capability.ASSETS, Capability.CATEGORIES, Capability.EXCHANGES, Capability.TRENDING}
)
NO_TIME = {"chains": (), "active": True, "stablecoin": False}
"""What a column that is not declared stands for where a record has no None for it."""
Make = Callable[[Row, Reply, Any], Record | None]


def of(entry: Entry) -> Adapter:
    """The adapter an entry's tables describe. Raises CatalogError naming the field that is wrong."""
    specs = specs_of(entry)
    endpoints = {capability: _endpoint(entry, spec) for capability, spec in specs.items()}

    def explain(reply: Reply) -> UpstreamError | None:
        told = (body_error(reply, spec) for spec in specs.values() if spec.error)
        return next((error for error in told if error is not None), None)

    return Adapter("json_table", endpoints, explain)


def _endpoint(entry: Entry, spec: TableSpec) -> Endpoint:
    reader = Reader(spec)
    make = _maker(entry, spec, reader)

    def request(ask: Ask) -> Request:
        return _request(spec, ask)

    def parse(reply: Reply, ask: Ask) -> Iterable[Record]:
        rows, unreadable = reader.rows(reply)
        _all_there(spec, rows)
        made = [record for row in rows if (record := make(row, reply, ask)) is not None]
        if rows and not made and not getattr(ask, "pairs", ()):
            raise PayloadChanged(
                "no row is of the form that the entry declares", path=".".join(("$", *spec.rows))
            )
        return [*_page(spec, made, ask), *unreadable]

    return Endpoint(request, parse, per_pair=spec.per_pair)


def _all_there(spec: TableSpec, rows: list[Row]) -> None:
    """A column without which a row says nothing and that not one row has is another shape, not a list of nothing."""
    for name in SHAPES[spec.capability].needed:
        if rows and all(row.values[name] is None for row in rows):
            raise PayloadChanged(
                f"no row has its {name}", path=".".join(("$", *spec.rows, *spec.columns[name].path))
            )


# --- asking -----------------------------------------------------------------------------------------------------------


def _request(spec: TableSpec, ask: Ask) -> Request:
    words = _words(spec, ask)
    _offered(spec, ask)
    path, params, body = spec.path, spec.params, spec.body
    for name, value in words.items():
        mark = f"{{{name}}}"
        path = path.replace(mark, percent_encoded(value, safe=""))
        params = tuple((key, text.replace(mark, value)) for key, text in params)
        body = body.replace(mark, value)
    headers = (("content-type", "application/json"),) if body else ()
    return Request(path, params, spec.method, body.encode() or None, headers, spec.weight)


def _offered(spec: TableSpec, ask: Ask) -> None:
    if isinstance(ask, CoinsAsk | ExchangesAsk) and ask.page > 1 and not spec.words & {"page", "offset"}:
        raise NotOffered("has one page")


def _words(spec: TableSpec, ask: Any) -> dict[str, str]:
    """What the request holds of the ask. Raises NotOffered for a chain the entry has no name for."""
    found: dict[str, str] = {}
    if spec.words & PAIR_WORDS:
        if not ask.pairs:
            raise NotOffered("answers one pair a call; name the pairs")
        own = {common: theirs for theirs, common in spec.aliases.items()}
        base, quote = (own.get(ticker, ticker) for ticker in ask.pairs[0])
        found = {"BASE": base, "QUOTE": quote, "base": base.lower(), "quote": quote.lower()}
    if spec.words & {"page", "per_page", "offset"}:
        offset = (ask.page - 1) * ask.per_page
        found = {"page": str(ask.page), "per_page": str(ask.per_page), "offset": str(offset)}
    if "chain" in spec.words:
        if spec.chain_names and ask.chain not in spec.chain_names:
            raise NotOffered("does not know this chain")
        found["chain"] = spec.chain_names.get(ask.chain, ask.chain)
    if "days" in spec.words:
        found["days"] = str(ask.days)
    return found


def _page(spec: TableSpec, made: list[Record], ask: Ask) -> list[Record]:
    if isinstance(ask, CoinsAsk | ExchangesAsk) and not spec.words & {"page", "offset"}:
        return made[: ask.per_page]
    return made


# --- reading ----------------------------------------------------------------------------------------------------------


def _maker(entry: Entry, spec: TableSpec, reader: Reader) -> Make:
    capability = spec.capability
    if capability is Capability.QUOTES:
        return lambda row, reply, ask: _quote(spec, reader, row, reply, ask)
    if capability is Capability.INSTRUMENTS:
        return lambda row, reply, ask: _instrument(reader, row, reply)
    if capability in (Capability.FUNDING, Capability.OPEN_INTEREST):
        return lambda row, reply, ask: _contract(reader, row, reply, ask)
    if capability is Capability.GAS:
        return lambda row, reply, ask: _gas(row, reply, ask.chain)
    if capability is Capability.CHAIN_STATS:
        return lambda row, reply, ask: _chain_stats(row, reply, ask.chain)
    if capability is Capability.FEAR_GREED:
        return lambda row, reply, ask: _day(entry.name, row, reply)
    return lambda row, reply, ask: _plain(capability, row, reply)


def _pair_of(reader: Reader, row: Row, ask: Any) -> tuple[Pair, str] | None:
    """The pair of a row and its name there; the one asked for where the answer is about it."""
    pair = reader.pair(row.values)
    if pair is None and reader.spec.per_pair and "symbol" not in row.values and ask.pairs:
        pair = ask.pairs[0]
    if pair is None:
        return None
    return pair, row.values.get("symbol") or f"{pair.base}/{pair.quote}"


def _wanted(pair: Pair, ask: Any) -> bool:
    return not ask.pairs or pair in ask.pairs


def _quote(spec: TableSpec, reader: Reader, row: Row, reply: Reply, ask: Any) -> Quote | None:
    """None for a pair of another form, one that was not asked for, and one without a price: nobody trades it."""
    named, get = _pair_of(reader, row, ask), row.values.get
    price: float | None = get("price")
    if named is None or price is None or not _wanted(named[0], ask):
        return None
    return Quote(
        reply.provider,
        named[1],
        *named[0],
        1 / price if spec.invert else price,
        get("bid"),
        get("ask"),
        get("base_volume"),
        get("quote_volume"),
        get("change_pct"),
        get("high"),
        get("low"),
        get("time"),
        reply.received_ms,
    )


def _instrument(reader: Reader, row: Row, reply: Reply) -> Instrument | None:
    pair = reader.pair(row.values)
    if pair is None:
        return None
    symbol = row.values.get("symbol") or f"{pair.base}/{pair.quote}"
    return Instrument(reply.provider, symbol, *pair, row.values.get("active") is not False)


def _contract(reader: Reader, row: Row, reply: Reply, ask: Any) -> FundingRate | OpenInterest | None:
    """Prices and amounts of a contract on a multiple of its coin are of one coin. None for a contract without a figure."""
    named, get = _pair_of(reader, row, ask), row.values.get
    if named is None:
        return None
    coin, units = coin_of(named[0].base)
    contract = Contract(Pair(coin, named[0].quote), units)
    if not (_wanted(contract.pair, ask) or _wanted(named[0], ask)):
        return None
    if reader.spec.capability is Capability.OPEN_INTEREST:
        amount, value = contract.amount(get("amount")), get("value")
        if amount is None and value is None:
            return None
        return OpenInterest(
            reply.provider, named[1], *contract.pair, amount, value, get("time"), reply.received_ms
        )
    rate: float | None = get("rate")
    if rate is None:
        return None
    return FundingRate(
        reply.provider,
        named[1],
        *contract.pair,
        rate,
        get("interval_h"),
        contract.price(get("mark_price")),
        contract.price(get("index_price")),
        get("next_time"),
        get("time"),
        reply.received_ms,
    )


def _gas(row: Row, reply: Reply, chain: str) -> GasFee | None:
    """What is enough for a short wait is enough for a longer one; of levels that are not told the nearest stands."""
    get = row.values.get
    standard = get("standard")
    if standard is None:
        return None
    fast = get("fast") or standard
    standard = min(standard, fast)
    return GasFee(
        reply.provider,
        chain,
        get("unit") or "",
        min(get("slow") or standard, standard),
        standard,
        fast,
        get("base_fee"),
        get("blob_base_fee"),
        get("block"),
        get("time"),
        reply.received_ms,
    )


def _chain_stats(row: Row, reply: Reply, chain: str) -> ChainStats:
    get = row.values.get
    if all(value is None for name, value in row.values.items() if name != "time"):
        raise PayloadChanged("nothing is told of the chain", path="$")
    return ChainStats(
        reply.provider,
        chain,
        get("block"),
        get("block_time_s"),
        get("difficulty"),
        get("hashrate"),
        get("mempool"),
        get("mempool_bytes"),
        get("transactions_24h"),
        get("tps"),
        get("supply"),
        get("time"),
        reply.received_ms,
    )


def _day(maker: str, row: Row, reply: Reply) -> FearGreed | Unreadable:
    told = tuple(row.values[name] for name in ("value", "classification", "time"))
    if None in told:
        return Unreadable(row.name, "a day without its value, its class or its time")
    value, classification, at_ms = told
    series = row.values.get("series") or maker
    return FearGreed(
        reply.provider, series, value, classification, at_ms // DAY_MS * DAY_MS, reply.received_ms
    )


def _plain(capability: Capability, row: Row, reply: Reply) -> Record | None:
    """The record whose fields are the columns; None for one that lacks what it cannot be without."""
    shape, get = SHAPES[capability], row.values.get
    if any(get(name) is None for name in shape.needed):
        return None
    fields = {NAMES.get(name, name): get(name, NO_TIME.get(name)) for name in shape.columns}
    for name, blank in NO_TIME.items():
        if name in shape.columns and fields[name] is None:
            fields[name] = blank
    fields["provider"] = reply.provider
    if capability not in NOT_RECEIVED:
        fields["received_ms"] = reply.received_ms
    if capability is Capability.TRENDING:
        fields["position"] = row.place + 1
    return PLAIN[capability](**fields)
