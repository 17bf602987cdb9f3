"""Latencies by route: bounded, and summed up without inventing precision."""

from __future__ import annotations

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.services.accounts import BUCKETS_MS, EVERYBODY_ELSE, MOST_ROUTES, Accounts
from crypto_dt_source.services.metrics_summary import at_most


def test_percentiles_of_a_histogram() -> None:
    buckets = [0] * (len(BUCKETS_MS) + 1)
    assert at_most(buckets, 0.5) is None
    buckets[0], buckets[3] = 90, 10
    assert (at_most(buckets, 0.5), at_most(buckets, 0.9), at_most(buckets, 0.95)) == (1.0, 1.0, 10.0)
    buckets[-1] = 100
    assert at_most(buckets, 0.99) is None


def test_routes_are_bounded_whatever_is_counted() -> None:
    accounts = Accounts(ManualClock())
    for number in range(2 * MOST_ROUTES):
        accounts.request("address", f"/{number}", 200, 10.0)
    assert len(accounts.routes) == MOST_ROUTES + 1
    assert accounts.routes[EVERYBODY_ELSE].statuses == {200: MOST_ROUTES}
    assert accounts.routes["/0"].buckets[BUCKETS_MS.index(10.0)] == 1
