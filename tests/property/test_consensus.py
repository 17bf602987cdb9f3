"""What the consensus price promises, over thousands of generated markets: no lying minority moves it, any order gives
the same bits, stored quotes give the same price again."""

from __future__ import annotations

import collections
import math
import random
import statistics
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.pricing.consensus import consensus
from crypto_dt_source.pricing.source import Consensus, Reason, SourceQuote
from crypto_dt_source.pricing.weights import minority

AT = 1_790_000_000_000
SCENARIOS = 10_000
LIES = ("power", "frozen", "stale", "swapped", "inverted", "drift", "not_finite", "future", "no_rate")
DRIFTS = (0.002, 0.005, 0.0075, 0.02, 0.3)


@dataclass
class Scenario:
    """One market: what everyone says, and who lies how (source to lie)."""

    true: float
    rates: dict[str, float]
    neighbours: list[tuple[float, str]]
    quotes: list[SourceQuote] = field(default_factory=list)
    lies: dict[str, str] = field(default_factory=dict)

    def price(self, quotes: list[SourceQuote] | None = None) -> Consensus:
        return consensus(
            "asset",
            self.quotes if quotes is None else quotes,
            currency="USD",
            rates=self.rates,
            at_ms=AT,
            neighbours=self.neighbours,
        )

    def honest(self, result: Consensus) -> list[float]:
        """Converted prices of the sources that do not lie, the counted pair of each."""
        counted = [v for v in result.verdicts if v.source not in self.lies]
        return [v.converted for v in counted if v.converted and v.excluded is not Reason.SAME_SOURCE]


def say(rng: random.Random, source: str, price: float, currency: str, symbol: str) -> SourceQuote:
    """One source's quote of `price`, with the liquidity, spread and age of some venue or aggregator."""
    half = price * rng.choice((0.0, 1e-5, 1e-4))
    received = AT - rng.randrange(60_000)
    return SourceQuote(
        source,
        source,
        rng.choice(("venue", "venue", "venue", "aggregator")),
        symbol,
        currency,
        price,
        price - half if half else None,
        price + half if half else None,
        rng.choice((None, 10 ** rng.uniform(2, 10))),
        rng.choice((None, received - rng.randrange(100_000))),
        received,
        received - rng.randrange(300_000),
    )


def lie(rng: random.Random, kind: str, quote: SourceQuote, scenario: Scenario, drift: float) -> SourceQuote:
    rate = scenario.rates[quote.currency]
    if kind == "power":
        return quote._replace(
            price=quote.price * 10.0 ** rng.choice((-18, -8, -6, -3, -2, -1, 1, 2, 3, 6, 8, 18))
        )
    if kind == "frozen":
        moved = rng.choice((rng.uniform(-0.4, 0.6), rng.uniform(-0.01, 0.01)))
        return quote._replace(
            price=quote.price * (1 + moved), unchanged_since_ms=AT - rng.randrange(600_001, 10**8)
        )
    if kind == "stale":
        then = AT - rng.randrange(180_001, 10**8)
        return quote._replace(price=quote.price * rng.uniform(0.3, 3), event_ms=then, received_ms=then + 300)
    if kind == "swapped":
        return quote._replace(
            price=rng.choice(scenario.neighbours)[0] / rate * (1 + rng.uniform(-5e-4, 5e-4))
        )
    if kind == "inverted":
        return quote._replace(price=1 / quote.price)
    if kind == "drift":
        return quote._replace(price=quote.price * (1 + drift))
    if kind == "not_finite":
        return quote._replace(price=rng.choice((math.nan, math.inf, -math.inf, 0.0, -quote.price)))
    if kind == "future":
        return quote._replace(
            event_ms=AT + rng.randrange(30_001, 10**9), price=quote.price * rng.uniform(0.3, 3)
        )
    return quote._replace(currency="NEVER", price=quote.price * rng.uniform(0.3, 3))


def scenario_of(rng: random.Random) -> Scenario:
    true = 10 ** rng.uniform(-8, 6)
    rates = {"USD": 1.0, "USDT": rng.choice((0.9, 0.9991, 1.0002)), "EUR": 1.16, "BTC": 61_234.5}
    neighbours = sorted((10 ** rng.uniform(-7, 5), f"other{i}") for i in range(60))
    made = Scenario(true, rates, neighbours)
    count = rng.randint(3, 9)
    liars = rng.randint(0, minority(count))
    together = rng.choice((*LIES, None))
    drift = rng.choice((-1, 1)) * rng.choice((*DRIFTS, rng.uniform(0.001, 0.9)))
    for i in range(count):
        source = f"source{i}"
        for pair in range(rng.choice((1, 1, 2))):
            currency = rng.choice(tuple(rates))
            fair = true * (1 + rng.uniform(-5e-4, 5e-4)) / rates[currency]
            quote = say(rng, source, fair, currency, f"P{pair}")
            if i < liars:
                kind = made.lies.setdefault(source, together or rng.choice(LIES))
                quote = lie(rng, kind, quote, made, drift)
                if rng.random() < 0.5:  # a liar also lies about how liquid and how new it is
                    quote = quote._replace(volume=10 ** rng.uniform(10, 30), kind="venue")
            made.quotes.append(quote)
    rng.shuffle(made.quotes)
    return made


