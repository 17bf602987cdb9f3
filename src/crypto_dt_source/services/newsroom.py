"""What reading the news needs beside the store: which assets a text names, and which stories are told already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b

from ..analysis.mentions import Mentions
from ..analysis.stories import Item, Stories
from ..clock import Clock
from ..model.news import Article
from ..providers.resolver import Resolver
from ..store.repos.news import NewsRow

WINDOW_MS = 48 * 3_600_000
"""How far apart two tellings of one story may lie."""
CAPACITY = 5_000
REBUILT_S = 600.0
"""How often newly learned assets are taken into the recogniser."""


def article_id(url: str) -> str:
    """The id of the article at a canonical address: 64 bits of its hash, as 16 hex digits."""
    return blake2b(url.encode(), digest_size=8).hexdigest()


class Newsroom:
    """Owns the index of recent stories. Used from the loop alone; what takes long is made in a thread and then taken."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._stories = Stories(window_ms=WINDOW_MS, capacity=CAPACITY)
        self._mentions: Mentions | None = None
        self._known = 0
        self._built_at = 0.0
        self.restored = False
        self.scoring = asyncio.Lock()
        """Held by whoever scores what waits: two would score the same articles."""

    async def prepare(self) -> None:
        """Make the recogniser of assets, or make it anew where assets were learned since."""
        now = self._clock.monotonic()
        changed = self._known != len(self._resolver) and now - self._built_at >= REBUILT_S
        if self._mentions is None or changed:
            assets = self._resolver.snapshot()
            self._known, self._built_at = len(assets), now
            self._mentions = await asyncio.to_thread(Mentions, assets)

    def assets_in(self, title: str, summary: str | None) -> tuple[str, ...]:
        """Canonical ids of the assets a text names, the strongest first; none before `prepare`."""
        return () if self._mentions is None else self._mentions.find(title, summary)

    async def restore(self, rows: Sequence[NewsRow]) -> None:
        """Take up the stories of the last days from the store, instead of what is held."""
        self._stories = await asyncio.to_thread(_restored, rows)
        self.restored = True

    def place(self, article_id: str, article: Article, published_ms: int, assets: tuple[str, ...]) -> str:
        """The id of the story an article tells: its own when it is the first."""
        return self._stories.place(
            _item(article_id, article.provider, article.title, article.summary, published_ms, assets)
        )


def _restored(rows: Sequence[NewsRow]) -> Stories:
    stories = Stories(window_ms=WINDOW_MS, capacity=CAPACITY)
    stories.restore(
        (_item(r.id, r.provider, r.title, r.summary, r.published_ms, r.assets), r.story) for r in rows
    )
    return stories


def _item(
    article_id: str, source: str, title: str, summary: str | None, published_ms: int, assets: tuple[str, ...]
) -> Item:
    return Item(article_id, source, title, summary, published_ms, assets)
