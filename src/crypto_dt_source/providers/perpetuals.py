"""Contracts named after a multiple of their coin (`1000PEPE`, `SHIB1000`, `kPEPE`), back to one unit of the coin."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..model.quote import Pair

_BEFORE = re.compile(r"1(0{3,9})(\D.*)")
_BEHIND = re.compile(r"(\D.*)1(0{3,9})")
_MILLION = re.compile(r"1M(\D{3,})")
_THOUSAND = re.compile(r"k([A-Z0-9]{2,})")


class Contract(NamedTuple):
    """What a perpetual is on. One unit in the venue's price and amounts is `units` of the base of `pair`: a price of
    one unit of the base is the venue's divided by it, an amount in the base the venue's times it."""

    pair: Pair
    units: int

    def price(self, value: float | None) -> float | None:
        """The price of one unit of the base; None stays None, and what is no price (0, less) becomes it."""
        return value / self.units if value is not None and value > 0 else None

    def amount(self, value: float | None) -> float | None:
        """Units of the base; None stays None."""
        return None if value is None else value * self.units


def coin_of(name: str) -> tuple[str, int]:
    """The coin in a contract's name and how many of it count as one: (`PEPE`, 1000) of `1000PEPE`, of `kPEPE` and of
    `PEPE1000`, (`BABYDOGE`, 1000000) of `1MBABYDOGE`, (`1INCH`, 1) of `1INCH`. A lower-case k alone means a thousand;
    everything else is given in upper case."""
    if thousand := _THOUSAND.fullmatch(name):
        return thousand[1], 1000
    text = name.upper()
    if before := _BEFORE.fullmatch(text):
        return before[2], int(f"1{before[1]}")
    if behind := _BEHIND.fullmatch(text):
        return behind[1], int(f"1{behind[2]}")
    if million := _MILLION.fullmatch(text):
        return million[1], 1_000_000
    return text, 1
