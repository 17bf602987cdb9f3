"""DeFi, lists kept whole, fear and greed, news with its full-text index. `defi_tables.py` and `news_tables.py` say what
each table is for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SQLITE_TEXT = (
    """CREATE VIRTUAL TABLE news_text USING fts5(
    title, summary, content='news', content_rowid='number',
    tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER news_text_added AFTER INSERT ON news BEGIN
    INSERT INTO news_text (rowid, title, summary) VALUES (new.number, new.title, new.summary);
END""",
    """CREATE TRIGGER news_text_removed AFTER DELETE ON news BEGIN
    INSERT INTO news_text (news_text, rowid, title, summary) VALUES ('delete', old.number, old.title, old.summary);
END""",
    """CREATE TRIGGER news_text_changed AFTER UPDATE OF title, summary ON news BEGIN
    INSERT INTO news_text (news_text, rowid, title, summary) VALUES ('delete', old.number, old.title, old.summary);
    INSERT INTO news_text (rowid, title, summary) VALUES (new.number, new.title, new.summary);
END""",
)
SEPARATORS = (
    r"[!-/:-@[-`{-~\u00a0-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf"
    r"\u2000-\u206f\u20a0-\u2bff\u3000-\u303f\uff01-\uff0f]"
)
POSTGRES_TEXT = (
    "CREATE INDEX ix_news_text ON news USING gin ("
    f"to_tsvector('english', regexp_replace(title || ' ' || COALESCE(summary, ''), '{SEPARATORS}+', ' ', 'g')))"
)


def big(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def small(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger(), nullable=False)


def number(name: str, null: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=null)


def word(name: str, null: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def provider_of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["provider"], ["providers.number"], name=f"fk_{table}_provider")


def upgrade() -> None:
    defi()
    news()
    news_indexes()
    around_news()


def defi() -> None:
    op.create_table(
        "kept",
        big("timestamp"),
        word("key", null=False),
        word("source", null=False),
        word("payload", null=False),
        sa.PrimaryKeyConstraint("key", name="pk_kept"),
    )
    op.create_table(
        "defi_protocols",
        big("timestamp"),
        number("tvl", null=False),
        number("change_1h_pct"),
        number("change_1d_pct"),
        number("change_7d_pct"),
        number("market_cap"),
        small("provider"),
        word("slug", null=False),
        word("name", null=False),
        word("symbol"),
        word("category"),
        word("chain"),
        word("chains", null=False),
        word("url"),
        provider_of("defi_protocols"),
        sa.PrimaryKeyConstraint("provider", "slug", name="pk_defi_protocols"),
    )
    op.create_table(
        "tvl_history",
        big("day_ms"),
        small("provider"),
        word("subject", null=False),
        number("tvl", null=False),
        provider_of("tvl_history"),
        sa.PrimaryKeyConstraint("subject", "provider", "day_ms", name="pk_tvl_history"),
        sqlite_with_rowid=False,
    )


def news() -> None:
    op.create_table(
        "news",
        sa.Column("number", SERIAL_BIG, nullable=False),
        big("head"),
        big("published_ms"),
        big("received_ms"),
        big("scored_ms", null=True),
        number("confidence"),
        number("bearish"),
        number("neutral"),
        number("bullish"),
        small("provider"),
        sa.Column("dated", sa.Boolean(), nullable=False),
        word("id", null=False),
        word("story", null=False),
        word("sentiment"),
        word("raw_label"),
        word("model"),
        word("revision"),
        word("assets"),
        word("title", null=False),
        word("url", null=False),
        word("link", null=False),
        word("guid"),
        word("author"),
        word("image"),
        word("tags"),
        word("summary"),
        provider_of("news"),
        sa.PrimaryKeyConstraint("number", name="pk_news"),
        sa.UniqueConstraint("id", name="uq_news_id"),
    )


def news_indexes() -> None:
    op.create_index("ix_news_published_ms", "news", ["published_ms", "head"])
    op.create_index("ix_news_provider", "news", ["provider", "published_ms", "head"])
    op.create_index("ix_news_head", "news", ["head", "published_ms", "sentiment"])
    op.create_index("ix_news_story", "news", ["story"])
    for name, columns, condition in (
        ("ix_news_heads", ["published_ms", "sentiment", "head"], "head = number"),
        ("ix_news_unscored", ["published_ms"], "scored_ms IS NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "news", columns, sqlite_where=where, postgresql_where=where)
    for statement in SQLITE_TEXT if op.get_bind().dialect.name == "sqlite" else (POSTGRES_TEXT,):
        op.execute(statement)


def around_news() -> None:
    op.create_table(
        "news_assets",
        big("published_ms"),
        big("news"),
        sa.Column("asset", sa.Integer(), nullable=False),
        big("head"),
        sa.ForeignKeyConstraint(["news"], ["news.number"], name="fk_news_assets_news", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["asset"], ["assets.number"], name="fk_news_assets_asset"),
        sa.PrimaryKeyConstraint("asset", "published_ms", "news", name="pk_news_assets"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_news_assets_news", "news_assets", ["news"])
    op.create_table(
        "news_feeds",
        big("checked_ms"),
        big("changed_ms", null=True),
        small("provider"),
        word("title"),
        word("etag"),
        word("last_modified"),
        provider_of("news_feeds"),
        sa.PrimaryKeyConstraint("provider", name="pk_news_feeds"),
    )
    op.create_table(
        "fear_greed",
        big("day_ms"),
        big("received_ms"),
        small("provider"),
        small("value"),
        word("series", null=False),
        word("classification", null=False),
        provider_of("fear_greed"),
        sa.PrimaryKeyConstraint("series", "day_ms", name="pk_fear_greed"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("news_text")
    for table in "fear_greed news_feeds news_assets news tvl_history defi_protocols kept".split():
        op.drop_table(table)
