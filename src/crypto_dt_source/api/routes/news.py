"""News: stories newest first, one article, the feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from ...clock import rfc3339
from ...providers.resolver import Resolution
from ...services import news, providers
from ...store.repos.news import NewsFilter, NewsRow
from ..deps import SYMBOL_TEXT, TEXT, Moment, PageNumber, Rt, moment
from ..errors import responses
from ..schemas.news import NewsList, NewsPage, NewsSourceList
from ..views import article_sentiment
from ..wrap import about_page, ambiguous, data_response, meta

router = APIRouter(prefix="/api/news", tags=["news and sentiment"])
REUSE_S = 30


@router.get("", response_model=NewsList, responses=responses(404, 422, 503), summary="News")
async def stories(
    request: Request,
    rt: Rt,
    page: PageNumber = 1,
    page_size: Annotated[
        int, Query(ge=1, le=100, description="Stories a page, 1 to 100.", examples=[20])
    ] = 20,
    source: Annotated[
        str | None,
        Query(
            min_length=1, max_length=64, pattern=TEXT, description="Told by this feed.", examples=["decrypt"]
        ),
    ] = None,
    symbol: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description=f"Names this asset. {SYMBOL_TEXT}", examples=["BTC"]),
    ] = None,
    sentiment: Annotated[
        Literal["bearish", "neutral", "bullish"] | None,
        Query(description="What the model makes of its first telling.", examples=["bullish"]),
    ] = None,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            description="Words that are all in the title or summary of a telling. The last one may be the beginning of a word from "
            "three letters on; the commonest English words are left out, and so is what follows the sixteenth.",
            examples=["etf"],
        ),
    ] = None,
    since: Moment = None,
) -> Response:
    """Stories, newest first. Tellings of one story by several sources are one row, which names them all; source, symbol,
    words and time hold for a story when one of its tellings fits, the sentiment is that of the first."""
    news.check_source(rt, source)
    resolution = rt.resolver.resolve(symbol) if symbol is not None else None
    asset = resolution.asset.id if resolution else None
    chosen = NewsFilter(source=source, asset=asset, sentiment=sentiment, q=q, since_ms=moment("since", since))
    found = await news.page(rt, chosen, number=page, size=page_size)
    content = {
        "data": [_item(rt, story.head, story.members) for story in found.stories],
        "page": about_page(page, page_size, found.total, page * page_size < found.total),
    }
    sources = {member.provider for story in found.stories for member in story.members}
    read = await news.read_state(rt, [source] if source else sources)
    state = "stale" if read.stale else "hit"
    about = meta(rt, source=sources, fetched_ms=read.read_ms, state=state, **_ambiguous(resolution))
    return data_response(request, content, about, ttl_s=rt.freshness.news, reuse_s=REUSE_S)


@router.get("/sources", response_model=NewsSourceList, responses=responses(503), summary="The feeds")
async def sources(request: Request, rt: Rt) -> Response:
    """Every feed in use, when it was read and how much it had to say."""
    rows = await news.publishers(rt)
    data = [
        {
            "id": row.source.entry.id,
            "name": row.source.entry.name,
            "title": row.feed.title if row.feed else None,
            "docs": row.source.entry.docs or None,
            "state": providers.state(rt, row.source.entry),
            "read_at": rfc3339(row.feed.checked_ms) if row.feed else None,
            "changed_at": rfc3339(row.feed.changed_ms)
            if row.feed and row.feed.changed_ms is not None
            else None,
            "articles_24h": row.articles_24h,
        }
        for row in rows
    ]
    read = [row.feed.checked_ms for row in rows if row.feed]
    about = meta(rt, source=(), fetched_ms=min(read) if read else None, state="hit", total=len(data))
    return data_response(request, {"data": data}, about, ttl_s=REUSE_S)


@router.get("/{id}", response_model=NewsPage, responses=responses(404, 422, 503), summary="One article")
async def article(
    request: Request,
    rt: Rt,
    id: Annotated[
        str,
        Path(min_length=1, max_length=64, description="Id of an article.", examples=["6f1d0c2b9a3e4857"]),
    ],
) -> Response:
    """An article, and everyone who tells its story."""
    row, members = await news.article(rt, id)
    about = meta(rt, source={m.provider for m in members}, fetched_ms=row.received_ms, state="hit")
    return data_response(request, {"data": _item(rt, row, members)}, about, ttl_s=rt.freshness.news)


def _ambiguous(resolution: Resolution | None) -> dict[str, Any]:
    return {"ambiguous": ambiguous(resolution) if resolution else {}}


def _item(rt: Rt, row: NewsRow, members: Sequence[NewsRow]) -> dict[str, Any]:
    return {
        "id": row.id,
        "story": row.story,
        "title": row.title,
        "summary": row.summary,
        "url": row.link,
        "image": row.image,
        "author": row.author,
        "source": row.provider,
        "source_name": _name(rt, row.provider),
        "published_at": rfc3339(row.published_ms),
        "dated": row.dated,
        "tags": list(row.tags),
        "assets": [
            {"id": asset.id, "symbol": asset.ticker, "name": asset.name}
            for asset in map(rt.resolver.by_id, row.assets)
            if asset is not None
        ],
        "sentiment": article_sentiment(row.score, row.scored_ms),
        "sources": [
            {
                "id": member.id,
                "source": member.provider,
                "source_name": _name(rt, member.provider),
                "title": member.title,
                "url": member.link,
                "published_at": rfc3339(member.published_ms),
            }
            for member in sorted(members, key=lambda m: (m.published_ms, m.id))
        ],
    }


def _name(rt: Rt, provider: str) -> str:
    entry = rt.entries.get(provider)
    return entry.name if entry is not None else provider
