"""What a tier gives less of than was asked for: symbols of a call, days of history. The answer says so, and is nobody
else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, service

from crypto_dt_source.api.schemas import market, prices, sentiment
from crypto_dt_source.clock import parse_rfc3339, rfc3339
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.services import access as access_service
from crypto_dt_source.store import MarketRow, PriceRow
from crypto_dt_source.store.repos import market as market_repo
from crypto_dt_source.store.repos import news as news_repo
from crypto_dt_source.store.repos import prices as price_repo
from crypto_dt_source.store.repos.news import FeedRow, NewsRow

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEEP = 120
"""Days of history that the store has: more than any tier gives."""
SEVEN = "BTC,ETH,SOL,XRP,ADA,DOGE,LTC"
FREE, PRO, ENTERPRISE = "free", "pro", "enterprise"
ANYBODY = "anybody"
Keys = dict[str, dict[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Service, Keys]]:
    """A service with the published tiers and DEEP days in its store; the headers of each caller."""
    limits = {"free_tier_symbols": 5, "free_tier_history_days": 7}
    rates = {"pro_tier_limit": "unlimited", "pro_tier_daily": 0}
    async with service(tmp_path_factory.mktemp("tiers"), **limits, **rates) as running:
        keys: Keys = {ANYBODY: {}}
        for tier in (FREE, PRO, ENTERPRISE):
            secret, _ = await access_service.create(running.rt.access, tier, tier=tier)
            keys[tier] = {"X-API-Key": secret}
        await _fill(running)
        yield running, keys


async def _fill(running: Service) -> None:
    """One row a day, each an hour and a half before the moment the days are counted back from."""
    now = running.clock.now_ms() - HOUR_MS - HOUR_MS // 2
    days = [now - day * DAY_MS for day in range(DEEP)]
    store = running.rt.store
    await price_repo.write_prices(store, [PriceRow("bitcoin", at, 50_000.0 + at % 997) for at in days])
    snapshots = [MarketRow(at, "coingecko", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7, 8.0) for at in days]
    await market_repo.write(store, snapshots)
    articles = [
        NewsRow(
            id=f"{at:016x}", provider="coindesk", url=f"https://example.org/{at}", link=f"https://example.org/{at}",
            guid=None, title="Bitcoin", summary=None, author=None, image=None, tags=(), published_ms=at, dated=True,
            received_ms=at, story=f"{at:016x}", assets=(), score=None, scored_ms=None,
        )
        for at in days
    ]  # fmt: skip
    await news_repo.take(store, FeedRow("coindesk", None, None, None, now, now), articles)
    score = Score("bullish", 1.0, 0.0, 0.0, 1.0, "bullish", "m", "1")
    await news_repo.write_scores(store, [(row.id, score, now) for row in articles])


async def ask(tiered: tuple[Service, Keys], who: str, path: str, status: int = 200) -> Any:
    running, keys = tiered
    answer = await running.client.get(path, headers=keys[who])
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("who", [ANYBODY, FREE])
async def test_symbols_beyond_the_tier_are_named_and_the_first_answered(
    tiered: tuple[Service, Keys], who: str
) -> None:
    body = await ask(tiered, who, f"/api/prices?symbols={SEVEN}")
    assert [row["symbol"] for row in body["data"]] == ["BTC", "ETH", "SOL", "XRP", "ADA"]
    sentence = "The free tier gives 5 symbols a call; the pro tier gives 100."
    assert body["errors"] == [
        {"symbol": name, "code": "tier_limit", "error": sentence, "did_you_mean": None}
        for name in ("DOGE", "LTC")
    ]
    assert body["meta"]["tier_limit"] == {"limit": "symbols", "tier": "free", "asked": 7, "given": 5}
    prices.Prices.model_validate(body)


@pytest.mark.parametrize("who", [PRO, ENTERPRISE])
async def test_a_tier_that_gives_them_answers_them_all(tiered: tuple[Service, Keys], who: str) -> None:
    body = await ask(tiered, who, f"/api/prices?symbols={SEVEN}")
    assert [row["symbol"] for row in body["data"]] == SEVEN.split(",")
    assert body["errors"] == []
    assert "tier_limit" not in body["meta"]


async def test_no_tier_takes_more_than_a_hundred_a_call(tiered: tuple[Service, Keys]) -> None:
    many = ",".join(f"X{n}" for n in range(101))
    for who in (ANYBODY, PRO, ENTERPRISE):
        body = await ask(tiered, who, f"/api/prices?symbols={many}", 422)
        assert body["details"] == {"parameter": "symbols", "got": 101, "allowed": "1 to 100"}


@pytest.mark.parametrize(
    ("symbols", "answered", "beyond", "asked"),
    [
        ("BTC,btc,bitcoin,BTC-USD,ETH,SOL,XRP,ADA", 5, [], None),
        ("BTC,ETH,SOL,XRP,ADA,DOGE,btc,bitcoin,doge", 5, ["DOGE", "doge"], 6),
        ("BTC,BTC-EUR,ETH,SOL,XRP,ADA", 5, ["ADA"], 6),
        ("NOSUCH1,BTC,nosuch1,ETH,SOL,XRP", 4, [], None),
        ("NOSUCH1,NOSUCH2,NOSUCH3,NOSUCH4,NOSUCH5,BTC", 0, ["BTC"], 6),
        ("BTC,ETH,SOL,XRP,ADA,NOSUCH1", 5, ["NOSUCH1"], 6),
    ],
)
async def test_what_is_one_symbol_counts_once(
    tiered: tuple[Service, Keys], symbols: str, answered: int, beyond: list[str], asked: int | None
) -> None:
    body = await ask(tiered, ANYBODY, f"/api/prices?symbols={symbols}")
    assert len(body["data"]) == answered
    assert [row["symbol"] for row in body["errors"] if row["code"] == "tier_limit"] == beyond
    assert body["meta"].get("tier_limit", {}).get("asked") == asked


async def test_the_same_currency_for_all_makes_pairs_of_an_asset_one_symbol(
    tiered: tuple[Service, Keys],
) -> None:
    body = await ask(tiered, ANYBODY, "/api/prices?symbols=BTC,BTC-EUR,ETH,SOL,XRP,ADA&vs=usd")
    assert (len(body["data"]), body["errors"]) == (5, [])


async def test_nobody_gets_the_answer_of_another_tier(tiered: tuple[Service, Keys]) -> None:
    running, keys = tiered
    path = f"/api/prices?symbols={SEVEN}"
    first = {who: await running.client.get(path, headers=keys[who]) for who in keys}
    # Within the second in which answers are repeated.
    again = {who: await running.client.get(path, headers=keys[who]) for who in reversed(keys)}
    for who, answer in (*first.items(), *again.items()):
        assert len(answer.json()["data"]) == (5 if who in (ANYBODY, FREE) else 7)
        assert answer.headers["vary"] == "X-API-Key, Authorization"
        kept_by = "public" if who == ANYBODY else "private"
        assert answer.headers["cache-control"].startswith(f"{kept_by}, ")
    etags = {who: answer.headers["etag"] for who, answer in again.items()}
    assert etags[ANYBODY] == etags[FREE] != etags[PRO] == etags[ENTERPRISE]
    known = {"If-None-Match": etags[FREE]}
    assert (await running.client.get(path, headers={**keys[PRO], **known})).status_code == 200
    assert (await running.client.get(path, headers={**keys[FREE], **known})).status_code == 304


HISTORIES = {
    "/api/prices/history/BTC?interval=1m": prices.History,
    "/api/market/history?": market.Snapshots,
    "/api/sentiment/history?": sentiment.SentimentHistory,
}


@pytest.mark.parametrize(("who", "days"), [(ANYBODY, 7), (FREE, 7), (PRO, 90), (ENTERPRISE, None)])
@pytest.mark.parametrize("path", HISTORIES)
async def test_history_by_days_ends_where_the_tier_does(
    tiered: tuple[Service, Keys], path: str, who: str, days: int | None
) -> None:
    whole = await ask(tiered, who, f"{path}&days=100")
    HISTORIES[path].model_validate(whole)
    assert len(whole["data"]) == (days or 100)
    expected = {"limit": "history_days", "tier": whole_tier(who), "asked": 100, "given": days}
    assert whole["meta"].get("tier_limit") == (expected if days else None)
    if path.startswith("/api/prices"):
        assert whole["meta"]["days"] == (days or 100)
    for within in {1, 7, days or 100}:
        inside = await ask(tiered, who, f"{path}&days={within}")
        assert "tier_limit" not in inside["meta"]
        assert len(inside["data"]) == within


def whole_tier(who: str) -> str:
    return FREE if who == ANYBODY else who


async def test_a_default_that_is_more_than_the_tier_has_says_so(tiered: tuple[Service, Keys]) -> None:
    body = await ask(tiered, ANYBODY, "/api/sentiment/history")
    assert body["meta"]["tier_limit"] == {"limit": "history_days", "tier": "free", "asked": 30, "given": 7}


async def test_a_cut_history_has_an_entity_tag_of_its_own(tiered: tuple[Service, Keys]) -> None:
    running, keys = tiered
    path = "/api/prices/history/BTC?days=60&interval=1h"
    for _ in range(2):
        seen = {who: await running.client.get(path, headers=keys[who]) for who in (PRO, FREE, ANYBODY)}
    assert seen[FREE].headers["etag"] == seen[ANYBODY].headers["etag"] != seen[PRO].headers["etag"]
    assert len(seen[PRO].json()["data"]) > 7 + 1 >= len(seen[FREE].json()["data"])


@pytest.mark.parametrize("path", ["/api/defi/tvl-chart?days=60", "/api/sentiment/fear-greed?days=60"])
async def test_public_daily_series_are_everybody_s(tiered: tuple[Service, Keys], path: str) -> None:
    bodies = [await ask(tiered, who, path) for who in (ANYBODY, PRO)]
    assert bodies[0]["data"] == bodies[1]["data"]
    assert len(bodies[0]["data"]) > 30
    assert "tier_limit" not in bodies[0]["meta"]


def back(running: Service, days: float) -> str:
    return rfc3339(running.clock.now_ms() - int(days * DAY_MS))


def opens(body: Any) -> list[int]:
    return [row["open_time_ms"] for row in body["data"]]


@pytest.mark.parametrize(("who", "days"), [(ANYBODY, 7), (FREE, 7), (PRO, 90), (ENTERPRISE, None)])
async def test_a_start_before_the_tier_is_moved_up(
    tiered: tuple[Service, Keys], who: str, days: int | None
) -> None:
    running, _ = tiered
    now = running.clock.now_ms()
    body = await ask(tiered, who, f"/api/ohlcv?symbol=BTC&interval=1d&limit=1000&start={back(running, 99.5)}")
    prices.Candles.model_validate(body)
    # The day within which the tier's days begin, those after it, and the one that runs.
    assert len(body["data"]) == (days or 99) + 1
    assert opens(body)[0] == (now - (days or 99) * DAY_MS) // DAY_MS * DAY_MS
    assert opens(body)[-1] == now // DAY_MS * DAY_MS
    expected = {"limit": "history_days", "tier": whole_tier(who), "asked": 100, "given": days}
    assert body["meta"].get("tier_limit") == (expected if days else None)


async def test_limit_counts_from_the_start_that_the_tier_has(tiered: tuple[Service, Keys]) -> None:
    running, _ = tiered
    body = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=BTC&interval=1h&limit=5&start={back(running, 30)}")
    first = (running.clock.now_ms() - 7 * DAY_MS) // HOUR_MS * HOUR_MS
    assert opens(body) == [first + n * HOUR_MS for n in range(5)]
    assert body["meta"]["tier_limit"]["asked"] == 30


@pytest.mark.parametrize("window", ["start=20&end=8", "end=8", "start=7.5&end=7.2"])
async def test_a_window_before_the_tier_is_empty_and_says_why(
    tiered: tuple[Service, Keys], window: str
) -> None:
    running, _ = tiered
    names = dict(part.split("=") for part in window.split("&"))
    query = "&".join(f"{name}={back(running, float(days))}" for name, days in names.items())
    calls = len(running.upstreams.calls)
    body = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=BTC&interval=1h&{query}")
    prices.Candles.model_validate(body)
    assert (body["data"], body["meta"]["gaps"]) == ([], [])
    note = body["meta"]["tier_limit"]
    assert (note["limit"], note["tier"], note["given"]) == ("history_days", "free", 7)
    assert note["asked"] > 7
    assert len(running.upstreams.calls) == calls
    whole = await ask(tiered, PRO, f"/api/ohlcv?symbol=BTC&interval=1h&{query}")
    assert whole["data"] != []
    assert "tier_limit" not in whole["meta"]


async def test_a_window_reaches_back_no_further_by_its_limit(tiered: tuple[Service, Keys]) -> None:
    running, _ = tiered
    body = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=BTC&interval=1d&limit=50&end={back(running, 3)}")
    assert len(body["data"]) == 5
    assert body["meta"]["tier_limit"] == {"limit": "history_days", "tier": "free", "asked": 53, "given": 7}


@pytest.mark.parametrize("end", ["", "&end=2030-01-01T00:00:00Z"])
async def test_the_newest_candles_of_any_interval_are_everybody_s(
    tiered: tuple[Service, Keys], end: str
) -> None:
    body = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=BTC&interval=1d&limit=50{end}")
    assert len(body["data"]) == 50
    assert "tier_limit" not in body["meta"]


async def test_a_start_of_the_tier_s_days_by_a_clock_a_moment_late_is_not_cut(
    tiered: tuple[Service, Keys],
) -> None:
    running, _ = tiered
    start = rfc3339(running.clock.now_ms() - 7 * DAY_MS - 1500)
    for interval in ("1m", "1h", "1d"):
        body = await ask(tiered, FREE, f"/api/ohlcv?symbol=BTC&interval={interval}&limit=3&start={start}")
        assert "tier_limit" not in body["meta"]
        assert opens(body)[0] >= parse_rfc3339(start)


async def test_a_window_that_cannot_be_is_refused_whatever_the_tier(tiered: tuple[Service, Keys]) -> None:
    running, _ = tiered
    query = f"start={back(running, 20)}&end={back(running, 21)}"
    body = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=BTC&interval=1h&{query}", 422)
    assert body["details"]["parameter"] == "end"
    unknown = await ask(tiered, ANYBODY, f"/api/ohlcv?symbol=NOSUCH1&end={back(running, 8)}", 404)
    assert unknown["code"] == "unknown_symbol"


async def test_the_document_has_the_note_where_it_can_be(tiered: tuple[Service, Keys]) -> None:
    running, _ = tiered
    document = await running.data("/openapi.json")
    models = document["components"]["schemas"]
    having = {name for name, model in models.items() if "tier_limit" in model.get("properties", {})}
    assert having >= {"PricesMeta", "HistoryMeta", "CandleMeta", "TierMeta"}
    for name in having - {"ExportMeta"}:
        assert "tier_limit" not in models[name]["required"]
    assert set(models["TierLimit"]["required"]) == {"limit", "tier", "asked", "given"}
