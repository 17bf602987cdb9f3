"""The live market under faults of its venues' sockets. `bench/stream_faults.py` has the 500."""

from __future__ import annotations

from pathlib import Path

from feed_trial import BACK_S, KINDS, sees_gaps, trial

from crypto_dt_source.providers import catalog

FAULTS = 55


async def test_nothing_stalled_counts_every_gap_is_told_and_every_feed_comes_back(tmp_path: Path) -> None:
    done = await trial(tmp_path, FAULTS, seed=1)
    assert done.wrong == []
    assert len(done.outcomes) == FAULTS
    assert {outcome.kind for outcome in done.outcomes} == set(KINDS)
    assert max(outcome.back_s for outcome in done.outcomes) <= BACK_S
    # It was a trial: prices and trades came all the time, streams stalled, numbers jumped.
    assert done.live.prices > 500
    assert done.live.trades > 500
    assert sum(map(len, done.live.stalls.values())) >= FAULTS / 5
    assert sum(done.sim.sockets.jumps.values()) >= 10


def test_venues_whose_gaps_can_be_seen() -> None:
    entries = [entry for entry in catalog.load().values() if entry.stream]
    seen = {entry.id for entry in entries if sees_gaps(entry.id, entry.stream)}
    assert {"binance", "kraken", "okx", "bitfinex", "coinbase_exchange"} <= seen
    assert not seen & {"bybit", "htx", "bitstamp"}
