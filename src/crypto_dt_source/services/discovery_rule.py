"""The rule by which a source that was found may be used: what it must show, and what shows that it must not be.

Pure. The proof of a source of prices or of a feed is a small object that readings are added to; it is kept as JSON with
the candidate, so that a restart loses nothing of it, and its size is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

AGREES = 0.005
"""A point agrees when its price lies within this fraction of the consensus."""
SHARE = 0.99
"""Of the points must agree."""
MIN_POINTS, MIN_ASSETS, MIN_READINGS = 500, 5, 60
MIN_MS = 12 * 3_600_000
"""From the first reading to the last."""
MAX_MS = 7 * 86_400_000
"""A candidate that has not shown all of this by then is refused."""
ANSWERED = 0.9
"""Of the readings must succeed; IN_A_ROW that fail end the trial."""
IN_A_ROW = 18
MOVE = 0.002
"""Between two readings of an asset the consensus must have moved by this fraction for the source to be seen following."""
FOLLOWS_LOW, FOLLOWS_HIGH = 0.5, 1.5
"""It followed when it moved by so much of that move."""
MIN_MOVES, FOLLOWED, MOVED_ASSETS = 30, 0.8, 3
"""A frozen or late copy agrees for hours in a calm market: so many moves must be seen, of so many assets."""
GAP_MS = 45 * 60_000
"""Readings further apart show nothing of whether a source follows."""
HOPELESS_POINTS, HOPELESS = 200, 0.95
"""After so many points a share below this ends the trial at once."""
COPY_POINTS, COPY_SHARE, COPY_ASSETS = 60, 0.8, 5
"""A source that gives the very digits of one we have, this often, is that one again."""
SMALLEST, LARGEST = 1e-30, 1e15
COMPARED = 30
"""Assets compared in a reading, the most traded."""

FEED_READINGS, FEED_MS = 6, 6 * 3_600_000
FEED_ITEMS, FEED_ABOUT, FEED_DATED = 10, 0.6, 0.8
FEED_FRESH_MS = 7 * 86_400_000
FEED_COPIED = 0.5
FEED_KEPT = 400
"""Items of a feed that are remembered."""


class Point(NamedTuple):
    """One quote beside the consensus, both in US dollars. `raw` is the price as it was given; `same` are the sources in use
    with those very digits now, `seen` all that quote the same pair now."""

    asset: str
    price: float
    consensus: float
    raw: float
    same: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class AssetProof(msgspec.Struct, omit_defaults=True):
    """What the readings of one asset have shown. `price` and `consensus` are those of the last one, at `at_ms`."""

    points: int = 0
    agreed: int = 0
    moves: int = 0
    followed: int = 0
    price: float = 0.0
    consensus: float = 0.0
    at_ms: int = 0
    worst: float = 0.0
    """Largest distance from the consensus, as a fraction."""


class Likeness(msgspec.Struct):
    """How often the digits were those of a source in use, of how many, for which assets."""

    compared: int = 0
    same: int = 0
    assets: list[str] = []


class Proof(msgspec.Struct, omit_defaults=True):
    """What a candidate has shown until now. Times are ms UTC, 0 before the first reading."""

    first_ms: int = 0
    last_ms: int = 0
    readings: int = 0
    failures: int = 0
    in_a_row: int = 0
    last_failure: str = ""
    assets: dict[str, AssetProof] = {}
    likeness: dict[str, Likeness] = {}
    items: dict[str, bool] = {}
    """Of a feed: each item by id, and whether it is about what this service is for."""
    dated: int = 0
    copied: int = 0
    newest_ms: int = 0

    @property
    def points(self) -> int:
        return sum(asset.points for asset in self.assets.values())

    @property
    def agreed(self) -> int:
        return sum(asset.agreed for asset in self.assets.values())

    @property
    def moves(self) -> int:
        return sum(asset.moves for asset in self.assets.values())

    @property
    def followed(self) -> int:
        return sum(asset.followed for asset in self.assets.values())

    def fail(self, now_ms: int, code: str) -> None:
        """Note a reading that failed."""
        self._began(now_ms)
        self.failures += 1
        self.in_a_row += 1
        self.last_failure = code

    def read(self, points: Iterable[Point], now_ms: int) -> None:
        """Note a reading of prices."""
        self._succeeded(now_ms)
        for point in points:
            if point.asset in self.assets or len(self.assets) < 2 * COMPARED:
                self._add(point, now_ms)

    def read_items(self, items: Sequence[FeedItem], now_ms: int) -> None:
        """Note a reading of a feed."""
        self._succeeded(now_ms)
        for item in items:
            if item.id in self.items or len(self.items) >= FEED_KEPT:
                continue
            self.items[item.id] = item.about
            self.dated += item.published_ms is not None
            self.copied += item.copied
            if item.published_ms is not None and item.published_ms <= now_ms:
                self.newest_ms = max(self.newest_ms, item.published_ms)

    def _began(self, now_ms: int) -> None:
        self.first_ms = self.first_ms or now_ms
        self.last_ms = now_ms

    def _succeeded(self, now_ms: int) -> None:
        self._began(now_ms)
        self.readings += 1
        self.in_a_row = 0

    def _add(self, point: Point, now_ms: int) -> None:
        held = self.assets.setdefault(point.asset, AssetProof())
        # A stranger may say any number; what is kept has to be one that can be stored and divided by.
        price = min(max(point.price, SMALLEST), LARGEST)
        distance = abs(price / point.consensus - 1)
        held.points += 1
        held.agreed += distance <= AGREES
        held.worst = max(held.worst, min(distance, LARGEST))
        if held.at_ms and now_ms - held.at_ms <= GAP_MS:
            moved = point.consensus / held.consensus - 1
            if abs(moved) >= MOVE:
                held.moves += 1
                held.followed += FOLLOWS_LOW <= (price / held.price - 1) / moved <= FOLLOWS_HIGH
        held.price, held.consensus, held.at_ms = price, point.consensus, now_ms
        for source in point.seen[:20]:
            if source not in self.likeness and len(self.likeness) >= 40:
                continue
            likeness = self.likeness.setdefault(source, Likeness())
            likeness.compared += 1
            if source in point.same:
                likeness.same += 1
                if point.asset not in likeness.assets:
                    likeness.assets = [*likeness.assets, point.asset][:COPY_ASSETS]


class FeedItem(NamedTuple):
    """One item of a feed. `copied`: another feed in use has it already."""

    id: str
    about: bool
    published_ms: int | None
    copied: bool


class Verdict(NamedTuple):
    """`outcome`: `waiting`, `proven` or `refused`. `reasons`: what is missing, or what speaks against it."""

    outcome: str
    reasons: tuple[str, ...]


def judge(kind: str, proof: Proof) -> Verdict:
    """Where a candidate of `kind` (`table` or `feed`) stands with this proof."""
    against = _hopeless(proof)
    against += _feed_against(proof) if kind == "feed" else _prices_against(proof)
    if against:
        return Verdict("refused", tuple(against))
    missing = _feed_missing(proof) if kind == "feed" else _prices_missing(proof)
    asked = proof.readings + proof.failures
    if asked and proof.readings < ANSWERED * asked:
        missing.append(f"{proof.readings} of {asked} readings succeeded, at least {ANSWERED:.0%} must")
    if not missing:
        return Verdict("proven", ())
    if proof.first_ms and proof.last_ms - proof.first_ms >= MAX_MS:
        return Verdict("refused", (f"not proven within {MAX_MS // 86_400_000} days", *missing))
    return Verdict("waiting", tuple(missing))


def _hopeless(proof: Proof) -> list[str]:
    if proof.in_a_row >= IN_A_ROW:
        return [f"{proof.in_a_row} readings in a row failed: {proof.last_failure}"]
    return []


def _prices_against(proof: Proof) -> list[str]:
    found = []
    points, agreed = proof.points, proof.agreed
    if points >= HOPELESS_POINTS and agreed < HOPELESS * points:
        found.append(f"{agreed} of {points} points agree with the consensus")
    if proof.moves >= MIN_MOVES and proof.followed < FOLLOWED * proof.moves:
        found.append(f"followed {proof.followed} of {proof.moves} moves: frozen, or late")
    for source, likeness in sorted(proof.likeness.items()):
        many = likeness.compared >= COPY_POINTS and len(likeness.assets) >= COPY_ASSETS
        if many and likeness.same >= COPY_SHARE * likeness.compared:
            found.append(f"the very prices of {source}: {likeness.same} of {likeness.compared}")
    return found


def _prices_missing(proof: Proof) -> list[str]:
    points, agreed = proof.points, proof.agreed
    span_ms = proof.last_ms - proof.first_ms
    assets = sum(asset.points >= MIN_READINGS / 2 for asset in proof.assets.values())
    moved = sum(asset.moves > 0 for asset in proof.assets.values())
    found = []
    if span_ms < MIN_MS:
        found.append(f"read for {span_ms / 3_600_000:.1f} h of {MIN_MS // 3_600_000}")
    if proof.readings < MIN_READINGS:
        found.append(f"{proof.readings} of {MIN_READINGS} readings")
    if points < MIN_POINTS:
        found.append(f"{points} of {MIN_POINTS} points")
    if assets < MIN_ASSETS:
        found.append(f"{assets} of {MIN_ASSETS} assets compared often enough")
    if agreed < SHARE * points:
        found.append(f"{agreed} of {points} points agree, at least {SHARE:.0%} must")
    if proof.moves < MIN_MOVES or moved < MOVED_ASSETS:
        found.append(
            f"the market moved {proof.moves} of {MIN_MOVES} times, for {moved} of {MOVED_ASSETS} assets"
        )
    elif proof.followed < FOLLOWED * proof.moves:
        found.append(f"followed {proof.followed} of {proof.moves} moves")
    return found


def _feed_against(proof: Proof) -> list[str]:
    items, found = len(proof.items), []
    if items < FEED_ITEMS:
        return []
    about = sum(proof.items.values())
    if proof.readings >= FEED_READINGS and about < FEED_ABOUT * items:
        found.append(f"{about} of {items} items are about cryptocurrencies")
    if proof.copied > FEED_COPIED * items:
        found.append(f"{proof.copied} of {items} items are in feeds in use already")
    return found


def _feed_missing(proof: Proof) -> list[str]:
    items, found = len(proof.items), []
    span_ms = proof.last_ms - proof.first_ms
    if span_ms < FEED_MS:
        found.append(f"read for {span_ms / 3_600_000:.1f} h of {FEED_MS // 3_600_000}")
    if proof.readings < FEED_READINGS:
        found.append(f"{proof.readings} of {FEED_READINGS} readings")
    if items < FEED_ITEMS:
        found.append(f"{items} of {FEED_ITEMS} items")
    if proof.dated < FEED_DATED * items:
        found.append(f"{proof.dated} of {items} items have a time")
    if proof.newest_ms < proof.last_ms - FEED_FRESH_MS:
        found.append("nothing new within a week")
    if sum(proof.items.values()) < FEED_ABOUT * items:
        found.append(f"{sum(proof.items.values())} of {items} items are about cryptocurrencies")
    return found


def rule() -> dict[str, float | int]:
    """The numbers of the rule, for the report. Shares are fractions."""
    return {
        "agrees_within": AGREES,
        "share_of_points": SHARE,
        "points": MIN_POINTS,
        "readings": MIN_READINGS,
        "assets": MIN_ASSETS,
        "hours": MIN_MS / 3_600_000,
        "days_at_most": MAX_MS / 86_400_000,
        "moves": MIN_MOVES,
        "share_of_moves_followed": FOLLOWED,
        "share_of_readings_answered": ANSWERED,
        "feed_readings": FEED_READINGS,
        "feed_hours": FEED_MS / 3_600_000,
        "feed_items": FEED_ITEMS,
        "feed_share_about": FEED_ABOUT,
    }
