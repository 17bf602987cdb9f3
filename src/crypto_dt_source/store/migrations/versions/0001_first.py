"""The first schema: names, prices, candles, market lists, operations. `tables.py` says what each table is for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL_SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
SERIAL_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def big(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def integer(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=null)


def small(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger(), nullable=null)


def number(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=null)


def word(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def flag(name: str, server_default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=server_default, nullable=False)


def upgrade() -> None:
    names()
    prices()
    candles()
    market()
    trending()
    listings()
    operations()
    # Number 0 is the service's own: the price it decided, which no upstream said.
    op.execute("INSERT INTO providers (number, id) VALUES (0, 'consensus')")


def names() -> None:
    op.create_table(
        "assets",
        integer("number"),
        word("id"),
        word("ticker", null=True),
        word("name", null=True),
        word("kind", null=True),
        integer("rank", null=True),
        word("aliases", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_assets"),
        sa.UniqueConstraint("id", name="uq_assets_id"),
    )
    op.create_table(
        "providers",
        sa.Column("number", SERIAL_SMALL, nullable=False),
        word("id"),
        word("status", null=True),
        number("health_score", null=True),
        big("last_check", null=True),
        flag("enabled", server_default="1"),
        integer("priority", null=True),
        number("weight", null=True),
        word("detail", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_providers"),
        sa.UniqueConstraint("id", name="uq_providers_id"),
    )
    op.create_table(
        "methods",
        sa.Column("number", SERIAL_SMALL, nullable=False),
        word("id"),
        sa.PrimaryKeyConstraint("number", name="pk_methods"),
        sa.UniqueConstraint("id", name="uq_methods_id"),
    )
    op.create_table(
        "series",
        integer("number"),
        small("provider"),
        word("base"),
        word("quote"),
        word("interval"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_series_provider"),
        sa.PrimaryKeyConstraint("number", name="pk_series"),
        sa.UniqueConstraint("provider", "base", "quote", "interval", name="uq_series_provider"),
    )


def prices() -> None:
    op.create_table(
        "prices",
        big("timestamp"),
        number("price", null=True),
        number("half_width", null=True),
        number("dispersion_pct", null=True),
        integer("asset"),
        small("provider"),
        small("sources", null=True),
        small("method", null=True),
        word("status", null=True),
        sa.ForeignKeyConstraint(["asset"], ["assets.number"], name="fk_prices_asset"),
        sa.ForeignKeyConstraint(["method"], ["methods.number"], name="fk_prices_method"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_prices_provider"),
        sa.PrimaryKeyConstraint("asset", "provider", "timestamp", name="pk_prices"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quotes",
        big("timestamp"),
        number("price"),
        number("bid", null=True),
        number("ask", null=True),
        number("volume", null=True),
        big("event_ms", null=True),
        big("received_ms"),
        big("unchanged_since_ms"),
        integer("asset"),
        small("position"),
        small("provider"),
        word("source", null=True),
        word("kind", null=True),
        word("symbol"),
        word("currency"),
        sa.ForeignKeyConstraint(["asset"], ["assets.number"], name="fk_quotes_asset"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_quotes_provider"),
        sa.PrimaryKeyConstraint("timestamp", "asset", "position", name="pk_quotes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "price_rates",
        big("timestamp"),
        word("currency"),
        number("usd"),
        sa.PrimaryKeyConstraint("timestamp", "currency", name="pk_price_rates"),
        sqlite_with_rowid=False,
    )


def candles() -> None:
    op.create_table(
        "ohlcv",
        big("open_ms"),
        number("open"),
        number("high"),
        number("low"),
        number("close"),
        number("volume", null=True),
        number("quote_volume", null=True),
        big("trades", null=True),
        integer("series"),
        small("source", null=True),
        flag("closed"),
        sa.ForeignKeyConstraint(["series"], ["series.number"], name="fk_ohlcv_series"),
        sa.ForeignKeyConstraint(["source"], ["providers.number"], name="fk_ohlcv_source"),
        sa.PrimaryKeyConstraint("series", "open_ms", name="pk_ohlcv"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ohlcv_gaps",
        big("start_ms"),
        big("end_ms"),
        integer("series"),
        word("reason"),
        sa.ForeignKeyConstraint(["series"], ["series.number"], name="fk_ohlcv_gaps_series"),
        sa.PrimaryKeyConstraint("series", "start_ms", name="pk_ohlcv_gaps"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "backfill_progress",
        integer("series"),
        big("from_ms"),
        big("to_ms"),
        big("done_to_ms"),
        big("updated_ms"),
        sa.ForeignKeyConstraint(["series"], ["series.number"], name="fk_backfill_progress_series"),
        sa.PrimaryKeyConstraint("series", name="pk_backfill_progress"),
    )


def market() -> None:
    op.create_table(
        "market_snapshots",
        big("timestamp"),
        small("provider"),
        number("btc_price", null=True),
        number("eth_price", null=True),
        number("market_cap", null=True),
        number("volume_24h", null=True),
        number("btc_dominance_pct", null=True),
        number("eth_dominance_pct", null=True),
        big("active_coins", null=True),
        number("change_24h_pct", null=True),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_market_snapshots_provider"),
        sa.PrimaryKeyConstraint("timestamp", "provider", name="pk_market_snapshots"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coin_markets",
        small("provider"),
        word("native_id"),
        word("ticker"),
        word("name"),
        big("rank", null=True),
        number("price"),
        number("market_cap", null=True),
        number("volume_24h", null=True),
        number("change_1h_pct", null=True),
        number("change_24h_pct", null=True),
        number("change_7d_pct", null=True),
        number("high_24h", null=True),
        number("low_24h", null=True),
        number("circulating_supply", null=True),
        number("total_supply", null=True),
        number("max_supply", null=True),
        big("event_ms", null=True),
        big("received_ms"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_coin_markets_provider"),
        sa.PrimaryKeyConstraint("provider", "native_id", name="pk_coin_markets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coin_details",
        big("timestamp"),
        small("provider"),
        word("native_id"),
        word("payload"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_coin_details_provider"),
        sa.PrimaryKeyConstraint("provider", "native_id", name="pk_coin_details"),
    )


def trending() -> None:
    op.create_table(
        "trending",
        big("timestamp"),
        small("provider"),
        small("position"),
        word("native_id"),
        word("ticker"),
        word("name"),
        big("rank", null=True),
        number("price", null=True),
        number("change_24h_pct", null=True),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_trending_provider"),
        sa.PrimaryKeyConstraint("timestamp", "provider", "position", name="pk_trending"),
        sqlite_with_rowid=False,
    )


def listings() -> None:
    op.create_table(
        "categories",
        big("timestamp"),
        small("provider"),
        word("native_id"),
        word("name"),
        number("market_cap", null=True),
        number("change_24h_pct", null=True),
        number("volume_24h", null=True),
        big("coins", null=True),
        big("event_ms", null=True),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_categories_provider"),
        sa.PrimaryKeyConstraint("provider", "native_id", name="pk_categories"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "exchanges",
        big("timestamp"),
        small("provider"),
        word("native_id"),
        word("name"),
        word("country", null=True),
        big("year", null=True),
        word("url", null=True),
        big("trust_rank", null=True),
        number("volume_usd", null=True),
        number("volume_btc", null=True),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_exchanges_provider"),
        sa.PrimaryKeyConstraint("provider", "native_id", name="pk_exchanges"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "instruments",
        big("timestamp"),
        small("provider"),
        flag("active"),
        word("symbol"),
        word("base"),
        word("quote"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_instruments_provider"),
        sa.PrimaryKeyConstraint("provider", "symbol", name="pk_instruments"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "asset_listings",
        big("timestamp"),
        big("rank", null=True),
        small("provider"),
        flag("active"),
        word("native_id"),
        word("ticker"),
        word("name"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_asset_listings_provider"),
        sa.PrimaryKeyConstraint("provider", "native_id", name="pk_asset_listings"),
        sqlite_with_rowid=False,
    )


def operations() -> None:
    op.create_table(
        "pools",
        word("id"),
        word("name"),
        word("category"),
        word("strategy"),
        flag("enabled"),
        big("created_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_pools"),
    )
    op.create_table(
        "pool_members",
        word("pool"),
        small("provider"),
        integer("priority"),
        number("weight"),
        flag("enabled"),
        sa.ForeignKeyConstraint(["pool"], ["pools.id"], name="fk_pool_members_pool", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_pool_members_provider"),
        sa.PrimaryKeyConstraint("pool", "provider", name="pk_pool_members"),
    )
    op.create_table(
        "api_calls",
        sa.Column("number", SERIAL_BIG, nullable=False),
        big("timestamp"),
        number("response_time_ms", null=True),
        small("provider"),
        small("http_status", null=True),
        word("endpoint"),
        word("status"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_api_calls_provider"),
        sa.PrimaryKeyConstraint("number", name="pk_api_calls"),
    )
    op.create_index("ix_api_calls_timestamp", "api_calls", ["timestamp"], unique=False)
    op.create_table(
        "user_requests",
        sa.Column("number", SERIAL_BIG, nullable=False),
        big("timestamp"),
        number("response_time_ms", null=True),
        sa.Column("batched", sa.Integer(), server_default="1", nullable=False),
        small("status"),
        word("address"),
        word("endpoint"),
        sa.PrimaryKeyConstraint("number", name="pk_user_requests"),
    )
    op.create_index("ix_user_requests_timestamp", "user_requests", ["timestamp"], unique=False)
    op.create_table(
        "budgets",
        big("window_start_ms"),
        number("used"),
        integer("window_s"),
        word("scope"),
        sa.PrimaryKeyConstraint("scope", "window_s", "window_start_ms", name="pk_budgets"),
    )


TABLES = """
budgets user_requests api_calls pool_members pools asset_listings
instruments exchanges categories trending coin_details coin_markets
market_snapshots backfill_progress ohlcv_gaps ohlcv price_rates quotes
prices series methods providers assets
""".split()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
