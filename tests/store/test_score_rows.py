"""Providers' hours on both databases."""

from __future__ import annotations

from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.store import Store
from crypto_dt_source.store.repos import scores as repo
from crypto_dt_source.store.repos.scores import HourRow, Step

START = 1_700_006_400_000


def hour(provider: str, at_ms: int, calls: int, failures: int) -> HourRow:
    return HourRow(provider, at_ms, calls, failures, 0, 3, 1, 20.0, 40.0, 1000.0, 0.1)


async def test_hours_are_counted_in_parts_of_a_span(store: Store) -> None:
    await repo.put(
        store,
        [
            hour("kraken", START - HOUR_MS, 9, 9),
            hour("kraken", START, 10, 1),
            hour("kraken", START + 5 * HOUR_MS, 30, 2),
            hour("kraken", START + 6 * HOUR_MS, 0, 0),
            hour("kraken", START + 12 * HOUR_MS, 7, 7),
            hour("okx", START + DAY_MS, 4, 0),
        ],
    )
    kraken = [Step("kraken", 0, 40, 3), Step("kraken", 2, 7, 7)]
    assert sorted(await repo.steps(store, START, 6 * HOUR_MS, "kraken")) == kraken
    assert sorted(await repo.steps(store, START, 6 * HOUR_MS)) == [*kraken, Step("okx", 4, 4, 0)]
    assert await repo.steps(store, START, HOUR_MS, "nowhere") == []
    (first, second) = await repo.scores(store, START)
    assert (first.provider, first.calls, first.failures, second.provider) == ("kraken", 47, 10, "okx")
