"""The rule of proof: what is enough, what is not, and what ends a trial."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec
import pytest

from crypto_dt_source.services import discovery_rule as rule
from crypto_dt_source.services.discovery_rule import FeedItem, Point, Proof, Verdict, judge

STEP_MS = 600_000
START_MS = 1_789_983_437_000
ASSETS = [f"coin-{n}" for n in range(8)]
Tell = Callable[[float, int, str], float]


def readings(tell: Tell, count: int = 80, *, move: float = 0.003, assets: list[str] = ASSETS) -> Proof:
    """A proof of `count` readings of a market whose prices move by about `move` each time; `tell(price, n, asset)` is what the
    source says."""
    draw = random.Random(5)
    prices = dict.fromkeys(assets, 100.0)
    proof = Proof()
    for n in range(count):
        points = []
        for asset in assets:
            prices[asset] *= 1 + draw.choice((-1, 1)) * move
            said = tell(prices[asset], n, asset)
            points.append(Point(asset, said, prices[asset], said))
        proof.read(points, START_MS + n * STEP_MS)
    return proof


def honest(price: float, n: int, asset: str) -> float:
    return price * 1.0003


def outcome(proof: Proof) -> Verdict:
    return judge("table", proof)


def test_enough_of_everything_is_proven() -> None:
    proof = readings(honest)
    assert outcome(proof) == Verdict("proven", ())
    assert (proof.points, proof.agreed) == (80 * 8, 80 * 8)
    assert proof.followed == proof.moves == 79 * 8


def test_a_proof_survives_being_stored() -> None:
    proof = readings(honest, 20)
    stored = msgspec.json.decode(msgspec.json.encode(proof), type=Proof)
    assert stored == proof
    assert len(msgspec.json.encode(readings(honest, 80, assets=[f"a{n}" for n in range(200)]))) < 20_000


def test_any_number_a_stranger_says_can_be_kept() -> None:
    proof = Proof()
    for n, price in enumerate((1.0, math.inf, 0.0, 1e308, 5e-324, 1.0)):
        proof.read([Point("a", price, 1.0 + n / 100, price)], START_MS + n * STEP_MS)
    assert (proof.points, proof.agreed, proof.moves) == (6, 1, 5)
    assert msgspec.json.decode(msgspec.json.encode(proof), type=Proof) == proof


@pytest.mark.parametrize(
    ("proof", "missing"),
    [
        pytest.param(lambda: readings(honest, 70), "read for", id="time"),
        pytest.param(lambda: readings(honest, assets=ASSETS[:4]), "4 of 5 assets", id="assets"),
        pytest.param(lambda: readings(honest, move=0.0005), "the market moved 0", id="a calm market"),
        pytest.param(Proof, "0 of 60 readings", id="nothing"),
    ],
)
def test_while_something_is_missing_it_waits_and_says_what(proof: Callable[[], Proof], missing: str) -> None:
    verdict = outcome(proof())
    assert verdict.outcome == "waiting"
    assert any(missing in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(("wrong", "proven"), [(6, True), (7, False)])
def test_ninety_nine_of_a_hundred_points_must_agree(wrong: int, proven: bool) -> None:
    left = [wrong]

    def tell(price: float, n: int, asset: str) -> float:
        if n % 11 == 3 and asset == ASSETS[n % 8] and left[0]:
            left[0] -= 1
            return price * 1.0051
        return price * 1.0049

    proof = readings(tell)
    assert proof.points - proof.agreed == wrong
    assert (outcome(proof).outcome == "proven") is proven


@pytest.mark.parametrize(
    ("tell", "reason"),
    [
        pytest.param(lambda price, n, asset: price * 1.006, "0 of", id="off"),
        pytest.param(lambda price, n, asset: price * 1000, "0 of", id="scaled"),
        pytest.param(lambda price, n, asset: 100.0, "followed 0", id="frozen"),
    ],
)
def test_what_is_wrong_is_refused_before_its_time(tell: Tell, reason: str) -> None:
    proof = readings(tell, 30, move=0.0021)
    verdict = outcome(proof)
    assert verdict.outcome == "refused"
    assert any(reason in text for text in verdict.reasons), verdict.reasons


def test_a_late_copy_agrees_and_does_not_follow() -> None:
    """Each price is that of the reading before: near enough in a market that moves little."""
    before = dict.fromkeys(ASSETS, 100.0)

    def tell(price: float, n: int, asset: str) -> float:
        said, before[asset] = before[asset], price
        return said

    proof = readings(tell, move=0.0025)
    assert proof.agreed == proof.points
    assert outcome(proof).outcome == "refused"


def test_readings_far_apart_show_no_move() -> None:
    proof = Proof()
    for n in range(10):
        price = 100.0 * 1.01**n
        proof.read([Point("a", price, price, price)], START_MS + n * (rule.GAP_MS + 1))
    assert (proof.points, proof.moves) == (10, 0)


def test_the_very_digits_of_a_source_in_use_are_a_copy() -> None:
    def proof_of(same: int) -> Proof:
        proof = readings(honest, 10)
        for n in range(20):
            points = [
                Point(asset, 100.0, 100.0, 100.0, ("okx",) if n < same else (), ("okx", "gate"))
                for asset in ASSETS
            ]
            proof.read(points, START_MS + (10 + n) * STEP_MS)
        return proof

    assert "the very prices of okx: 160 of 160" in outcome(proof_of(20)).reasons
    assert outcome(proof_of(10)).outcome == "waiting"


def test_failures_in_a_row_end_a_trial_and_single_ones_do_not() -> None:
    proof = readings(honest)
    for n in range(rule.IN_A_ROW - 1):
        proof.fail(START_MS + (80 + n) * STEP_MS, "upstream_timeout")
    assert outcome(proof).outcome == "waiting"
    assert "80 of 97 readings succeeded" in outcome(proof).reasons[0]
    proof.fail(START_MS + 100 * STEP_MS, "upstream_timeout")
    assert outcome(proof) == Verdict("refused", ("18 readings in a row failed: upstream_timeout",))
    proof.read([], START_MS + 101 * STEP_MS)
    assert outcome(proof).outcome == "waiting"


def test_what_is_not_proven_in_a_week_never_is() -> None:
    proof = readings(honest, move=0.0005)
    proof.read([], START_MS + rule.MAX_MS)
    verdict = outcome(proof)
    assert verdict.outcome == "refused"
    assert verdict.reasons[0] == "not proven within 7 days"


def feed(about: int, *, copied: int = 0, age_ms: int = 0, dated: bool = True, items: int = 20) -> Proof:
    proof = Proof()
    told = [
        FeedItem(f"{n}", n < about, START_MS - age_ms if dated else None, n < copied) for n in range(items)
    ]
    for n in range(8):
        proof.read_items(told, START_MS + n * 3_600_000)
    return proof


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        pytest.param(lambda: feed(20), "proven", id="about it"),
        pytest.param(lambda: feed(12), "proven", id="mostly"),
        pytest.param(lambda: feed(11), "refused", id="not mostly"),
        pytest.param(lambda: feed(20, copied=11), "refused", id="of another feed"),
        pytest.param(lambda: feed(20, copied=10), "proven", id="shared in part"),
        pytest.param(lambda: feed(20, age_ms=rule.FEED_FRESH_MS), "waiting", id="old"),
        pytest.param(lambda: feed(20, dated=False), "waiting", id="no times"),
        pytest.param(lambda: feed(9, items=9), "waiting", id="few items"),
    ],
)
def test_a_feed_has_to_be_about_it_fresh_and_its_own(proof: Callable[[], Proof], expected: str) -> None:
    assert judge("feed", proof()).outcome == expected


def test_what_is_remembered_of_a_feed_is_bounded() -> None:
    proof = Proof()
    proof.read_items([FeedItem(f"{n}", True, START_MS, False) for n in range(3 * rule.FEED_KEPT)], START_MS)
    assert len(proof.items) == rule.FEED_KEPT


def test_the_report_tells_the_numbers_of_the_issue() -> None:
    told = rule.rule()
    assert (told["agrees_within"], told["share_of_points"]) == (0.005, 0.99)