def scenarios(seed: int, count: int = SCENARIOS) -> Iterator[Scenario]:
    rng = random.Random(seed)
    for _ in range(count):
        yield scenario_of(rng)


SURE = {
    "stale": Reason.STALE,
    "not_finite": Reason.NOT_FINITE,
    "future": Reason.FUTURE,
    "no_rate": Reason.NO_RATE,
    "power": Reason.POWER_OF_TEN,
    "inverted": Reason.INVERTED,
    "frozen": Reason.FROZEN,
    "swapped": Reason.SWAPPED,
    "drift": Reason.OUTLIER,
}
BY_DISTANCE = ("frozen", "swapped", "inverted", "drift")


def ambiguous(price: float, converted: float, made: Scenario) -> bool:
    """Whether a wrong price also happens to look like another kind of wrong (1/100 is both inverted and x10^-4)."""
    log = math.log10(converted / made.true)
    power = round(log)
    rate = converted / price
    inverse = abs(math.log(price * made.true / rate))
    swapped = any(abs(p / converted - 1) < 0.002 for p, _ in made.neighbours)
    return (power != 0 and abs(log - power) < 0.01) + (inverse < 0.022) + swapped > 1


def check_liar(made: Scenario, result: Consensus, named: collections.Counter[Reason]) -> None:
    for verdict in result.verdicts:
        kind = made.lies.get(verdict.source)
        if kind is None:
            assert verdict.excluded in (None, Reason.SAME_SOURCE), verdict
            continue
        if verdict.excluded is None:
            assert kind in (*BY_DISTANCE, "power")
            assert verdict.converted is not None
            assert abs(verdict.converted / made.true - 1) < 0.0075, (
                verdict
            )  # too near to tell, and too near to harm
            continue
        assert verdict.weight == 0.0
        named[verdict.excluded] += 1
        if verdict.excluded in (SURE[kind], Reason.SAME_SOURCE):
            continue
        # A lie that is told by its number alone may look like another one; nothing else may be misnamed.
        assert kind in (*BY_DISTANCE, "power"), verdict
        assert verdict.converted is not None
        off = abs(verdict.converted / made.true - 1)
        assert off > 0.0014, verdict
        small = kind in ("swapped", "inverted") and off < 0.11 and verdict.excluded is Reason.OUTLIER
        looks = verdict.excluded in (Reason.POWER_OF_TEN, Reason.INVERTED, Reason.SWAPPED)
        alike = looks and (kind in ("drift", "frozen") or ambiguous(verdict.price, verdict.converted, made))
        assert small or alike, (kind, verdict)


@pytest.mark.slow
def test_ten_thousand_markets_with_a_lying_minority() -> None:
    named: collections.Counter[Reason] = collections.Counter()
    worst = 0.0
    for made in scenarios(seed=20_261_122):
        result = made.price()
        honest = made.honest(result)
        assert result.status == "ok"
        assert result.price is not None
        worst = max(worst, abs(result.price / statistics.median(honest) - 1))
        assert min(honest) <= result.price <= max(honest)
        check_liar(made, result, named)
    assert worst <= 0.001
    elsewhere = (Reason.BLOCKED, Reason.UNPROVEN)  # decided before a price is
    assert min(named[reason] for reason in Reason if reason not in elsewhere) > 100, named


def packed(quote: SourceQuote) -> bytes:
    """A quote as a store keeps it: names as text, the rest in eight bytes each, None as a flag."""
    parts = []
    for value in quote:
        if isinstance(value, str):
            text = value.encode()
            parts.append(b"s" + struct.pack("<q", len(text)) + text)
        elif value is None:
            parts.append(b"n")
        else:
            parts.append(
                b"d" + struct.pack("<d", value)
                if isinstance(value, float)
                else b"q" + struct.pack("<q", value)
            )
    return b"".join(parts)


def unpacked(data: bytes) -> SourceQuote:
    values: list[object] = []
    at = 0
    while at < len(data):
        mark, at = data[at : at + 1], at + 1
        if mark == b"n":
            values.append(None)
            continue
        value = struct.unpack_from("<d" if mark == b"d" else "<q", data, at)[0]
        at += 8
        if mark == b"s":
            value, at = data[at : at + value].decode(), at + value
        values.append(value)
    return SourceQuote(*values)  # type: ignore[arg-type]


