"""Tables of news and sentiment. `tables.py` says what holds for all.

Feeds tell one story several times. `news.story` names the story of an article, `news.head` is the number of the article
that stands for its story; of the head itself it is its own. So a story is one number: counting the stories of a filter
reads an index and nothing else.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    event,
    text,
)

from .columns import asset_number, big_number, metadata, ms, provider_number, real, word

# `assets` is the JSON list of asset ids, as it is given back; `news_assets` finds articles by them. The long texts come
# last, so that a read of the others does not walk over them.
news = Table(
    "news",
    metadata,
    Column("number", big_number, primary_key=True),
    Column("head", BigInteger, nullable=False),
    ms("published_ms"),
    ms("received_ms"),
    ms("scored_ms", nullable=True),
    real("confidence"),
    real("bearish"),
    real("neutral"),
    real("bullish"),
    provider_number(),
    Column("dated", Boolean, nullable=False),
    word("id", nullable=False),
    word("story", nullable=False),
    word("sentiment"),
    word("raw_label"),
    word("model"),
    word("revision"),
    word("assets"),
    word("title", nullable=False),
    word("url", nullable=False),
    word("link", nullable=False),
    word("guid"),
    word("author"),
    word("image"),
    word("tags"),
    word("summary"),
    UniqueConstraint("id"),
    Index(None, "published_ms", "head"),
    Index(None, "provider", "published_ms", "head"),
    Index(None, "head", "published_ms", "sentiment"),
    Index(None, "story"),
    Index(
        "ix_news_heads",
        "published_ms",
        "sentiment",
        "head",
        sqlite_where=text("head = number"),
        postgresql_where=text("head = number"),
    ),
    Index(
        "ix_news_unscored",
        "published_ms",
        sqlite_where=text("scored_ms IS NULL"),
        postgresql_where=text("scored_ms IS NULL"),
    ),
)

# `head` is the article's own, repeated, and last for the reason told at `tables.price_rates`.
news_assets = Table(
    "news_assets",
    metadata,
    ms("published_ms"),
    Column("news", BigInteger, ForeignKey("news.number", ondelete="CASCADE"), nullable=False),
    asset_number(),
    Column("head", BigInteger, nullable=False),
    PrimaryKeyConstraint("asset", "published_ms", "news"),
    Index(None, "news"),
    sqlite_with_rowid=False,
)

news_feeds = Table(
    "news_feeds",
    metadata,
    ms("checked_ms"),
    ms("changed_ms", nullable=True),
    Column("provider", SmallInteger, ForeignKey("providers.number"), primary_key=True),
    word("title"),
    word("etag"),
    word("last_modified"),
)

fear_greed = Table(
    "fear_greed",
    metadata,
    ms("day_ms"),
    ms("received_ms"),
    provider_number(),
    Column("value", SmallInteger, nullable=False),
    word("series", nullable=False),
    word("classification", nullable=False),
    PrimaryKeyConstraint("series", "day_ms"),
    sqlite_with_rowid=False,
)

SEPARATORS = (
    r"[!-/:-@[-`{-~\u00a0-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf"
    r"\u2000-\u206f\u20a0-\u2bff\u3000-\u303f\uff01-\uff0f]"
)
"""What stands between words, as Python's and PostgreSQL's regular expressions both read it. Without it PostgreSQL would
make one word of `crypto.com` or `DeFi/NFT`, and in a database of the C locale even of words with a dash between."""

WORDS = f"to_tsvector('english', regexp_replace(title || ' ' || COALESCE(summary, ''), '{SEPARATORS}+', ' ', 'g'))"
"""PostgreSQL's words of an article. A query that says exactly this is answered by the index."""

# Full text has no form both databases know. SQLite keeps the index in a table of its own, in step by triggers; the texts
# stay in `news` alone.
_FULL_TEXT = {
    "sqlite": (
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
    ),
    "postgresql": (f"CREATE INDEX ix_news_text ON news USING gin ({WORDS})",),
}
for _dialect, _statements in _FULL_TEXT.items():
    for _statement in _statements:
        _made = DDL(_statement)  # type: ignore[no-untyped-call]
        event.listen(news, "after_create", _made.execute_if(dialect=_dialect))
