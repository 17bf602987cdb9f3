"""`cdts normalize`: an upstream's body on standard input, records as JSON lines on standard output."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import msgspec

from ..clock import SystemClock, parse_rfc3339
from ..model.ask import (
    Ask,
    AssetsAsk,
    BookAsk,
    CandlesAsk,
    Capability,
    CategoriesAsk,
    ChainStatsAsk,
    CoinAsk,
    CoinsAsk,
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    ExchangesAsk,
    FearGreedAsk,
    FundingAsk,
    GasAsk,
    GlobalAsk,
    InstrumentsAsk,
    OpenInterestAsk,
    QuotesAsk,
    SearchAsk,
    StablecoinsAsk,
    TradesAsk,
    TrendingAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from ..model.candle import INTERVAL_MS
from ..model.errors import InvalidParameter, PayloadChanged, UpstreamError
from ..model.normal import violation
from ..model.quote import Pair
from ..providers import catalog
from ..providers.catalog import Entry
from ..providers.kit import Reply

FITS_NOT = 2


def run(arguments: argparse.Namespace) -> int:
    """0 with records on standard output; 2 for a body that does not fit, naming the path."""
    entry = catalog.load().get(arguments.provider)
    if entry is None or entry.status == "gone":
        raise InvalidParameter(
            f"There is no provider {arguments.provider!r}; `cdts providers list` names them."
        )
    endpoints = catalog.adapter_of(entry).endpoints
    try:
        capability = Capability(arguments.capability)
        endpoint = endpoints[capability]
    except (ValueError, KeyError):
        offered = ", ".join(sorted(c.value for c in endpoints))
        raise InvalidParameter(f"{entry.id} has no {arguments.capability!r}; it has {offered}.") from None
    received = SystemClock().now_ms() if arguments.at is None else _moment(arguments.at)
    ask = _ask(entry, capability, arguments.symbol, arguments.interval)
    if sys.stdin.buffer.isatty():
        print("cdts: reading the body from standard input", file=sys.stderr)
    try:
        records = list(endpoint.parse(Reply(entry.id, 200, sys.stdin.buffer.read(), received), ask))
    except PayloadChanged as error:
        print(f"cdts: the body does not fit at {error.path}: {error.message}", file=sys.stderr)
        return FITS_NOT
    except UpstreamError as error:
        print(f"cdts: the body is the upstream's error: {error.code}: {error.message}", file=sys.stderr)
        return FITS_NOT
    bad = 0
    for record in records:
        reason = violation(record)
        if reason is not None:
            bad += 1
            print(f"cdts: kept out: {reason}: {record}", file=sys.stderr)
            continue
        sys.stdout.buffer.write(
            msgspec.json.encode({"record": type(record).__name__, **_fields(record)}) + b"\n"
        )
    sys.stdout.flush()
    return 1 if bad else 0


def _moment(text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise InvalidParameter(f"--at: {text!r} is not an RFC 3339 time.") from None


def _fields(record: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    fields: dict[str, Any] = record._asdict()
    return fields


def _pair(entry: Entry, symbol: str) -> Pair:
    """`BTC-USD`, `BTC/USD`, or `BTC` and `BTCUSD` in the provider's usual quote currencies."""
    base, _, currency = symbol.upper().replace("-", "/").partition("/")
    usual = entry.quotes_in or ("USD",)
    if not currency:
        currency = next((q for q in usual if base.endswith(q) and base != q), "")
        base = base.removesuffix(currency)
    if not base.strip():
        raise InvalidParameter(f"--symbol: got {symbol!r}; write BTC or BTC/USDT, several with commas.")
    return Pair(base, currency or usual[0])


def _ask(entry: Entry, capability: Capability, symbol: str | None, interval: str) -> Ask:
    """An ask the body could be the answer of."""
    if interval not in INTERVAL_MS:
        raise InvalidParameter(f"--interval: {interval!r} is not one of {', '.join(INTERVAL_MS)}.")
    named = [text.strip() for text in (symbol or "BTC").split(",")]
    pairs = tuple(_pair(entry, text) for text in named)
    if capability is Capability.QUOTES:
        # Without a symbol the body is the whole list, except where the provider only ever answers for one pair.
        alone = catalog.adapter_of(entry).endpoints[capability].per_pair
        return QuotesAsk(pairs, tuple(named)) if symbol or alone else QuotesAsk()
    contracts = pairs if symbol else ()
    chain = symbol or next(iter(entry.chains), "")
    asks: dict[Capability, Ask] = {
        Capability.CANDLES: CandlesAsk(pairs[0], interval, limit=100_000),
        Capability.BOOK: BookAsk(pairs[0], depth=10_000),
        Capability.TRADES: TradesAsk(pairs[0], limit=100_000),
        Capability.INSTRUMENTS: InstrumentsAsk(),
        Capability.ASSETS: AssetsAsk(),
        Capability.COINS: CoinsAsk(),
        Capability.GLOBAL: GlobalAsk(),
        Capability.TRENDING: TrendingAsk(),
        Capability.CATEGORIES: CategoriesAsk(),
        Capability.COIN: CoinAsk(named[0]),
        Capability.SEARCH: SearchAsk(named[0]),
        Capability.EXCHANGES: ExchangesAsk(),
        Capability.DEFI_PROTOCOLS: DefiProtocolsAsk(),
        Capability.DEFI_PROTOCOL: DefiProtocolAsk(named[0]),
        Capability.DEFI_CHAINS: DefiChainsAsk(),
        Capability.TVL_HISTORY: TvlHistoryAsk(named[0] if symbol else None),
        Capability.YIELDS: YieldsAsk(),
        Capability.STABLECOINS: StablecoinsAsk(),
        Capability.DEX_VOLUMES: DexVolumesAsk(),
        Capability.FUNDING: FundingAsk(contracts),
        Capability.OPEN_INTEREST: OpenInterestAsk(contracts),
        Capability.GAS: GasAsk(chain),
        Capability.CHAIN_STATS: ChainStatsAsk(chain),
        Capability.FEAR_GREED: FearGreedAsk(0),
    }
    return asks[capability]
