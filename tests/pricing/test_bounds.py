"""Whatever sources claim: the cap holds, and garbage raises nothing."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.pricing.consensus import consensus
from crypto_dt_source.pricing.source import Policy, SourceQuote
from crypto_dt_source.pricing.weights import cap, minority, shares

AT = 1_790_000_000_000
POLICY = Policy()


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=40), st.floats(0.001, 0.49))
def test_no_minority_reaches_half_of_the_weight(raw: list[float], margin: float) -> None:
    total = math.fsum(raw)
    weights = cap([w / total for w in raw], margin)
    assert math.fsum(weights) == pytest.approx(1.0, abs=1e-12)
    assert min(weights) >= 0.0
    assert math.fsum(sorted(weights, reverse=True)[: minority(len(weights))]) < 0.5
    order = sorted(range(len(raw)), key=lambda i: raw[i])
    assert all(weights[a] <= weights[b] for a, b in itertools.pairwise(order))


liquidity = st.tuples(
    st.sampled_from(("venue", "aggregator")),
    st.one_of(st.none(), st.floats(0, 1e300)),
    st.integers(-30_000, 10**12),
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(liquidity, min_size=1, max_size=30))
def test_no_minority_reaches_half_whatever_it_claims(sources: list[tuple[str, float | None, int]]) -> None:
    kinds, volumes, ages = (list(column) for column in zip(*sources, strict=True))
    weights = shares(kinds, volumes, ages, POLICY)
    assert math.fsum(sorted(weights, reverse=True)[: minority(len(weights))]) < 0.5
    assert min(weights) > 0.0


anything = st.builds(
    SourceQuote,
    st.sampled_from("ab"),
    st.sampled_from("xyz"),
    st.sampled_from(("venue", "aggregator")),
    st.sampled_from("pq"),
    st.sampled_from(("USD", "EUR", "NEVER")),
    st.floats(),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.integers(AT - 200_000, AT + 40_000)),
    st.integers(AT - 200_000, AT),
    st.integers(AT - 10**6, AT),
)


@settings(max_examples=400, deadline=None, database=None)
@given(st.lists(anything, max_size=12), st.floats(), st.randoms(use_true_random=False))
def test_garbage_raises_nothing_and_keeps_the_shape(
    quotes: list[SourceQuote], rate: float, rng: random.Random
) -> None:
    result = consensus("a", quotes, currency="USD", rates={"EUR": rate}, at_ms=AT, neighbours=[(1.0, "one")])
    assert len(result.verdicts) == len(quotes)
    assert (result.price is None) == (result.status in ("no_consensus", "no_data"))
    assert (result.half_width is None) == (result.status != "ok")
    assert result.price is None or 0 < result.price < math.inf
    for v in result.verdicts:
        assert (v.weight > 0) == (v.excluded is None and result.price is not None)
        assert v.deviation_pct is None or math.isfinite(v.deviation_pct)
    shuffled = list(quotes)
    rng.shuffle(shuffled)
    assert repr(
        consensus("a", shuffled, currency="USD", rates={"EUR": rate}, at_ms=AT, neighbours=[(1.0, "one")])
    ) == repr(result)
