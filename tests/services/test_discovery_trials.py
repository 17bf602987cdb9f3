"""Discovery end to end on a small corpus over TLS: what is proven is admitted, nothing else, and no socket goes inside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import discovery as bench

from crypto_dt_source.services import discovery_rule as rule
from crypto_dt_source.sim import discovery_places as places
from crypto_dt_source.sim.discovery import Corpus

SHORT = {
    "MIN_MS": 4_800_000,
    "MIN_READINGS": 8,
    "MIN_POINTS": 80,
    "MIN_MOVES": 10,
    "FEED_MS": 3_600_000,
    "FEED_READINGS": 3,
    "COPY_POINTS": 40,
    "HOPELESS_POINTS": 50,
}
GOOD = ("table", "documented", "openapi", "well_known", "feed_page", "redirected")
BAD = (
    *("off_small", "scaled", "frozen", "swapped", "copy", "other_money", "parked", "off_topic", "old_feed"),
    *(
        "private",
        "mixed",
        "rebinding",
        "literal",
        "to_private",
        "link_private",
        "bomb",
        "deep",
        "endless",
        "hang",
    ),
)


def fill(corpus: Corpus) -> None:
    """One place of each kind named above."""
    whole = Corpus(corpus.market, corpus.clock, corpus.port)
    places.fill(whole, share=0.01)
    for spot in whole.spots.values():
        if spot.kind in (*GOOD, *BAD):
            corpus.spots[spot.host] = spot
    assert {spot.kind for spot in corpus.spots.values()} == {*GOOD, *BAD}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here to make a certificate")
async def test_what_is_proven_is_admitted_and_nothing_inside_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SHORT.items():
        monkeypatch.setattr(rule, name, value)
    monkeypatch.setattr(bench, "VENUES", bench.VENUES[:3])
    outcome = await bench.trial(tmp_path, hours=1.6, fill=fill, timeout_s=0.4)
    ends = {spot.kind: outcome.states.get(spot.host) for spot in outcome.corpus.spots.values()}
    assert {kind: ends[kind] for kind in GOOD} == dict.fromkeys(GOOD, "admitted"), outcome.reasons
    assert not [kind for kind in BAD if ends[kind] in ("admitted", "proven", None)], ends
    assert (ends["copy"], ends["frozen"], ends["old_feed"]) == ("refused", "refused", "shadow"), (
        outcome.reasons
    )
    assert (outcome.private, set(outcome.tried)) == (0, {bench.PUBLIC})
    assert (outcome.precision, outcome.recall) == (1.0, 1.0)
