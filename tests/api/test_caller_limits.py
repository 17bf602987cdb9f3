"""How often one may ask: what every answer says about it, what is counted, and what a restart keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from in_process import error_of
from limited import PATH, ask, key, limited, statuses, told

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.runner import Runner
from crypto_dt_source.jobs.timetable import KEEPING
from crypto_dt_source.services import access
from harness import START_MS

DAY_LEFT_S = 86_400 - START_MS // 1000 % 86_400


async def test_every_answer_says_what_is_left(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        policy = '"minute";q=3;w=60, "day";q=5;w=86400'
        etag = ""
        for left, conditional, status in ((2, False, 200), (1, False, 200), (0, True, 304)):
            answer = await ask(running, **({"if_none_match": etag} if conditional else {}))
            etag = answer.headers["etag"]
            assert answer.status_code == status
            assert told(answer) == {
                "ratelimit": f'"minute";r={left};t=60',
                "ratelimit-policy": policy,
                "x-ratelimit-limit": "3",
                "x-ratelimit-remaining": str(left),
                "x-ratelimit-reset": "60",
            }
        assert len(running.edge._warm) == 1
        await running.pass_time(20)
        refused = await ask(running)
        body = error_of(refused, 429, "rate_limited")
        assert body["retry_after"] == 40
        assert body["details"] == {"tier": "free", "limit": 3, "policy": "minute", "counted_by": "address"}
        assert [value for name, value in refused.headers.multi_items() if name == "retry-after"] == ["40"]
        assert told(refused)["ratelimit"] == '"minute";r=0;t=40'
        assert told(refused)["ratelimit-policy"] == policy


@pytest.mark.parametrize("path", ["/api/nope", "/api/ohlcv", "/api/auth/me", "/api/healthy", "/ws"])
async def test_errors_count_and_say_so(tmp_path: Path, path: str) -> None:
    async with limited(tmp_path) as running:
        answers = [await ask(running, path) for _ in range(4)]
        assert {answer.status_code for answer in answers[:3]} <= {401, 404, 422}
        assert [told(answer)["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        error_of(answers[3], 429, "rate_limited")


async def test_an_answer_that_fails_inside_says_what_is_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limited(tmp_path, raise_errors=False) as running:
        with monkeypatch.context() as broken:
            broken.setattr(running.rt, "entries", None)
            transportless = await running.client.get(PATH)
        error_of(transportless, 500, "internal_error")
        assert told(transportless)["x-ratelimit-remaining"] == "2"


@pytest.mark.parametrize("path", ["/api/health", "/api/health/live", "/api/health/ready", "/docs", "/openapi.json", "/nope"])  # fmt: skip
async def test_what_has_no_limit_says_nothing_of_one(tmp_path: Path, path: str) -> None:
    async with limited(tmp_path) as running:
        for _ in range(8):
            answer = await ask(running, path)
            assert answer.status_code != 429
            assert not {name for name in told(answer) if name != "retry-after"}
        assert await statuses(running, 1) == [200]


async def test_every_method_counts(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        head = await ask(running, method="HEAD")
        assert told(head)["x-ratelimit-remaining"] == "2"
        await ask(running, method="POST")
        await ask(running, method="OPTIONS")
        refused = await ask(running, method="HEAD")
        assert (refused.status_code, refused.content) == (429, b"")
        assert told(refused)["retry-after"] == "60"


async def test_the_window_moves_with_the_clock(tmp_path: Path) -> None:
    async with limited(tmp_path, free_tier_daily=0) as running:
        for _ in range(3):
            assert await statuses(running, 1) == [200]
            await running.pass_time(10)
        assert await statuses(running, 1) == [429]
        await running.pass_time(29.9)
        assert await statuses(running, 1) == [429]
        await running.pass_time(0.2)
        assert await statuses(running, 2) == [200, 429]
        await running.pass_time(10)
        assert await statuses(running, 2) == [200, 429]


async def test_the_day_ends_at_midnight_utc(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        assert await statuses(running, 3) == [200] * 3
        await running.pass_time(61)
        assert await statuses(running, 2) == [200] * 2
        refused = await ask(running)
        body = error_of(refused, 429, "rate_limited")
        assert body["details"]["policy"] == "day"
        assert body["retry_after"] == DAY_LEFT_S - 61
        assert told(refused)["ratelimit"] == f'"day";r=0;t={DAY_LEFT_S - 61}'
        assert "today (UTC)" in body["error"]
        await running.pass_time(DAY_LEFT_S - 61 - 0.5)
        assert await statuses(running, 1) == [429]
        await running.pass_time(0.6)
        assert await statuses(running, 4) == [200, 200, 200, 429]


async def test_a_key_has_a_bucket_and_a_tier_of_its_own(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        one, other = await key(running, "pro", "one"), await key(running, "pro", "other")
        assert await statuses(running, 4) == [200, 200, 200, 429]
        token = running.rt.access.keyring.tokens.issue(running.rt.access.keyring.of_secret(one))[0]
        # From whatever address, by the key or by a token for it: one caller.
        assert await statuses(running, 3, x_api_key=one) == [200] * 3
        assert await statuses(running, 2, x_api_key=one, peer="198.51.100.9") == [200] * 2
        assert await statuses(running, 2, authorization=f"Bearer {token}") == [200, 429]
        refused = error_of(await ask(running, x_api_key=one), 429, "rate_limited")
        assert refused["details"] == {"tier": "pro", "limit": 6, "policy": "minute", "counted_by": "key"}
        assert told(await ask(running, x_api_key=other))["ratelimit"] == '"minute";r=5;t=60'
        enterprise = await key(running, "enterprise")
        answers = [await ask(running, x_api_key=enterprise) for _ in range(12)]
        assert [(answer.status_code, told(answer)) for answer in answers] == [(200, {})] * 12


async def test_a_wrong_key_counts_for_its_address(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        answers = [await ask(running, x_api_key=f"cdts_live_{n}") for n in range(4)]
        assert [a.status_code for a in answers] == [401, 401, 401, 429]
        assert [told(a)["x-ratelimit-remaining"] for a in answers] == ["2", "1", "0", "0"]
        assert running.rt.access.refused == {"unauthenticated": 3, "rate_limited": 1}
        assert await statuses(running, 1) == [429]
        assert await statuses(running, 1, peer="198.51.100.9") == [200]


async def test_in_a_lower_tier_what_was_used_still_counts(tmp_path: Path) -> None:
    async with limited(tmp_path, free_tier_daily=0) as running:
        secret = await key(running, "pro")
        held = running.rt.access.keyring.of_secret(secret)
        assert await statuses(running, 4, x_api_key=secret) == [200] * 4
        running.rt.access.keyring.take_up([held._replace(tier="free")])
        assert await statuses(running, 1, x_api_key=secret) == [429]
        await running.pass_time(60)
        assert await statuses(running, 4, x_api_key=secret) == [200, 200, 200, 429]


async def test_warm_answers_do_not_cross_tiers_and_count(tmp_path: Path) -> None:
    async with limited(tmp_path) as running:
        secret = await key(running, "pro")
        assert await statuses(running, 1) == [200]
        assert told(await ask(running, x_api_key=secret))["x-ratelimit-limit"] == "6"
        assert told(await ask(running, x_api_key=secret))["x-ratelimit-remaining"] == "4"
        assert told(await ask(running, peer="198.51.100.9"))["x-ratelimit-remaining"] == "2"


async def test_a_clean_restart_forgets_nothing(tmp_path: Path) -> None:
    clock = ManualClock(START_MS)
    async with limited(tmp_path, clock=clock) as running:
        secret = await key(running, "pro")
        assert await statuses(running, 2) == [200] * 2
        assert await statuses(running, 6, x_api_key=secret) == [200] * 6
        await clock.advance(15)
    async with limited(tmp_path, clock=clock) as running:
        assert await statuses(running, 2) == [200, 429]
        refused = error_of(await ask(running, x_api_key=secret), 429, "rate_limited")
        assert refused["retry_after"] == 46  # kept to the millisecond and rounded up: never early
        await clock.advance(47)
        assert await statuses(running, 4, x_api_key=secret) == [200, 200, 200, 429]
    async with limited(tmp_path, clock=clock) as running:
        answer = await ask(running, x_api_key=secret)
        assert error_of(answer, 429, "rate_limited")["details"]["policy"] == "day"


async def test_a_crash_gives_back_no_more_than_the_last_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(START_MS)
    limits: Any = {"free_tier_limit": "100/minute", "free_tier_daily": 100, "clock": clock}
    async with limited(tmp_path, **limits) as running:
        keeping = Runner(running.rt, KEEPING, collects=False)
        keeping.start()
        for number in range(10):
            assert await statuses(running, 3) == [200] * 3
            await clock.advance(1.1 * access.SAVE_EVERY_S)
            while keeping.runs.get("save_limits", 0) <= number:
                await asyncio.to_thread(clock.now_ms)  # the store's thread gets on
        assert await statuses(running, 2) == [200] * 2
        await keeping.stop()

        async def killed(_: access.Access) -> int:
            return 0

        monkeypatch.setattr(access, "save", killed)
    monkeypatch.undo()
    async with limited(tmp_path, **limits) as running:
        used = await running.rt.access.limiter.usage("203.0.113.5", running.rt.access.tiers["free"])
        assert used is not None
        assert (used.window, used.today) == (30, 30)
