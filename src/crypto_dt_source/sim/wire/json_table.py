"""Upstreams that a catalogue entry describes by tables: the answers are written where the tables say they are read.

The shapes are proven by the documented bodies in `tests/providers`; here every value comes from the simulated market, so
that failover, faults and `cdts providers check` cover these entries as they do the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...clock import rfc3339
from ...model.ask import Capability
from ...model.candle import DAY_MS
from ...model.quote import Pair
from ...providers.catalog import Entry
from ...providers.table import Column, TableSpec, specs_of
from .. import derivatives
from ..chains import seen
from ..coins import totals
from ..noise import key_of, unit
from . import Call, Route, SimReply, reply

Values = dict[str, Any]
DAYS = 400
MOST_MINED = 20_000_000
_FACTORS = {"ms": 1.0, "s": 1e-3, "us": 1e3, "ns": 1e6}
_CLASSES = ((25, "Extreme Fear"), (46, "Fear"), (55, "Neutral"), (76, "Greed"), (101, "Extreme Greed"))
GWEI = 1e9


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"message": "Too many requests"}, 429)
    return reply({"message": "Not found"}, 404)


def of(entry: Entry) -> dict[str, Route]:
    """The paths of one entry; tables of one path share an answer, as they do at the upstream."""
    by_path: dict[str, list[TableSpec]] = {}
    for spec in specs_of(entry).values():
        by_path.setdefault(spec.path or "/", []).append(spec)
    return {
        path: Route(_handler(specs), tuple(spec.capability for spec in specs if spec.capability in _ROWS))
        for path, specs in by_path.items()
    }


def _handler(specs: list[TableSpec]) -> Callable[[Call], SimReply]:
    def handler(call: Call) -> SimReply:
        root: Values = {}
        for spec in specs:
            if spec.capability not in _ROWS:
                continue
            rows = list(_ROWS[spec.capability](call, spec))
            if spec.per_pair and not rows:
                return ERROR("unknown_symbol")
            _write(root, spec, rows)
        return reply(_settled(root))

    return handler


# --- writing where the table reads ------------------------------------------------------------------------------------


def _write(root: Values, spec: TableSpec, rows: list[Values]) -> None:
    by_key = any(column.key for column in spec.columns.values())
    if spec.keyed and not rows:
        _put(root, spec.rows or ("0",), [] if spec.rows else None)
    for place, values in enumerate(rows):
        at = spec.rows
        if by_key:
            at = (*at, next(str(values[n]) for n, c in spec.columns.items() if c.key and n in values))
        elif spec.keyed:
            at = (*at, str(place))
        for name, column in spec.columns.items():
            if column.constant is None and not column.key and values.get(name) is not None:
                unit_of_time = spec.next_time_unit if name == "next_time" else spec.time_unit
                told = _told(column, values[name], unit_of_time)
                _put(root, column.path if column.whole else (*at, *column.path), told)
        for path, wanted in spec.where:
            if path not in {column.path for column in spec.columns.values()}:
                _put(root, (*at, *path), wanted.rstrip("*"))


def _told(column: Column, value: Any, time_unit: str) -> Any:
    if column.kind == "time":
        return rfc3339(value) if time_unit == "iso" else round(value * _FACTORS[time_unit])
    if column.kind in ("number", "positive"):
        return float(f"{value / column.factor:.10g}")
    return round(value / column.factor) if column.kind == "count" else value


def _put(root: Values, path: tuple[str, ...], value: Any) -> None:
    if not path:
        root[""] = value
        return
    for key in path[:-1]:
        root = root.setdefault(key, {})
    root[path[-1]] = value


def _settled(node: Any) -> Any:
    """Objects whose keys are places in a list as that list; a body that is one value alone as that value."""
    if not isinstance(node, dict):
        return node
    if set(node) == {""}:
        return node[""]
    if "0" in node and all(key.isdigit() for key in node):
        return [_settled(node.get(str(place))) for place in range(max(map(int, node)) + 1)]
    return {key: _settled(value) for key, value in node.items()}


# --- what is told -----------------------------------------------------------------------------------------------------


def _named(spec: TableSpec, pair: Pair) -> Values:
    own = {common: theirs for theirs, common in spec.aliases.items()}
    base, quote = (own.get(ticker, ticker) for ticker in pair)
    form = spec.symbol_form or "BASE/QUOTE"
    symbol = form.replace("BASE", "\0").replace("QUOTE", quote).replace("\0", base)
    return {"base": base, "quote": quote, "symbol": f"{spec.symbol_prefix}{symbol}{spec.symbol_suffix}"}


def _asked(call: Call, spec: TableSpec, listed: list[Pair]) -> list[Pair]:
    """The pair the path or the query names, of those listed; all where the answer is about all."""
    if not spec.per_pair:
        return listed
    sent = {**call.path, **call.query}
    text = "/".join(sent.values()).upper()
    own = {common: theirs for theirs, common in spec.aliases.items()}
    return [
        pair
        for pair in listed
        if all(own.get(ticker, ticker) in text for ticker in pair) and _exact(spec, call, pair)
    ][:1]


def _exact(spec: TableSpec, call: Call, pair: Pair) -> bool:
    names = {"BASE": pair.base, "QUOTE": pair.quote, "base": pair.base.lower(), "quote": pair.quote.lower()}
    own = {common: theirs for theirs, common in spec.aliases.items()}
    if any(call.path.get(name, own.get(text, text)) != own.get(text, text) for name, text in names.items()):
        return False
    wanted = dict(spec.params)
    for name, ticker in names.items():
        wanted = {key: text.replace(f"{{{name}}}", own.get(ticker, ticker)) for key, text in wanted.items()}
    return all(call.query.get(key) == text for key, text in wanted.items())


def _quotes(call: Call, spec: TableSpec) -> Iterator[Values]:
    for pair in _asked(call, spec, call.view.pairs()):
        t = call.view.ticker(pair, call.now_ms)
        yield {
            **_named(spec, pair),
            "price": 1 / t.last if spec.invert else t.last,
            "bid": t.bid,
            "ask": t.ask,
            "base_volume": t.base_volume,
            "quote_volume": t.quote_volume,
            "change_pct": t.change_pct,
            "high": t.high,
            "low": t.low,
            "time": call.now_ms,
        }


def _instruments(call: Call, spec: TableSpec) -> Iterator[Values]:
    for pair in call.view.pairs():
        yield {**_named(spec, pair), "active": True}


def _coins(call: Call, spec: TableSpec) -> Iterator[Values]:
    for coin in call.view.coins(call.now_ms):
        yield {
            "id": coin.asset.gecko_id,
            "name": coin.asset.name,
            "ticker": coin.asset.ticker,
            "rank": coin.rank,
            "price": coin.price,
            "market_cap": coin.market_cap,
            "volume_24h": coin.volume_24h,
            "change_1h_pct": coin.change_1h_pct,
            "change_24h_pct": coin.change_24h_pct,
            "change_7d_pct": coin.change_7d_pct,
            "circulating_supply": coin.asset.supply,
            "max_supply": coin.asset.max_supply,
            "time": call.now_ms,
            "active": True,
        }


def _global(call: Call, spec: TableSpec) -> Iterator[Values]:
    whole = totals(call)
    yield {
        "market_cap": whole.market_cap,
        "volume_24h": whole.volume_24h,
        "btc_dominance_pct": whole.shares.get("BTC"),
        "eth_dominance_pct": whole.shares.get("ETH"),
        "active_coins": whole.coins,
        "market_cap_change_24h_pct": whole.change_24h_pct,
        "time": call.now_ms,
    }


def _perpetuals(call: Call, spec: TableSpec) -> Iterator[Values]:
    quote = call.view.entry.quotes_in[0]
    for pair in _asked(call, spec, derivatives.listed(call, quote)):
        p = derivatives.perpetual(call, pair, interval_h=_hours(spec))
        yield {
            **_named(spec, pair),
            "rate": p.rate,
            "interval_h": p.interval_h,
            "mark_price": p.mark_price,
            "index_price": p.index_price,
            "next_time": p.next_ms,
            "time": call.now_ms,
            "amount": p.amount,
            "value": p.value,
        }


def _hours(spec: TableSpec) -> int | None:
    column = spec.columns.get("interval_h")
    return int(column.constant) if column is not None and column.constant is not None else None


def _chain(call: Call, spec: TableSpec) -> str | None:
    """The chain asked for; None: the only one the entry has."""
    named = {theirs: common for common, theirs in spec.chain_names.items()}
    told = call.path.get("chain") or next(
        (call.query.get(key) for key, text in spec.params if text == "{chain}"), None
    )
    return None if told is None else named.get(told, told)


def _gas(call: Call, spec: TableSpec) -> Iterator[Values]:
    view = seen(call, _chain(call, spec))
    unit_column = spec.columns["unit"].constant
    if unit_column == "sat/vB":
        fast, standard, slow = view.chain.byte_fees(view.at_ms)
        base: float | None = None
    else:
        number = view.newest
        base = view.chain.base_fee(number + 1) / GWEI
        slow, standard, fast = (base + view.chain.tip(number, p) / GWEI for p in (10, 50, 90))
    yield {
        "unit": unit_column,
        "slow": slow,
        "standard": standard,
        "fast": fast,
        "base_fee": base,
        "block": view.newest,
        "time": view.at_ms,
    }


def _chain_stats(call: Call, spec: TableSpec) -> Iterator[Values]:
    view = seen(call, _chain(call, spec))
    chain, newest = view.chain, view.newest
    mined = {"difficulty", "hashrate"} & set(spec.columns)
    yield {
        "block": newest,
        "block_time_s": chain.plan.block_ms / 1000,
        # Difficulty grows with the height: that of a fast chain would leave the range of numbers.
        "difficulty": chain.difficulty(newest % MOST_MINED) if mined else None,
        "hashrate": chain.hashrate(view.at_ms) if "hashrate" in mined else None,
        "mempool": chain.waiting(view.at_ms),
        "mempool_bytes": chain.waiting(view.at_ms) * 420,
        "transactions_24h": round(chain.plan.transactions * DAY_MS / chain.plan.block_ms),
        "tps": chain.plan.transactions / chain.plan.block_ms * 1000,
        "supply": 1e6 + newest / 1000,
        "time": chain.time_ms(newest),
    }


def _fear_greed(call: Call, spec: TableSpec) -> Iterator[Values]:
    limit = next((call.whole(key, 1, 0) for key, text in spec.params if text == "{days}"), 1)
    key = key_of(call.market.seed, "mood", call.view.entry.source)
    today = call.now_ms // DAY_MS
    for back in range(limit or DAYS):
        value = 10 + round(80 * unit(key, today - back))
        name = next(word for bound, word in _CLASSES if value < bound)
        yield {"value": value, "classification": name, "time": (today - back) * DAY_MS}


Rows = Callable[[Call, TableSpec], Iterator[Values]]
_ROWS: Mapping[Capability, Rows] = {
    Capability.QUOTES: _quotes,
    Capability.INSTRUMENTS: _instruments,
    Capability.COINS: _coins,
    Capability.ASSETS: _coins,
    Capability.GLOBAL: _global,
    Capability.FUNDING: _perpetuals,
    Capability.OPEN_INTEREST: _perpetuals,
    Capability.GAS: _gas,
    Capability.CHAIN_STATS: _chain_stats,
    Capability.FEAR_GREED: _fear_greed,
}
