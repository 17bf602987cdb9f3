"""What a table of a catalogue entry can say of each capability: its columns, which of them it cannot do without, and the
words of the ask that its request may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..model.ask import Capability

Kind = Literal["text", "ticker", "number", "positive", "count", "time", "list", "flag"]
"""What a column holds. `positive`: a number of which 0 means that there is none."""
PAIR_WORDS = frozenset({"base", "quote", "BASE", "QUOTE"})
Columns = dict[str, Kind]


class Shape(NamedTuple):
    """The columns of one capability, those without which a row says nothing, and the words a request may hold."""

    columns: Columns
    needed: tuple[str, ...]
    words: frozenset[str] = frozenset()
    single: bool = False


def _columns(**groups: str) -> Columns:
    """Columns by kind, as lists of names: `number="price bid"`."""
    made: dict[str, Any] = {name: kind for kind, names in groups.items() for name in names.split()}
    return made


_PAGES = frozenset({"page", "per_page", "offset"})
_CHAIN = frozenset({"chain"})
SHAPES: Mapping[Capability, Shape] = {
    Capability.QUOTES: Shape(
        _columns(
            text="symbol base quote",
            positive="price bid ask high low",
            number="base_volume quote_volume change_pct",
            time="time",
        ),
        ("price",),
        PAIR_WORDS,
    ),
    Capability.INSTRUMENTS: Shape(_columns(text="symbol base quote", flag="active"), ()),
    Capability.ASSETS: Shape(
        _columns(text="id name", ticker="ticker", count="rank", flag="active"), ("id", "ticker", "name")
    ),
    Capability.COINS: Shape(
        _columns(
            text="id name",
            ticker="ticker",
            count="rank",
            positive="price market_cap high_24h low_24h circulating_supply total_supply max_supply",
            number="volume_24h change_1h_pct change_24h_pct change_7d_pct",
            time="time",
        ),
        ("id", "ticker", "name", "price"),
        _PAGES,
    ),
    Capability.GLOBAL: Shape(
        _columns(
            positive="market_cap",
            number="volume_24h btc_dominance_pct eth_dominance_pct market_cap_change_24h_pct",
            count="active_coins",
            time="time",
        ),
        ("market_cap",),
        single=True,
    ),
    Capability.TRENDING: Shape(
        _columns(text="id name", ticker="ticker", count="rank", positive="price", number="change_24h_pct"),
        ("id", "ticker", "name"),
    ),
    Capability.CATEGORIES: Shape(
        _columns(text="id name", number="market_cap change_24h_pct volume_24h", count="coins", time="time"),
        ("id", "name"),
    ),
    Capability.EXCHANGES: Shape(
        _columns(text="id name country url", count="year trust_rank", number="volume_usd volume_btc"),
        ("id", "name"),
        _PAGES,
    ),
    Capability.DEFI_PROTOCOLS: Shape(
        _columns(
            text="slug name symbol category chain url",
            list="chains",
            number="tvl change_1h_pct change_1d_pct change_7d_pct market_cap",
        ),
        ("slug", "name", "tvl"),
    ),
    Capability.DEFI_CHAINS: Shape(
        _columns(text="name symbol", count="chain_id", number="tvl"), ("name", "tvl")
    ),
    Capability.YIELDS: Shape(
        _columns(
            text="pool project chain symbol exposure",
            number="tvl apy apy_base apy_reward apy_mean_30d",
            flag="stablecoin il_risk",
        ),
        ("pool", "project", "chain", "symbol", "tvl"),
    ),
    Capability.STABLECOINS: Shape(
        _columns(
            text="id name symbol pegged_to mechanism",
            list="chains",
            positive="price",
            number="circulating circulating_1d_ago circulating_7d_ago circulating_30d_ago",
        ),
        ("id", "name", "symbol", "pegged_to", "circulating"),
    ),
    Capability.DEX_VOLUMES: Shape(
        _columns(
            text="slug name",
            list="chains",
            number="volume_24h volume_7d volume_30d change_1d_pct change_7d_pct",
        ),
        ("slug", "name", "volume_24h"),
    ),
    Capability.FUNDING: Shape(
        _columns(
            text="symbol base quote",
            number="rate",
            positive="interval_h mark_price index_price",
            time="next_time time",
        ),
        ("rate",),
        PAIR_WORDS,
    ),
    Capability.OPEN_INTEREST: Shape(
        _columns(text="symbol base quote", number="amount value", time="time"), (), PAIR_WORDS
    ),
    Capability.GAS: Shape(
        _columns(
            text="unit", positive="slow standard fast base_fee blob_base_fee", count="block", time="time"
        ),
        ("unit", "standard"),
        _CHAIN,
        single=True,
    ),
    Capability.CHAIN_STATS: Shape(
        _columns(
            count="block mempool mempool_bytes transactions_24h",
            positive="block_time_s difficulty hashrate supply",
            number="tps",
            time="time",
        ),
        (),
        _CHAIN,
        single=True,
    ),
    Capability.FEAR_GREED: Shape(
        _columns(count="value", text="classification series", time="time"),
        ("value", "classification", "time"),
        frozenset({"days"}),
    ),
}
"""Every capability a table can serve. A column named `time` is the record's time, `next_time` that of the next
settlement, `id` the upstream's own id; the others are fields of the record of the same name."""
