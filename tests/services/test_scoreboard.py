"""The scoreboard: hours added up once, and windows of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.model.errors import NotFound
from crypto_dt_source.pricing.source import Consensus, Reason, Verdict
from crypto_dt_source.services import collect, scoreboard
from crypto_dt_source.services.tally import MOST_HOURS, SAMPLES, Tally
from crypto_dt_source.store import ApiCallRow
from crypto_dt_source.store.repos import calls as call_repo
from crypto_dt_source.store.repos import scores as repo
from crypto_dt_source.store.repos.scores import HourRow

HOUR = harness.START_MS // HOUR_MS * HOUR_MS


def verdict(
    provider: str, deviation: float | None, age_ms: int = 2000, excluded: Reason | None = None
) -> Verdict:
    return Verdict(
        provider, provider, "venue", "BTCUSDT", "USDT", 1.0, 1.0, None, age_ms, 0.1, deviation, excluded, None
    )


def decided(*verdicts: Verdict) -> Consensus:
    given = dict.fromkeys(Consensus._fields)
    given |= {"asset": "bitcoin", "price": 1.0, "verdicts": tuple(verdicts)}
    return Consensus(**given)  # type: ignore[arg-type]


def test_a_tally_takes_medians_and_leaves_out_what_says_nothing() -> None:
    tally = Tally()
    for deviation in (-0.1, 0.3, 0.2):
        tally.note(decided(verdict("kraken", deviation)), HOUR + 5)
    tally.note(decided(verdict("kraken", 900.0, 70_000, Reason.OUTLIER)), HOUR + 6)
    tally.note(decided(verdict("kraken", 0.0, 1, Reason.SAME_SOURCE)), HOUR + 7)
    tally.note(decided(verdict("okx", None)), HOUR + HOUR_MS)
    found = tally.hour(HOUR)
    assert set(found) == {"kraken"}
    kraken = found["kraken"]
    assert (kraken.quotes, kraken.excluded, kraken.age_ms) == (4, 1, 2000)
    assert kraken.deviation_pct == pytest.approx(0.25)
    assert tally.hour(HOUR + HOUR_MS)["okx"].deviation_pct is None
    tally.forget(HOUR + HOUR_MS)
    assert tally.hour(HOUR) == {}


def test_a_tally_is_bounded_in_hours_and_samples() -> None:
    tally = Tally()
    for place in range(3 * SAMPLES):
        tally.note(decided(verdict("kraken", float(place))), HOUR)
    assert tally.hour(HOUR)["kraken"].quotes == 3 * SAMPLES
    assert tally.hour(HOUR)["kraken"].deviation_pct == pytest.approx(1.5 * SAMPLES, rel=0.5)
    for later in range(1, MOST_HOURS + 1):
        tally.note(decided(verdict("okx", 0.0)), HOUR + later * HOUR_MS)
    assert tally.hour(HOUR) == {}


def call(provider: str, at_ms: int, took: float | None, status: str = "ok") -> ApiCallRow:
    return ApiCallRow(at_ms, provider, "quotes", took, status, 200)


async def test_an_hour_is_added_up_once_it_is_over(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        calls = [call("kraken", HOUR + n, float(n)) for n in range(1, 101)]
        calls += [
            call("kraken", HOUR + 200, None, "upstream_timeout"),
            call("kraken", HOUR + 201, 3.0, "payload_changed"),
        ]
        calls += [call("kraken", HOUR + 202, 3.0, "symbol_not_listed"), call("okx", HOUR + HOUR_MS, 7.0)]
        await call_repo.write_api_calls(rt.store, calls)
        rt.tally.note(decided(verdict("kraken", -0.2), verdict("gate", 5.0, 9000, Reason.STALE)), HOUR + 9)
        assert await scoreboard.roll(rt) == 0
        await clock.advance((HOUR + HOUR_MS - clock.now_ms()) / 1000 + 1)
        assert await scoreboard.roll(rt) == 0, "its last calls may be on their way"
        await clock.advance(60)
        assert await scoreboard.roll(rt) == 2
        assert await scoreboard.roll(rt) == 0
        assert rt.tally.hour(HOUR) == {}
        rows = {row["id"]: row for row in await scoreboard.board(rt, "24h", None)}
        assert set(rows) == {"gate", "kraken"}
        kraken = rows["kraken"]
        assert (kraken["calls"], kraken["failures"], kraken["schema_drifts"]) == (103, 2, 1)
        assert kraken["availability_pct"] == pytest.approx(100 * 101 / 103)
        assert (kraken["latency_p50_ms"], kraken["latency_p95_ms"]) == (50.0, 95.0)
        assert (kraken["quote_age_ms"], kraken["deviation_pct"]) == (2000.0, 0.2)
        assert (rows["gate"]["availability_pct"], rows["gate"]["excluded_pct"]) == (None, 100.0)
        assert await scoreboard.board(rt, "24h", "rpc") == []


async def test_prices_that_are_decided_are_noted(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        await harness.drive(clock, collect.one_round(rt))
        await harness.drive(clock, collect.store_prices(rt))
        kraken = rt.tally.hour(clock.now_ms() // HOUR_MS * HOUR_MS)["kraken"]
        assert kraken.quotes > 5
        assert kraken.deviation_pct is not None
        assert 0 <= kraken.deviation_pct < 0.5


async def test_windows_weigh_hours_by_what_was_in_them(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        now = clock.now_ms() // HOUR_MS * HOUR_MS
        await repo.put(
            rt.store,
            [
                HourRow("kraken", now - 2 * HOUR_MS, 10, 0, 0, 100, 10, 20.0, 40.0, 1000.0, 0.1),
                HourRow("kraken", now - 3 * DAY_MS, 30, 30, 2, 0, 0, 60.0, 80.0, None, None),
                HourRow("kraken", now - 30 * DAY_MS, 60, 0, 1, 300, 0, None, None, 3000.0, 0.3),
                HourRow("kraken", now - 91 * DAY_MS, 1, 1, 1, 1, 1, 1.0, 1.0, 1.0, 1.0),
            ],
        )
        found = await scoreboard.of_provider(rt, "kraken")
        windows, history = found["windows"], found["history"]
        assert {name: found["hours"] for name, found in windows.items()} == {"24h": 1, "7d": 2, "90d": 3}
        assert windows["24h"]["availability_pct"] == 100
        assert windows["7d"]["availability_pct"] == 25
        assert windows["7d"]["latency_p50_ms"] == 50
        assert windows["90d"]["deviation_pct"] == pytest.approx(0.25)
        assert windows["90d"]["quote_age_ms"] == 2500
        assert {name: len(parts) for name, parts in history.items()} == {"24h": 24, "7d": 28, "90d": 90}
        assert [(n, part) for n, part in enumerate(history["24h"]) if part is not None] == [(22, 100)]
        assert [(n, part) for n, part in enumerate(history["7d"]) if part is not None] == [(16, 0), (27, 100)]
        assert [n for n, part in enumerate(history["90d"]) if part is not None] == [60, 87, 89]
        (row,) = await scoreboard.board(rt, "7d", None, history=True)
        assert row["history"] == history["7d"]
        assert (await scoreboard.board(rt, "7d", None))[0]["history"] is None
        with pytest.raises(NotFound):
            await scoreboard.of_provider(rt, "nowhere")
        rt.tally.note(decided(verdict("okx", 0.0)), now - HOUR_MS + 1)
        assert await scoreboard.roll(rt) == 1
        assert await repo.drop(rt.store, now - 90 * DAY_MS) == 0, "the oldest was forgotten with the run"
