"""Seeded noise that can be asked for at any time: the same seed and time give the same value, past or future."""

from __future__ import annotations

import hashlib

from ..model.candle import DAY_MS, HOUR_MS, MINUTE_MS

_MASK = (1 << 64) - 1

DAILY_OCTAVES: tuple[tuple[int, float], ...] = (
    (32 * DAY_MS, 3.0),
    (5 * DAY_MS, 1.6),
    (20 * HOUR_MS, 0.7),
    (3 * HOUR_MS, 0.28),
    (25 * MINUTE_MS, 0.1),
    (4 * MINUTE_MS, 0.04),
    (30_000, 0.015),
    (2_000, 0.012),
)
"""Periods and amplitudes of a price path, relative to a day's move: roughly the square root of time, so that a minute
and a month both look like a market. The shortest is three times that: a consensus is a median, and quotes of
sources that are only polled hold it still the longer the less the market moves."""


def key_of(*parts: object) -> int:
    """A 64-bit key of anything printable, stable between runs (`hash` is not)."""
    data = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def unit(key: int, step: int = 0) -> float:
    """A number in [0, 1) drawn by (key, step): splitmix64."""
    z = (key + (step + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / (1 << 53)


class Path:
    """A smooth curve of time: the sum of octaves, each a random value on a grid of its period, eased between.

    Up to `kept` grid values an octave are remembered; there are thousands of curves, so this bounds the memory.
    """

    __slots__ = ("_kept", "_octaves")

    def __init__(self, key: int, octaves: tuple[tuple[int, float], ...], scale: float, kept: int) -> None:
        self._kept = kept
        self._octaves: list[tuple[int, float, int, dict[int, float]]] = [
            (period, weight * scale, key_of(key, period), {}) for period, weight in octaves
        ]

    def at(self, ms: int) -> float:
        """The curve's value; between plus and minus the sum of the amplitudes."""
        total = 0.0
        for period, amplitude, key, known in self._octaves:
            step, rest = divmod(ms, period)
            left = known.get(step)
            if left is None:
                if len(known) > self._kept:
                    known.clear()
                left = known[step] = 2 * unit(key, step) - 1
            right = known.get(step + 1)
            if right is None:
                right = known[step + 1] = 2 * unit(key, step + 1) - 1
            x = rest / period
            total += amplitude * (left + (right - left) * x * x * (3 - 2 * x))
        return total
