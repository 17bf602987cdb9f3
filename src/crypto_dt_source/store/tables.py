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
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

CONSENSUS = "consensus"
"""The provider of prices the service decided itself. Number 0, which SQLite stores in no bytes at all."""

# Only a column declared INTEGER PRIMARY KEY numbers itself on SQLite; PostgreSQL gets the narrow type.
small_number = SmallInteger().with_variant(Integer(), "sqlite")
big_number = BigInteger().with_variant(Integer(), "sqlite")


def _provider(name: str = "provider", *, nullable: bool = False) -> Column[int]:
    return Column(name, SmallInteger, ForeignKey("providers.number"), nullable=nullable)


def _asset() -> Column[int]:
    return Column("asset", Integer, ForeignKey("assets.number"), nullable=False)


def _ms(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _number(name: str, *, nullable: bool = True) -> Column[float]:
    return Column(name, Double, nullable=nullable)


def _text(name: str, *, nullable: bool = True) -> Column[str]:
    return Column(name, Text, nullable=nullable)


assets = Table(
    "assets",
    metadata,
    Column("number", Integer, primary_key=True),
    _text("id", nullable=False),
    _text("ticker"),
    _text("name"),
    _text("kind"),
    Column("rank", Integer),
    _text("aliases"),
    UniqueConstraint("id"),
)

providers = Table(
    "providers",
    metadata,
    Column("number", small_number, primary_key=True),
    _text("id", nullable=False),
    _text("status"),
    _number("health_score"),
    _ms("last_check", nullable=True),
    Column("enabled", Boolean, nullable=False, server_default="1"),
    Column("priority", Integer),
    _number("weight"),
    _text("detail"),
    UniqueConstraint("id"),
)

# The words a price carries about how it was made are few and long; millions of rows hold a number instead.
methods = Table(
    "methods",
    metadata,
    Column("number", small_number, primary_key=True),
    _text("id", nullable=False),
    UniqueConstraint("id"),
)

# A status of NULL is 'ok', the answer of nearly every row.
prices = Table(
    "prices",
    metadata,
    _ms("timestamp"),
    _number("price"),
    _number("half_width"),
    _number("dispersion_pct"),
    _asset(),
    _provider(),
    Column("sources", SmallInteger),
    Column("method", SmallInteger, ForeignKey("methods.number")),
    _text("status"),
    PrimaryKeyConstraint("asset", "provider", "timestamp"),
    sqlite_with_rowid=False,
)

# Time first: quotes are written in time order and deleted after two days, so inserts fill whole pages at the end and
# retention cuts one contiguous range at the front. `position` keeps the order pricing saw, which sums depend on. A source of NULL
# is the provider itself, a kind of NULL is 'venue': true of most rows.
quotes = Table(
    "quotes",
    metadata,
    _ms("timestamp"),
    _number("price", nullable=False),
    _number("bid"),
    _number("ask"),
    _number("volume"),
    _ms("event_ms", nullable=True),
    _ms("received_ms"),
    _ms("unchanged_since_ms"),
    _asset(),
    Column("position", SmallInteger, nullable=False),
    _provider(),
    _text("source"),
    _text("kind"),
    _text("symbol", nullable=False),
    _text("currency", nullable=False),
    PrimaryKeyConstraint("timestamp", "asset", "position"),
    sqlite_with_rowid=False,
)

# The key first: of a clustered table whose last column is its key while its only other column may not be NULL, the
# integrity check of SQLite 3.40 says that the other column is NULL in every row.
price_rates = Table(
    "price_rates",
    metadata,
    _ms("timestamp"),
    _text("currency", nullable=False),
    _number("usd", nullable=False),
    PrimaryKeyConstraint("timestamp", "currency"),
    sqlite_with_rowid=False,
)

series = Table(
    "series",
    metadata,
    Column("number", Integer, primary_key=True),
    _provider(),
    _text("base", nullable=False),
    _text("quote", nullable=False),
    _text("interval", nullable=False),
    UniqueConstraint("provider", "base", "quote", "interval"),
)

# `source` is NULL for the venue's own candle, else the venue a missing one was taken from.
ohlcv = Table(
    "ohlcv",
    metadata,
    _ms("open_ms"),
    _number("open", nullable=False),
    _number("high", nullable=False),
    _number("low", nullable=False),
    _number("close", nullable=False),
    _number("volume"),
    _number("quote_volume"),
    Column("trades", BigInteger),
    Column("series", Integer, ForeignKey("series.number"), nullable=False),
    _provider("source", nullable=True),
    Column("closed", Boolean, nullable=False),
    PrimaryKeyConstraint("series", "open_ms"),
    sqlite_with_rowid=False,
)

ohlcv_gaps = Table(
    "ohlcv_gaps",
    metadata,
    _ms("start_ms"),
    _ms("end_ms"),
    Column("series", Integer, ForeignKey("series.number"), nullable=False),
    _text("reason", nullable=False),
    PrimaryKeyConstraint("series", "start_ms"),
    sqlite_with_rowid=False,
)

backfill_progress = Table(
    "backfill_progress",
    metadata,
    Column("series", Integer, ForeignKey("series.number"), primary_key=True),
    _ms("from_ms"),
    _ms("to_ms"),
    _ms("done_to_ms"),
    _ms("updated_ms"),
)

market_snapshots = Table(
    "market_snapshots",
    metadata,
    _ms("timestamp"),
    _provider(),
    _number("btc_price"),
    _number("eth_price"),
    _number("market_cap"),
    _number("volume_24h"),
    _number("btc_dominance_pct"),
    _number("eth_dominance_pct"),
    Column("active_coins", BigInteger),
    _number("change_24h_pct"),
    PrimaryKeyConstraint("timestamp", "provider"),
    sqlite_with_rowid=False,
)

coin_markets = Table(
    "coin_markets",
    metadata,
    _provider(),
    _text("native_id", nullable=False),
    _text("ticker", nullable=False),
    _text("name", nullable=False),
    Column("rank", BigInteger),
    _number("price", nullable=False),
    _number("market_cap"),
    _number("volume_24h"),
    _number("change_1h_pct"),
    _number("change_24h_pct"),
    _number("change_7d_pct"),
    _number("high_24h"),
    _number("low_24h"),
    _number("circulating_supply"),
    _number("total_supply"),
    _number("max_supply"),
    _ms("event_ms", nullable=True),
    _ms("received_ms"),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

coin_details = Table(
    "coin_details",
    metadata,
    _ms("timestamp"),
    _provider(),
    _text("native_id", nullable=False),
    _text("payload", nullable=False),
    PrimaryKeyConstraint("provider", "native_id"),
)

trending = Table(
    "trending",
    metadata,
    _ms("timestamp"),
    _provider(),
    Column("position", SmallInteger, nullable=False),
    _text("native_id", nullable=False),
    _text("ticker", nullable=False),
    _text("name", nullable=False),
    Column("rank", BigInteger),
    _number("price"),
    _number("change_24h_pct"),
    PrimaryKeyConstraint("timestamp", "provider", "position"),
    sqlite_with_rowid=False,
)

categories = Table(
    "categories",
    metadata,
    _ms("timestamp"),
    _provider(),
    _text("native_id", nullable=False),
    _text("name", nullable=False),
    _number("market_cap"),
    _number("change_24h_pct"),
    _number("volume_24h"),
    Column("coins", BigInteger),
    _ms("event_ms", nullable=True),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

exchanges = Table(
    "exchanges",
    metadata,
    _ms("timestamp"),
    _provider(),
    _text("native_id", nullable=False),
    _text("name", nullable=False),
    _text("country"),
    Column("year", BigInteger),
    _text("url"),
    Column("trust_rank", BigInteger),
    _number("volume_usd"),
    _number("volume_btc"),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

instruments = Table(
    "instruments",
    metadata,
    _ms("timestamp"),
    _provider(),
    Column("active", Boolean, nullable=False),
    _text("symbol", nullable=False),
    _text("base", nullable=False),
    _text("quote", nullable=False),
    PrimaryKeyConstraint("provider", "symbol"),
    sqlite_with_rowid=False,
)

asset_listings = Table(
    "asset_listings",
    metadata,
    _ms("timestamp"),
    Column("rank", BigInteger),
    _provider(),
    Column("active", Boolean, nullable=False),
    _text("native_id", nullable=False),
    _text("ticker", nullable=False),
    _text("name", nullable=False),
    PrimaryKeyConstraint("provider", "native_id"),
    sqlite_with_rowid=False,
)

pools = Table(
    "pools",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name", nullable=False),
    _text("category", nullable=False),
    _text("strategy", nullable=False),
    Column("enabled", Boolean, nullable=False),
    _ms("created_ms"),
)

pool_members = Table(
    "pool_members",
    metadata,
    Column("pool", Text, ForeignKey("pools.id", ondelete="CASCADE"), nullable=False),
    _provider(),
    Column("priority", Integer, nullable=False),
    _number("weight", nullable=False),
    Column("enabled", Boolean, nullable=False),
    PrimaryKeyConstraint("pool", "provider"),
)

# Logs are read and cut by time alone; the number exists because two calls can share a millisecond.
api_calls = Table(
    "api_calls",
    metadata,
    Column("number", big_number, primary_key=True),
    _ms("timestamp"),
    _number("response_time_ms"),
    _provider(),
    Column("http_status", SmallInteger),
    _text("endpoint", nullable=False),
    _text("status", nullable=False),
    Index(None, "timestamp"),
)

user_requests = Table(
    "user_requests",
    metadata,
    Column("number", big_number, primary_key=True),
    _ms("timestamp"),
    _number("response_time_ms"),
    Column("batched", Integer, nullable=False, server_default="1"),
    Column("status", SmallInteger, nullable=False),
    _text("address", nullable=False),
    _text("endpoint", nullable=False),
    Index(None, "timestamp"),
)

budgets = Table(
    "budgets",
    metadata,
    _ms("window_start_ms"),
    _number("used", nullable=False),
    Column("window_s", Integer, nullable=False),
    _text("scope", nullable=False),
    PrimaryKeyConstraint("scope", "window_s", "window_start_ms"),
)
