"""The edge: request ids, HEAD, ETags, warm answers, the deadline."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import Service, error_of, service

from crypto_dt_source.api import edge
from crypto_dt_source.api import warm as warm_answers
from crypto_dt_source.clock import ManualClock
from harness import START_MS

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/prices?symbols=BTC,ETH"


async def test_request_id_is_the_clients_own_where_it_is_harmless(api: Service) -> None:
    for path in (PATH, PATH, "/nope"):
        assert (await api.get(path, x_request_id="me-1.2_3")).headers["x-request-id"] == "me-1.2_3"
        for bad in ("", "a b", "x" * 65, "ä", "<script>"):
            given = (await api.client.get(path, headers=[(b"x-request-id", bad.encode())])).headers[
                "x-request-id"
            ]
            assert given != bad
            assert edge._REQUEST_ID.fullmatch(given.encode())
    seen = {(await api.get(PATH)).headers["x-request-id"] for _ in range(20)}
    assert len(seen) == 20


async def test_head_is_get_without_its_body(api: Service) -> None:
    await api.pass_time(2)
    for path in (PATH, "/api/providers/binance", "/nope", "/api/ohlcv", "/docs"):
        for _ in range(2):
            get, head = await api.get(path), await api.client.head(path)
            assert head.status_code == get.status_code
            assert head.content == b""
            assert head.headers["content-type"] == get.headers["content-type"]
            if get.status_code == 200:
                assert (
                    head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
                )
                assert head.headers["etag"] == get.headers["etag"]


async def test_known_content_is_not_sent_again(api: Service) -> None:
    await api.pass_time(2)
    for _ in ("from the application", "from the warm answer"):
        etag = (await api.get(PATH)).headers["etag"]
        await api.pass_time(2)
        for match in (etag, f"W/{etag}", f'"other", {etag}', f'W/"x",W/{etag} , "y"', "*"):
            answer = await api.get(PATH, if_none_match=match)
            assert (answer.status_code, answer.content) == (304, b""), match
            assert answer.headers["etag"] == etag
            assert "cache-control" in answer.headers
            assert "content-length" not in answer.headers
            again = await api.client.head(PATH, headers={"If-None-Match": match})
            assert again.status_code == 304
        for match in ('"other"', etag.strip('"'), etag[:-2] + '"', "", "garbage"):
            assert (await api.get(PATH, if_none_match=match)).status_code == 200, match
    assert (await api.get("/nope", if_none_match="*")).status_code == 404


async def test_etag_is_of_the_content_and_not_of_its_age(fresh: Service) -> None:
    path = "/api/market/categories"
    first = await fresh.get(path)
    await fresh.pass_time(30)
    later = await fresh.get(path)
    assert later.json()["meta"]["age_seconds"] >= first.json()["meta"]["age_seconds"] + 30
    assert later.headers["etag"] == first.headers["etag"]
    assert (await fresh.get("/api/market/categories?limit=3")).headers["etag"] != first.headers["etag"]


async def test_age_and_cache_control_agree(fresh: Service) -> None:
    await fresh.get("/api/market/categories")
    for passed, left in ((0, 60), (200, 60), (50, 50)):
        await fresh.pass_time(passed)
        answer = await fresh.get("/api/market/categories")
        age = int(answer.headers["age"])
        assert age == answer.json()["meta"]["age_seconds"]
        kind, _, limit = answer.headers["cache-control"].partition(", max-age=")
        assert kind == "public"
        assert int(limit) - age == pytest.approx(left, abs=2)
    price = await fresh.get(PATH)
    assert int(price.headers["cache-control"].rpartition("=")[2]) - int(price.headers["age"]) <= 1


async def test_a_warm_answer_is_the_same_bytes_under_a_new_id(fresh: Service) -> None:
    cold = await fresh.get(PATH)
    fresh.rt.board.quotes.clear()
    fresh.rt.accounts.drain()
    warm = await fresh.get(PATH)
    assert warm.content == cold.content
    assert warm.headers["x-request-id"] != cold.headers["x-request-id"]
    assert {k: v for k, v in warm.headers.items() if k != "x-request-id"} == {
        k: v for k, v in cold.headers.items() if k != "x-request-id"
    }
    assert [(r.endpoint, r.status) for r in fresh.rt.accounts.drain()[0]] == [("/api/prices", 200)]
    await fresh.pass_time(1.1)
    assert (await fresh.get(PATH)).content != cold.content


async def test_a_miss_is_not_kept_warm(fresh: Service) -> None:
    path = "/api/trending"
    assert (await fresh.data(path))["meta"]["cache"] == "miss"
    assert (await fresh.data(path))["meta"]["cache"] == "hit"


async def test_errors_are_not_kept_warm(fresh: Service) -> None:
    fresh.upstreams.dead = True
    await fresh.error("/api/trending", 503, "all_providers_failed")
    fresh.upstreams.dead = False
    await fresh.pass_time(60)
    assert (await fresh.get("/api/trending")).status_code == 200


async def test_warm_answers_are_bounded(fresh: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_answers, "ENTRIES", 10)
    for number in range(25):
        await fresh.get(f"{PATH}&n={number}")
    assert len(fresh.edge._warm) == 10
    monkeypatch.setattr(warm_answers, "BYTES", 3 * len((await fresh.get(PATH)).content))
    for number in range(25):
        await fresh.get(f"{PATH}&m={number}")
    held = [warm.size for warm in fresh.edge._warm._held.values()]
    assert 2 <= len(held) <= 3
    assert fresh.edge._warm._bytes == sum(held)


async def test_an_answer_that_is_not_ready_in_time(tmp_path: Path) -> None:
    clock = ManualClock(START_MS)
    async with service(tmp_path, collected=False, clock=clock, timeout_s=0.05) as slow:
        slow.sim.faults.add("*", "hang")
        answer = await slow.get("/api/trending")
        error_of(answer, 504, "deadline_exceeded")
        assert (await slow.get("/api/health/live")).status_code == 200
        statuses = [row.status for row in slow.rt.accounts.drain()[0]]
        assert statuses == [504, 200]
        await clock.advance(60)
