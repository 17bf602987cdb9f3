"""DeFi, derivatives, chains, news and sentiment over HTTP: the schema to the letter, filters, pages, bad input."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.schemas import defi, derivatives, news, onchain, sentiment
from crypto_dt_source.model.sentiment import BATCH_LIMIT, TEXT_LIMIT
from crypto_dt_source.services import access
from crypto_dt_source.services import news as news_service

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "operator-of-these-tests"
PROBE = "Bitcoin ETF inflows hit a record as price breaks out"
ROUTES: dict[str, type[Any]] = {
    "/api/defi": defi.ProtocolList,
    "/api/defi?chain=ethereum&category=lending&limit=5": defi.ProtocolList,
    "/api/defi/tvl-chart": defi.TvlChart,
    "/api/defi/tvl-chart?days=7&chain=ethereum": defi.TvlChart,
    "/api/defi/chains": defi.ChainList,
    "/api/defi/yields?stablecoin=true&min_tvl=1000&page_size=5": defi.PoolList,
    "/api/defi/stablecoins": defi.StablecoinList,
    "/api/defi/dex-volumes": defi.DexList,
    "/api/derivatives/funding": derivatives.FundingList,
    "/api/derivatives/open-interest?symbol=ETH": derivatives.InterestList,
    "/api/blockchain/gas": onchain.GasList,
    "/api/blockchain/gas?chain=bitcoin": onchain.GasList,
    "/api/blockchain/stats": onchain.StatsList,
    "/api/news": news.NewsList,
    "/api/news?symbol=BTC&sentiment=bullish&q=bitcoin&since=2026-09-01T00:00:00Z": news.NewsList,
    "/api/news/sources": news.NewsSourceList,
    "/api/sentiment": sentiment.Sentiment,
    "/api/sentiment/history": sentiment.SentimentHistory,
    "/api/sentiment/fear-greed": sentiment.FearGreedHistory,
    "/api/sentiment/BTC": sentiment.SymbolSentiment,
    "/api/models": sentiment.ModelList,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(tmp_path_factory.mktemp("data"), cdts_admin_key=KEY) as running:
        await news_service.read_feeds(running.rt)
        yield running


async def post(api: Service, path: str, body: Any, key: str | None = None) -> Any:
    return await api.client.post(path, json=body, headers={"X-API-Key": key} if key else {})


@pytest.mark.parametrize("path", ROUTES)
async def test_answer_is_exactly_its_schema(api: Service, path: str) -> None:
    body = await api.data(path)
    ROUTES[path].model_validate(body, extra="forbid")
    assert {"source", "fetched_at", "age_seconds", "stale", "cache", "mode"} <= set(body["meta"])
    if "since" not in path and path != "/api/sentiment/history":
        assert body.get("data") or body.get("overall_sentiment"), path


async def test_protocols_are_twenty_by_default_with_their_place_among_all(api: Service) -> None:
    rows = (await api.data("/api/defi"))["data"]
    assert [row["rank"] for row in rows] == list(range(1, 21))
    lending = await api.data("/api/defi?category=Lending&limit=100")
    assert lending["meta"]["total"] == len(lending["data"])
    assert {row["category"] for row in lending["data"]} == {"Lending"}
    slug = rows[0]["slug"]
    page = await api.data(f"/api/defi/protocols/{slug}?days=3")
    assert len(page["data"]["history"]) == 3
    assert page["data"]["slug"] == slug


async def test_the_chart_is_thirty_days_by_default(api: Service) -> None:
    rows = (await api.data("/api/defi/tvl-chart"))["data"]
    assert len(rows) == 30
    assert [row["date"] for row in rows] == sorted({row["date"] for row in rows})


async def test_yields_filter_by_a_ticker_of_the_pool(api: Service) -> None:
    found = await api.data("/api/defi/yields?symbol=usdc&page_size=250")
    assert found["data"]
    assert all("USDC" in row["symbol"].upper().split("-") for row in found["data"])
    assert found["page"]["total"] < (await api.data("/api/defi/yields"))["page"]["total"]


async def test_news_pages_do_not_overlap_and_a_word_finds_its_story(api: Service) -> None:
    first = await api.data("/api/news?page_size=5")
    second = await api.data("/api/news?page_size=5&page=2")
    assert not {row["id"] for row in first["data"]} & {row["id"] for row in second["data"]}
    assert first["page"]["next"] == 2
    story = first["data"][0]
    word = max(story["title"].split(), key=len).strip(".,:'’")
    found = await api.data(f"/api/news?q={word}&page_size=100")
    assert story["id"] in {row["id"] for row in found["data"]}
    one = await api.data(f"/api/news/{story['id']}")
    assert one["data"] == story
    assert story["sentiment"]["model"] == "embedded"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/news?source=kraken", 422, "invalid_parameter"),
        ("/api/news?sentiment=happy", 422, "invalid_parameter"),
        ("/api/news?symbol=NOSUCHCOIN", 404, "unknown_symbol"),
        ("/api/news?since=yesterday", 422, "invalid_parameter"),
        ("/api/news/0123456789abcdef", 404, "not_found"),
        ("/api/defi?limit=0", 422, "invalid_parameter"),
        ("/api/defi/tvl-chart?days=0", 422, "invalid_parameter"),
        ("/api/defi/tvl-chart?chain=atlantis", 404, "not_found"),
        ("/api/defi/protocols/..%2f..%2fetc", 404, "not_found"),
        ("/api/blockchain/gas?chain=atlantis", 404, "not_found"),
        ("/api/derivatives/funding?provider=kraken", 404, "not_found"),
        ("/api/derivatives/funding?symbol=NOSUCHCOIN", 404, "unknown_symbol"),
        ("/api/sentiment/NOSUCHCOIN", 404, "unknown_symbol"),
    ],
)
async def test_bad_input_says_what_to_do(api: Service, path: str, status: int, code: str) -> None:
    await api.error(path, status, code)


@pytest.mark.parametrize("q", ['"', "a OR b", "NEAR(", "*", "') --", "AND AND", "col:value", "^x", "🚀"])
async def test_search_words_are_never_syntax(api: Service, q: str) -> None:
    answer = await api.client.get("/api/news", params={"q": q})
    assert answer.status_code == 200, answer.text


async def test_the_embedded_model_reads_a_text_on_every_route(api: Service) -> None:
    text = (await post(api, "/api/analyze/text", {"text": PROBE})).json()
    sentiment.Analyzed.model_validate(text, extra="forbid")
    assert (text["sentiment"], text["meta"]["model"]) == ("bullish", "embedded")
    assert sum(text["scores"].values()) == pytest.approx(1, abs=1e-6)
    short = (await post(api, "/api/sentiment/analyze", {"text": PROBE})).json()
    sentiment.AnalyzedShort.model_validate(short, extra="forbid")
    assert (short["label"], short["score"]) == ("bullish", text["confidence"])
    crypto = (await post(api, "/api/sentiment/crypto-analysis", {"text": PROBE})).json()
    sentiment.CryptoAnalysis.model_validate(crypto, extra="forbid")
    assert crypto["sentiment"] == "bullish"
    earlier = (await post(api, "/api/hf/run-sentiment", {"texts": [PROBE, PROBE]})).json()
    sentiment.EarlierRun.model_validate(earlier, extra="forbid")
    assert earlier["vote"] == "bullish"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 422),
        ({"text": " \n "}, 422),
        ({"text": "x" * (TEXT_LIMIT + 1)}, 422),
        ({"text": "ok", "model": "none"}, 404),
        ({"text": "ok", "model": "opt-125m"}, 409),
        ({"text": "ok", "model": "bart-large-mnli"}, 409),
        ({"text": 5}, 422),
        ({}, 422),
        ([], 422),
    ],
)
async def test_a_text_that_cannot_be_scored_is_refused(api: Service, body: Any, status: int) -> None:
    answer = await post(api, "/api/analyze/text", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "text", ["\\ud800", "\\u0000 x", "\\u202e hidden", "é" * 9, "🚀🚀", "مرحبا", "\\ufffe"]
)
async def test_any_unicode_gets_an_answer(api: Service, text: str) -> None:
    answer = await api.client.post(
        "/api/analyze/text", content=f'{{"text": "up {text}"}}', headers={"content-type": "application/json"}
    )
    assert answer.status_code in (200, 422), answer.text
    assert answer.json()


async def test_batches_need_a_key_and_models_an_admins(api: Service) -> None:
    texts = {"texts": [PROBE, "Exchange halts withdrawals after a hack drains its wallets"]}
    error_of(await post(api, "/api/analyze/batch", texts), 401, "unauthenticated")
    error_of(await post(api, "/api/analyze/batch", texts, "wrong-key-of-someone"), 401, "unauthenticated")
    anybodys, _ = await access.create(api.rt.access, "anybody", tier="free")
    assert (await post(api, "/api/analyze/batch", texts, anybodys)).status_code == 200
    prompt = await post(api, "/api/models/opt-125m/generate", {"prompt": "x"}, anybodys)
    error_of(prompt, 503, "model_unavailable")
    for path in ("/api/models/embedded/load", "/api/models/embedded/unload"):
        error_of(await post(api, path, None), 401, "unauthenticated")
        error_of(await post(api, path, None, anybodys), 403, "forbidden")
    error_of(await post(api, "/api/models/opt-125m/generate", {"prompt": "x"}), 401, "unauthenticated")
    done = (await post(api, "/api/analyze/batch", texts, KEY)).json()
    sentiment.AnalyzedBatch.model_validate(done, extra="forbid")
    assert [row["sentiment"] for row in done["data"]] == ["bullish", "bearish"]
    many = {"texts": ["x"] * (BATCH_LIMIT + 1)}
    error_of(await post(api, "/api/analyze/batch", many, KEY), 422, "invalid_parameter")
    loaded = (await post(api, "/api/models/embedded/load", None, KEY)).json()
    sentiment.ModelPage.model_validate(loaded, extra="forbid")
    assert loaded["data"]["state"] == "ready"
    error_of(await post(api, "/api/models/embedded/unload", None, KEY), 409, "conflict")
    error_of(await post(api, "/api/models/none/load", None, KEY), 404, "unknown_model")


async def test_without_a_key_set_nobody_is_the_operator(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False) as bare:
        answer = await post(bare, "/api/models/embedded/load", None, "anything-at-all-given")
        error_of(answer, 401, "unauthenticated")


async def test_a_model_that_cannot_be_loaded_is_named_and_the_embedded_one_answers(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False, sentiment_model="finbert", models_offline=True) as offline:
        text = (await post(offline, "/api/analyze/text", {"text": PROBE})).json()
        assert (text["sentiment"], text["meta"]["model"]) == ("bullish", "embedded")
        for _ in range(20_000):
            # The load fails in a thread of its own, after its caller has gone on.
            if offline.rt.models.state("finbert").state == "failed":
                break
            await asyncio.to_thread(lambda: None)
        health = (await offline.data("/api/health"))["components"]["models"]
        assert health["status"] == "degraded"
        assert "finbert" in health["failed"]