@pytest.mark.slow
def test_stored_prices_recompute_bit_for_bit() -> None:
    rng = random.Random(7)
    for made in scenarios(seed=42, count=2_000):
        first = made.price()
        stored = [packed(quote) for quote in made.quotes]
        rng.shuffle(stored)
        again = made.price([unpacked(data) for data in stored])
        assert struct.pack("<dd", first.price or 0.0, first.half_width or 0.0) == struct.pack(
            "<dd", again.price or 0.0, again.half_width or 0.0
        )
        assert repr(again) == repr(first)


def test_scaling_all_prices_by_a_power_of_two_scales_the_price_exactly() -> None:
    for made in scenarios(seed=3, count=300):
        first = made.price()
        for power in (-20, -1, 1, 7, 30):
            times = 2.0**power
            scaled = [
                q._replace(
                    price=q.price * times,
                    bid=None if q.bid is None else q.bid * times,
                    ask=None if q.ask is None else q.ask * times,
                )
                for q in made.quotes
            ]
            result = made.price(scaled)
            assert first.price is not None
            assert first.half_width is not None
            assert result.price == first.price * times
            assert result.half_width == first.half_width * times
            assert [v.weight for v in result.verdicts] == [v.weight for v in first.verdicts]


def test_one_liar_moving_anywhere_keeps_the_price_within_the_honest_range() -> None:
    rng = random.Random(5)
    factors = [10 ** (x / 10) for x in range(-200, 201)] + [1 + x / 2000 for x in range(-100, 101)]
    for _ in range(20):
        made = Scenario(100.0, {"USD": 1.0}, [])
        honest = [
            say(rng, f"s{i}", 100 * (1 + rng.uniform(-5e-4, 5e-4)), "USD", "P")
            for i in range(rng.randint(2, 8))
        ]
        low, high = min(q.price for q in honest), max(q.price for q in honest)
        liar = say(rng, "liar", 100.0, "USD", "P")._replace(volume=1e30, kind="venue")
        for factor in factors:
            result = made.price([*honest, liar._replace(price=100 * factor)])
            assert result.price is not None
            assert low <= result.price <= high


noise = st.floats(-4.99e-4, 4.99e-4)
finite = st.floats(1e-12, 1e12)


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[SourceQuote], set[str]]:
    """3 to 9 sources around 1 to 1000, a minority of which says anything at all."""
    count = draw(st.integers(3, 9))
    liars = draw(st.integers(0, minority(count)))
    true = draw(st.floats(1.0, 1000.0))
    shared = draw(st.floats(0.9, 1.1))
    quotes = []
    for i in range(count):
        fair = true * (1 + draw(noise))
        price = draw(st.one_of(st.just(fair * shared), st.floats(), finite)) if i < liars else fair
        since = AT - draw(st.integers(0, 10**7))
        spread = draw(st.one_of(st.none(), st.floats(0, 1)))
        quotes.append(
            SourceQuote(
                f"s{i}",
                f"s{i}",
                draw(st.sampled_from(("venue", "aggregator"))),
                "P",
                "USD",
                price,
                None if spread is None else price - spread,
                None if spread is None else price + spread,
                draw(st.one_of(st.none(), st.floats(0, 1e15), st.floats() if i < liars else st.nothing())),
                draw(st.one_of(st.none(), st.integers(AT - 180_000, AT + 30_000))),
                AT - draw(st.integers(0, 180_000)),
                since,
            )
        )
    return quotes, {f"s{i}" for i in range(liars)}


@settings(max_examples=150, deadline=None, database=None)
@given(markets(), st.randoms(use_true_random=False))
def test_any_minority_any_order(market: tuple[list[SourceQuote], set[str]], rng: random.Random) -> None:
    quotes, liars = market
    result = consensus("a", quotes, currency="USD", rates={}, at_ms=AT)
    honest = [q.price for q in quotes if q.source not in liars]
    assert result.status == "ok"
    assert result.price is not None
    assert min(honest) <= result.price <= max(honest)
    assert abs(result.price / statistics.median(honest) - 1) <= 0.001
    assert all(v.excluded is None for v in result.verdicts if v.source not in liars)
    weights = [v.weight for v in result.verdicts if v.excluded is None]
    assert math.fsum(weights) == pytest.approx(1.0, abs=1e-12)
    assert len(weights) == result.sources
    shuffled = list(quotes)
    rng.shuffle(shuffled)
    assert repr(consensus("a", shuffled, currency="USD", rates={}, at_ms=AT)) == repr(result)
