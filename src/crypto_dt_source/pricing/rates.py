"""Conversion rates, measured from quotes like any other price. Nothing is assumed to be a dollar but the dollar."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from .consensus import consensus
from .source import CRYPTO, Consensus, Policy, SourceQuote

BASE = "USD"

_DEFAULT = Policy()


class Rate(NamedTuple):
    """What one unit of `currency` costs in US dollars. `status` is `ok` or `single_source`, as of a Consensus."""

    currency: str
    usd: float
    status: str
    sources: int
    """Independent sources behind it; 0 for the dollar itself."""
    at_ms: int


def measure(
    quotes: Mapping[str, Sequence[SourceQuote]],
    *,
    at_ms: int,
    crypto: Collection[str] = CRYPTO,
    policy: Policy = _DEFAULT,
) -> dict[str, Rate]:
    """US dollars per unit of every currency that `quotes` say enough about; one without a price is absent.

    `quotes[X]` are quotes of X in other currencies (`quotes["USDT"]` holds USDT/USD, USDT/EUR; `quotes["USD"]` holds
    USD/TRY). Each pair serves both ways: USDT/EUR also prices EUR, turned over.

    Four passes, each resting only on those before it. (1) Fiat and stablecoins from pairs against the dollar. (2) Those
    that did not reach `ok`, from pairs against the dollar or against any currency that did; the result replaces a
    single source only when more sources stand behind it. (3) Those still without a rate, from pairs against anything
    measured. (4) The coins in `crypto`, from pairs against all of these.
    """
    both_ways = _both_ways(quotes)
    rates = {BASE: Rate(BASE, 1.0, "ok", 0, at_ms)}
    money = sorted(set(both_ways) - set(crypto) - {BASE})
    for currency in money:
        _note(rates, _price(currency, both_ways, {BASE: 1.0}, at_ms, policy))
    firm = {rate.currency: rate.usd for rate in rates.values() if rate.status == "ok"}
    for currency in money:
        if currency not in firm:
            _note(rates, _price(currency, both_ways, firm, at_ms, policy))
    coins = sorted(set(both_ways) & set(crypto))
    for last in ([currency for currency in money if currency not in rates], coins):
        known = {rate.currency: rate.usd for rate in rates.values()}
        for currency in last:
            _note(rates, _price(currency, both_ways, known, at_ms, policy))
    return rates


def cross(rates: Mapping[str, Rate], vs: str) -> dict[str, float]:
    """Units of `vs` for one unit of each measured currency, `vs` itself exactly 1. When `vs` was not measured only that
    remains: quotes in `vs` still count, nothing can be converted into it."""
    target = rates.get(vs)
    if target is None:
        return {vs: 1.0}
    return {currency: rate.usd / target.usd for currency, rate in rates.items()}


def _price(
    currency: str,
    both_ways: Mapping[str, Sequence[SourceQuote]],
    known: Mapping[str, float],
    at_ms: int,
    policy: Policy,
) -> Consensus:
    return consensus(currency, both_ways[currency], currency=BASE, rates=known, at_ms=at_ms, policy=policy)


def _note(rates: dict[str, Rate], found: Consensus) -> None:
    if found.price is None:
        return
    held = rates.get(found.asset)
    if held is None or found.sources > held.sources:
        rates[found.asset] = Rate(found.asset, found.price, found.status, found.sources, found.at_ms)


def _both_ways(quotes: Mapping[str, Sequence[SourceQuote]]) -> dict[str, list[SourceQuote]]:
    """Each quote under its base and, turned over, under its currency."""
    found: dict[str, list[SourceQuote]] = {}
    for base, given in quotes.items():
        for quote in given:
            if base == quote.currency:
                continue
            found.setdefault(base, []).append(quote)
            turned = invert(quote, base)
            if turned is not None:
                found.setdefault(quote.currency, []).append(turned)
    return found


def invert(quote: SourceQuote, base: str) -> SourceQuote | None:
    """The quote of `base` in X as a quote of X in `base`: 1/price, bid and ask swapped, volume in `base`. None where the
    price has no finite inverse."""
    price = quote.price
    if not 0.0 < price < math.inf or not 0.0 < 1.0 / price < math.inf:
        return None
    return quote._replace(
        currency=base,
        price=1.0 / price,
        bid=1.0 / quote.ask if quote.ask else None,
        ask=1.0 / quote.bid if quote.bid else None,
        volume=None if quote.volume is None else quote.volume / price,
    )
