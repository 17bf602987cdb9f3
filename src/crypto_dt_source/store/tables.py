"""Every table, once. Alembic's migrations build them; a test holds the two together on both databases.

Types and keys are chosen for bytes per row and for the queries in `repos/`:

* Assets, providers and candle series have text names outside and small integers inside, so that a row of the big tables
  spends 2 to 4 bytes on each instead of a word. Only `numbers.py` knows the mapping.
* The big tables are clustered by their key (`WITHOUT ROWID` on SQLite, where the table then *is* the index), the key's
  columns in the order of the range read. PostgreSQL has no clustered tables; there the widest columns come first, so
  that no row carries padding.
* A second index exists only where a query would otherwise read a whole big table.
* Times are milliseconds UTC; money is float64, US dollars where no currency is named; NULL is 'the upstream does not
  give it'.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

# The names as they are: whoever needs every table takes them from here.
from .access_tables import api_keys as api_keys
from .access_tables import audit_log as audit_log
from .access_tables import limiter_uses as limiter_uses
from .columns import asset_number, big_number, ms, provider_number, real, small_number, word
from .columns import metadata as metadata
from .defi_tables import defi_protocols as defi_protocols
from .defi_tables import kept as kept
from .defi_tables import tvl_history as tvl_history
from .news_tables import fear_greed as fear_greed
from .news_tables import news as news
from .news_tables import news_assets as news_assets
from .news_tables import news_feeds as news_feeds
from .ops_tables import archives as archives
from .ops_tables import backups as backups
from .ops_tables import candidates as candidates
from .ops_tables import diagnoses as diagnoses
from .ops_tables import discovery_runs as discovery_runs
from .ops_tables import job_runs as job_runs
from .ops_tables import job_states as job_states
from .ops_tables import own_entries as own_entries
from .ops_tables import pool_asides as pool_asides
from .ops_tables import pool_events as pool_events
from .ops_tables import provider_hours as provider_hours

CONSENSUS = "consensus"
"""The provider of prices the service decided itself. Number 0, which SQLite stores in no bytes at all."""

assets = Table(
    "assets",
    metadata,
    Column("number", Integer, primary_key=True),
    word("id", nullable=False),
    word("ticker"),
    word("name"),
    word("kind"),
    Column("rank", Integer),
    word("aliases"),
    UniqueConstraint("id"),
)

providers = Table(
    "providers",
    metadata,
    Column("number", small_number, primary_key=True),
    word("id", nullable=False),
    word("status"),
    real("health_score"),
    ms("last_check", nullable=True),
    Column("enabled", Boolean, nullable=False, server_default="1"),
    Column("priority", Integer),
    real("weight"),
    word("detail"),
    UniqueConstraint("id"),
)

# The words a price carries about how it was made are few and long; millions of rows hold a number instead.
methods = Table(
    "methods",
    metadata,
    Column("number", small_number, primary_key=True),
    word("id", nullable=False),
    UniqueConstraint("id"),
)

# A status of NULL is 'ok', the answer of nearly every row.
prices = Table(
    "prices",
    metadata,
    ms("timestamp"),
    real("price"),
    real("half_width"),
    real("dispersion_pct"),
    asset_number(),
    provider_number(),
    Column("sources", SmallInteger),
    Column("method", SmallInteger, ForeignKey("methods.number")),
    word("status"),
    PrimaryKeyConstraint("asset", "provider", "timestamp"),
    sqlite_with_rowid=False,
)

# Time first: quotes are written in time order and deleted after two days, so inserts fill whole pages at the end and
# retention cuts one contiguous range at the front. `position` keeps the order pricing saw, which sums depend on. A source of NULL
# is the provider itself, a kind of NULL is 'venue': true of most rows.
quotes = Table(
    "quotes",
    metadata,
    ms("timestamp"),
    real("price", nullable=False),
    real("bid"),
    real("ask"),
    real("volume"),
    ms("event_ms", nullable=True),
    ms("received_ms"),
    ms("unchanged_since_ms"),
    asset_number(),
    Column("position", SmallInteger, nullable=False),
    provider_number(),
    word("source"),
    word("kind"),
    word("symbol", nullable=False),
    word("currency", nullable=False),
    PrimaryKeyConstraint("timestamp", "asset", "position"),
    sqlite_with_rowid=False,
)

# The key first: of a clustered table whose last column is its key while its only other column may not be NULL, the
# integrity check of SQLite 3.40 says that the other column is NULL in every row.
price_rates = Table(
    "price_rates",
    metadata,
    ms("timestamp"),
    word("currency", nullable=False),
    real("usd", nullable=False),
    PrimaryKeyConstraint("timestamp", "currency"),
    sqlite_with_rowid=False,
)

series = Table(
    "series",
    metadata,
    Column("number", Integer, primary_key=True),
    provider_number(),
    word("base", nullable=False),
    word("quote", nullable=False),
    word("interval", nullable=False),
    UniqueConstraint("provider", "base", "quote", "interval"),
)

# `source` is NULL for the venue's own candle, else the venue a missing one was taken from.
ohlcv = Table(
    "ohlcv",
    metadata,
    ms("open_ms"),
    real("open", nullable=False),
    real("high", nullable=False),
    real("low", nullable=False),
    real("close", nullable=False),
    real("volume"),
    real("quote_volume"),
    Column("trades", BigInteger),
    Column("series", Integer, ForeignKey("series.number"), nullable=False),
    provider_number("source", nullable=True),
    Column("closed", Boolean, nullable=False),
    PrimaryKeyConstraint("series", "open_ms"),
    sqlite_with_rowid=False,
)

ohlcv_gaps = Table(
    "ohlcv_gaps",
    metadata,
    ms("start_ms"),
    ms("end_ms"),
    Column("series", Integer, ForeignKey("series.number"), nullable=False),
    word("reason", nullable=False),
    PrimaryKeyConstraint("series", "start_ms"),
    sqlite_with_rowid=False,
)

backfill_progress = Table(
    "backfill_progress",
    metadata,
    Column("series", Integer, ForeignKey("series.number"), primary_key=True),
    ms("from_ms"),
    ms("to_ms"),
    ms("done_to_ms"),
    ms("updated_ms"),
)

market_snapshots = Table(
    "market_snapshots",
    metadata,
    ms("timestamp"),
    provider_number(),
    real("btc_price"),
    real("eth_price"),
    real("market_cap"),
    real("volume_24h"),
    real("btc_dominance_pct"),
    real("eth_dominance_pct"),
    Column("active_coins", BigInteger),
    real("change_24h_pct"),
    PrimaryKeyConstraint("timestamp", "provider"),
    sqlite_with_rowid=False,
)

coin_markets = Table(
    "coin_markets",
    metadata,
    provider_number(),
    word("native_id", nullable=False),
    word("ticker", nullable=False),
    word("name", nullable=False),
    Column("rank", BigInteger),
    real("price", nullable=False),
    real("market_cap"),
    real("volume_24h"),
    real("change_1h_pct"),
    real("change_24h_pct"),
    real("change_7d_pct"),
    real("high_24h"),
    real("low_24h"),
    real("circulating_supply"),
    real("total_supply"),
    real("max_supply"),
    ms("event_ms", nullable=True),
    ms("received_ms"),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

coin_details = Table(
    "coin_details",
    metadata,
    ms("timestamp"),
    provider_number(),
    word("native_id", nullable=False),
    word("payload", nullable=False),
    PrimaryKeyConstraint("provider", "native_id"),
)

trending = Table(
    "trending",
    metadata,
    ms("timestamp"),
    provider_number(),
    Column("position", SmallInteger, nullable=False),
    word("native_id", nullable=False),
    word("ticker", nullable=False),
    word("name", nullable=False),
    Column("rank", BigInteger),
    real("price"),
    real("change_24h_pct"),
    PrimaryKeyConstraint("timestamp", "provider", "position"),
    sqlite_with_rowid=False,
)

categories = Table(
    "categories",
    metadata,
    ms("timestamp"),
    provider_number(),
    word("native_id", nullable=False),
    word("name", nullable=False),
    real("market_cap"),
    real("change_24h_pct"),
    real("volume_24h"),
    Column("coins", BigInteger),
    ms("event_ms", nullable=True),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

exchanges = Table(
    "exchanges",
    metadata,
    ms("timestamp"),
    provider_number(),
    word("native_id", nullable=False),
    word("name", nullable=False),
    word("country"),
    Column("year", BigInteger),
    word("url"),
    Column("trust_rank", BigInteger),
    real("volume_usd"),
    real("volume_btc"),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

instruments = Table(
    "instruments",
    metadata,
    ms("timestamp"),
    provider_number(),
    Column("active", Boolean, nullable=False),
    word("symbol", nullable=False),
    word("base", nullable=False),
    word("quote", nullable=False),
    PrimaryKeyConstraint("provider", "symbol"),
    sqlite_with_rowid=False,
)

asset_listings = Table(
    "asset_listings",
    metadata,
    ms("timestamp"),
    Column("rank", BigInteger),
    provider_number(),
    Column("active", Boolean, nullable=False),
    word("native_id", nullable=False),
    word("ticker", nullable=False),
    word("name", nullable=False),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

# Pools of the operator's own, and shipped ones that were changed. `capabilities`: what one of his own serves, by spaces.
pools = Table(
    "pools",
    metadata,
    Column("id", Text, primary_key=True),
    word("name", nullable=False),
    word("category", nullable=False),
    word("strategy", nullable=False),
    word("capabilities", nullable=False),
    Column("enabled", Boolean, nullable=False),
    ms("created_ms"),
)

# Of a shipped pool only members that differ from the catalogue. `priority` NULL: the rank that the catalogue gives.
# `removed`: a shipped pool is to do without it.
pool_members = Table(
    "pool_members",
    metadata,
    Column("pool", Text, ForeignKey("pools.id", ondelete="CASCADE"), nullable=False),
    provider_number(),
    Column("priority", Integer),
    real("weight", nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("removed", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "provider"),
)

# Logs are read and cut by time alone; the number exists because two calls can share a millisecond.
api_calls = Table(
    "api_calls",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("timestamp"),
    real("response_time_ms"),
    provider_number(),
    Column("http_status", SmallInteger),
    word("endpoint", nullable=False),
    word("status", nullable=False),
    Index(None, "timestamp"),
)

user_requests = Table(
    "user_requests",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("timestamp"),
    real("response_time_ms"),
    Column("batched", Integer, nullable=False, server_default="1"),
    Column("status", SmallInteger, nullable=False),
    word("address", nullable=False),
    word("endpoint", nullable=False),
    Index(None, "timestamp"),
)

budgets = Table(
    "budgets",
    metadata,
    ms("window_start_ms"),
    real("used", nullable=False),
    Column("window_s", Integer, nullable=False),
    word("scope", nullable=False),
    PrimaryKeyConstraint("scope", "window_s", "window_start_ms"),
)
