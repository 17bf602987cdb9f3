"""Feeds for tests, small and written here, and the one way tests read them."""

from __future__ import annotations

from typing import NamedTuple

from crypto_dt_source.model.ask import Capability, NewsAsk
from crypto_dt_source.model.news import Article, FeedState
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.feed import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW_MS = 1_791_072_000_000  # 2026-10-04T00:00:00Z
NOON_MS = NOW_MS - 12 * 3_600_000
ENDPOINT = ADAPTER.endpoints[Capability.NEWS]


class Read(NamedTuple):
    state: FeedState
    articles: list[Article]
    unreadable: list[Unreadable]

    @property
    def only(self) -> Article:
        (article,) = self.articles
        return article


def read(body: str | bytes, ask: NewsAsk | None = None, *, status: int = 200, **headers: str) -> Read:
    """What the adapter makes of a body; every record is in normal form or says why not."""
    content = body.encode() if isinstance(body, str) else body
    kept = {name.replace("_", "-"): value for name, value in headers.items()}
    records = list(ENDPOINT.parse(Reply("paper", status, content, NOW_MS, kept), ask or NewsAsk()))
    state, *rest = records
    assert isinstance(state, FeedState)
    assert violation(state) is None
    articles = [record for record in rest if isinstance(record, Article)]
    assert [reason for article in articles if (reason := violation(article))] == []
    unreadable = [record for record in rest if isinstance(record, Unreadable)]
    assert len(articles) + len(unreadable) == len(rest)
    return Read(state, articles, unreadable)


def rss(items: str, head: str = "<title>The Paper</title><link>https://paper.example/</link>") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/" '
        f'xmlns:atom="http://www.w3.org/2005/Atom"><channel>{head}{items}</channel></rss>'
    )


def item(
    title: str = "Bitcoin rises", link: str = "https://paper.example/bitcoin-rises", more: str = ""
) -> str:
    return f"<item><title>{title}</title><link>{link}</link>{more}</item>"
