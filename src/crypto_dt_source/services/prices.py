"""Consensus prices off the board: lazily computed, remembered while nothing changed, never guessed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..clock import Clock
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed, InvalidParameter, NoDataYet, UnknownSymbol
from ..pricing.consensus import METHOD, consensus
from ..pricing.rates import BASE, Rate, cross, measure
from ..pricing.source import Consensus, Policy, Reason, SourceQuote
from ..providers.resolver import Resolver
from . import identity
from .board import CRYPTO_QUOTES, Board
from .day_change import day_change

RECOMPUTE_MS = 200
"""A price is recomputed at most this often, however many quotes arrive."""
RATES_MS = 5000
NEIGHBOURS_MS = 30_000
MEMO_LIMIT = 3000
"""Prices remembered with their verdicts, a few kB each."""
AT_A_DOLLAR = 0.01
"""A currency within this distance of a dollar moves with it closely enough to share its day's change."""
ASKED_LIMIT = 2000
"""Assets outside the top whose prices are kept because someone asked, the longest unasked leaving first."""


class PricePoint(NamedTuple):
    """One asset's price as served. `price` is None only with status `no_consensus`.

    `as_of_ms` is when the newest quote behind it was received; `stale` says that it is older than the TTL and that no
    upstream has renewed it since. `providers` are those whose quotes count: none for a price from before a restart whose
    quotes are no longer stored.
    """

    asset: str
    vs: str
    price: float | None
    status: str
    half_width: float | None
    sources: int
    dispersion_pct: float | None
    change_24h_pct: float | None
    volume_24h: float | None
    as_of_ms: int
    stale: bool
    providers: tuple[str, ...]
    method: str


@dataclass(slots=True)
class _Memo:
    at_ms: int
    touched: int
    point: PricePoint | None
    verdict: Consensus


@dataclass(slots=True)
class Pricer:
    """Reads the board. `last` keeps the newest dollar price of every asset, also from before a restart."""

    board: Board
    resolver: Resolver
    clock: Clock
    ttl_s: int = 300
    max_stale_s: int = 7 * 86_400
    last: dict[tuple[str, str], PricePoint] = field(default_factory=dict)
    asked: OrderedDict[str, None] = field(default_factory=OrderedDict)
    rates: dict[str, Rate] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    """Assets whose price is that of the process that collects."""
    followed_ms: int = 0
    disabled: frozenset[str] = frozenset()
    factors: Mapping[str, float] = field(default_factory=dict)
    _rates_at: int = -(10**15)
    _rates_version: int = -1
    _rates_complete: bool = False
    _crosses: dict[str, dict[str, float]] = field(default_factory=dict)
    _memo: dict[tuple[str, str], _Memo] = field(default_factory=dict)
    _neighbours: list[tuple[float, str]] = field(default_factory=list)
    _neighbours_at: int = -(10**15)

    @property
    def policy(self) -> Policy:
        return Policy(
            stale_after_ms=self.ttl_s * 1000,
            disabled=self.disabled,
            factors=self.factors,
        )

    def choose(self, disabled: frozenset[str], factors: Mapping[str, float]) -> None:
        """Providers an operator switched off, and factors of others' weights: every price is decided anew."""
        if (disabled, factors) == (self.disabled, self.factors):
            return
        self.disabled, self.factors = disabled, dict(factors)
        self._rates_version = -1
        self._rates_complete = False
        self._memo.clear()

    def currencies(self) -> list[tuple[str, str]]:
        """(ticker, asset id) of every currency a rate may be measured for."""
        found = [
            (a.ticker, a.id) for a in self.resolver.of_kind("fiat", "stablecoin") if a.id in self.board.quotes
        ]
        for ticker in sorted(CRYPTO_QUOTES):
            found.extend((ticker, asset.id) for asset in self.resolver.by_ticker(ticker)[:1])
        return found

    def refresh_rates(self) -> None:
        """Measure the rates anew when the board changed and the old ones are a few seconds old, or when some were still
        missing: at a start most venues' quotes wait for the first rate of their currency."""
        now = self.clock.now_ms()
        if self.board.version == self._rates_version:
            return
        if self._rates_complete and now - self._rates_at < RATES_MS:
            return
        quotes: dict[str, list[SourceQuote]] = {}
        for ticker, asset_id in self.currencies():
            # Two currencies may share a ticker: the larger one, which comes first, is what venues quote in.
            quotes.setdefault(ticker, self.board.source_quotes(asset_id))
        measured = measure({k: v for k, v in quotes.items() if v}, at_ms=now, policy=self.policy)
        # A rate that could not be measured this time stays as it was: its age is in its own at_ms.
        self.rates.update(measured)
        self._rates_at, self._rates_version = now, self.board.version
        self._rates_complete = quotes.keys() <= measured.keys()
        self._crosses.clear()

    def rates_into(self, vs: str) -> dict[str, float]:
        """Units of `vs` for one unit of each currency; only `vs` itself when it has no rate yet."""
        self.refresh_rates()
        found = self._crosses.get(vs)
        if found is None:
            # A rate of long ago must not make a price of now. Callers may ask for any currency there is, not for more.
            now = self.clock.now_ms()
            fresh = {c: r for c, r in self.rates.items() if now - r.at_ms <= self.ttl_s * 1000}
            found = self._crosses[vs] = cross(fresh, vs)
        return found

    def check_vs(self, vs: str) -> str:
        """The upper-case ticker of a currency prices can be asked in. Raises InvalidParameter."""
        ticker = vs.strip().upper()
        assets = self.resolver.by_ticker(ticker)[:1] if 0 < len(ticker) <= 10 else ()
        if ticker == BASE or ticker in CRYPTO_QUOTES or any(a.kind in ("fiat", "stablecoin") for a in assets):
            return ticker
        allowed = sorted({BASE, *CRYPTO_QUOTES, *self.rates})
        raise InvalidParameter(
            f"vs: prices cannot be given in {vs[:20]!r}; choose a fiat currency, a stablecoin, btc, eth or bnb.",
            details={"parameter": "vs", "got": vs[:20], "allowed": [a.lower() for a in allowed]},
        )

    def judge(self, asset_id: str, vs: str) -> Consensus:
        """The consensus with every verdict, recomputed when a quote came or a second passed."""
        return self._remembered(asset_id, vs).verdict

    def point(self, asset_id: str, vs: str = "USD") -> PricePoint | None:
        """The price as served: fresh, or the last known one marked stale; None when nothing was ever known, or only
        something older than the hard age."""
        return self._served(self._remembered(asset_id, vs), asset_id, vs)

    def newest(self, asset_id: str, vs: str = "USD") -> PricePoint | None:
        """The same with every quote that came until now, for a caller that bounds by itself how often it asks."""
        return self._served(self._remembered(asset_id, vs, 0), asset_id, vs)

    def _served(self, memo: _Memo, asset_id: str, vs: str) -> PricePoint | None:
        return memo.point if memo.point is not None else self._known(asset_id, vs)

    def forget(self, asset_id: str) -> None:
        """Decide the price of an asset anew when it is next asked for, however recently that was done: a quote behind it
        counts no more."""
        for key in [key for key in self._memo if key[0] == asset_id]:
            del self._memo[key]

    def _remembered(self, asset_id: str, vs: str, recompute_ms: int = RECOMPUTE_MS) -> _Memo:
        now = self.clock.now_ms()
        touched = self.board.touched.get(asset_id, 0)
        memo = self._memo.get((asset_id, vs))
        if memo is not None:
            age = now - memo.at_ms
            # An asset without a price is looked at again as soon as anything came.
            quiet = recompute_ms if memo.point is not None else 0
            if 0 <= age < quiet or (memo.touched == touched and 0 <= age < RATES_MS):
                return memo
        memo = self._compute(asset_id, vs, now, touched)
        if len(self._memo) >= MEMO_LIMIT and (asset_id, vs) not in self._memo:
            old = [key for key, m in self._memo.items() if now - m.at_ms >= RATES_MS]
            for key in old or list(self._memo)[: MEMO_LIMIT // 10]:
                del self._memo[key]
        self._memo[(asset_id, vs)] = memo
        return memo

    def decide(
        self, asset_id: str, quotes: Sequence[SourceQuote], rates: Mapping[str, float], at_ms: int
    ) -> Consensus:
        """The dollar price of these quotes, for the store: the same arguments give the same bits again later."""
        return consensus(asset_id, quotes, currency=BASE, rates=rates, at_ms=at_ms, policy=self.policy)

    def _compute(self, asset_id: str, vs: str, now: int, touched: int) -> _Memo:
        rates = self.rates_into(vs)
        result = self._consensus(asset_id, vs, rates, now)
        oldest = now - self.ttl_s * 1000
        if asset_id in self.board.unproven and identity.prove(
            self.board, self.resolver, result, rates, oldest
        ):
            touched = self.board.touched[asset_id]
            result = self._consensus(asset_id, vs, rates, now)
        held = self.board.of(asset_id)
        point = self._point(result, {(h.quote.provider, h.quote.symbol): h.change_pct for h in held}, now)
        # Other currencies are found again through the last rate: one price an asset bounds what is kept.
        if point is not None and point.price is not None and vs == BASE:
            self.last[(asset_id, vs)] = point
        return _Memo(now, touched, point, identity.with_unproven(self.board, result, rates, now))

    def _consensus(self, asset_id: str, vs: str, rates: Mapping[str, float], now: int) -> Consensus:
        return consensus(
            asset_id,
            self.board.source_quotes(asset_id),
            currency=vs,
            rates=rates,
            at_ms=now,
            neighbours=self._prices(vs, now),
            policy=self.policy,
        )

    def _prices(self, vs: str, now: int) -> Sequence[tuple[float, str]]:
        """Prices of all assets in US dollars, to recognise a swapped one (the consensus leaves out its own); only dollars
        are kept sorted."""
        if vs != "USD":
            return ()
        if now - self._neighbours_at > NEIGHBOURS_MS:
            self._neighbours_at = now
            self._neighbours = sorted(
                (p.price, key[0]) for key, p in self.last.items() if key[1] == "USD" and p.price is not None
            )
        return self._neighbours

    def _point(
        self, result: Consensus, changes: dict[tuple[str, str], float | None], now: int
    ) -> PricePoint | None:
        if result.status == "no_data":
            return None
        counted = [v for v in result.verdicts if v.weight > 0]
        basis = counted or [v for v in result.verdicts if v.excluded is None] or list(result.verdicts)
        # Two hosts of one venue report the same trades: one volume a source and symbol.
        volumes = {
            (v.source, v.symbol): v.volume
            for v in result.verdicts
            if v.kind == "venue" and v.volume is not None and v.excluded in (None, Reason.SAME_SOURCE)
        }
        known = list(volumes.values()) or [v.volume for v in counted if v.volume is not None][:1]
        return PricePoint(
            asset=result.asset,
            vs=result.currency,
            price=result.price,
            status=result.status,
            half_width=result.half_width,
            sources=result.sources,
            dispersion_pct=result.dispersion_pct,
            change_24h_pct=day_change(result, changes, self._same_money(result.currency)),
            volume_24h=sum(known) if known else None,
            as_of_ms=now - max(0, min((v.age_ms for v in basis), default=0)),
            stale=False,
            providers=tuple(sorted({v.provider for v in counted})),
            method=result.method,
        )

    def _same_money(self, vs: str) -> frozenset[str]:
        """Currencies a day's change in which is one in `vs`: for dollars also the stablecoins that are at a dollar."""
        if vs != BASE:
            return frozenset({vs})
        at_a_dollar = (c for c, rate in self.rates.items() if abs(rate.usd - 1) <= AT_A_DOLLAR)
        return frozenset({BASE, *(c for c in at_a_dollar if c not in CRYPTO_QUOTES)})

    def _known(self, asset_id: str, vs: str) -> PricePoint | None:
        now = self.clock.now_ms()
        found = self.last.get((asset_id, vs))
        if found is None and vs != "USD":
            found = self._converted(asset_id, vs)
        if found is None or now - found.as_of_ms > self.max_stale_s * 1000:
            return None
        # What was restored at start is stale whatever its age, and so is what no quote on the board stands behind any more:
        # no upstream confirms it.
        confirmed = asset_id in self.board.quotes or asset_id in self.followed
        unconfirmed = found.stale or not confirmed
        return found._replace(stale=unconfirmed or now - found.as_of_ms > self.ttl_s * 1000)

    def _converted(self, asset_id: str, vs: str) -> PricePoint | None:
        """The last dollar price through the last rate: as old as the older of the two."""
        dollars = self.last.get((asset_id, "USD"))
        rate = self.rates.get(vs)
        if dollars is None or dollars.price is None or rate is None:
            return None
        return dollars._replace(
            vs=vs,
            price=dollars.price / rate.usd,
            half_width=None if dollars.half_width is None else dollars.half_width / rate.usd,
            change_24h_pct=None,
            volume_24h=None if dollars.volume_24h is None else dollars.volume_24h / rate.usd,
            as_of_ms=min(dollars.as_of_ms, rate.at_ms),
        )

    def replayed(
        self, asset_id: str, quotes: Sequence[SourceQuote], rates: Mapping[str, float], at_ms: int
    ) -> PricePoint | None:
        """The point of a stored price, decided again from what it was decided from: with the time and the providers that
        its row does not have. None where these quotes give none."""
        return self._point(self.decide(asset_id, quotes, rates, at_ms), {}, at_ms)

    def restore(self, points: Iterable[PricePoint], rates: Iterable[Rate]) -> None:
        """Take up the last stored prices and rates at start; they are served marked stale until renewed."""
        for point in points:
            self.last.setdefault((point.asset, point.vs), point)
        for rate in rates:
            self.rates.setdefault(rate.currency, rate)

    def follow(self, points: Iterable[PricePoint], rates: Iterable[Rate], at_ms: int) -> list[PricePoint]:
        """Take up what the process that collects had at `at_ms`; gives the points that are new here."""
        self.followed_ms = at_ms
        self.rates.update((rate.currency, rate) for rate in rates)
        moved = []
        for point in points:
            self.followed.add(point.asset)
            if self.last.get((point.asset, point.vs)) != point:
                self.last[(point.asset, point.vs)] = point
                moved.append(point)
        return moved

    def note_asked(self, asset_id: str) -> None:
        """Remember that someone asked, so that the price is collected and stored from now on."""
        self.asked[asset_id] = None
        self.asked.move_to_end(asset_id)
        while len(self.asked) > ASKED_LIMIT:
            self.asked.popitem(last=False)

    def observe(self, asset_ids: Iterable[str]) -> None:
        """Take these assets' quotes as evidence of what their venues' tickers mean (see `identity.observe`)."""
        for asset_id in asset_ids:
            identity.observe(self.board, self.resolver, self.judge(asset_id, BASE))

    def observe_withdrawn(self) -> None:
        """The same for tickers whose mapping is withdrawn: one whose price agrees again gets it back."""
        conflicts = {(c.provider, c.ticker): c.asset.id for c in self.resolver.conflicts()}
        rates = self.rates_into(BASE)
        now = self.clock.now_ms()
        for key, quote in list(self.board.aside.items()):
            asset_id = conflicts.get(key)
            if asset_id is None:
                del self.board.aside[key]
                continue
            price = identity.reference(self.judge(asset_id, BASE))
            rate = None if quote is None else rates.get(quote.quote)
            if quote is None or price is None or rate is None or now - quote.received_ms > self.ttl_s * 1000:
                continue
            self.resolver.evidence(*key, quote.price * rate / price)
            if self.resolver.venue_asset(*key) is not None:
                del self.board.aside[key]


def unknown_price(asset: Asset, tried: AllProvidersFailed | None) -> NoDataYet | AllProvidersFailed:
    """The error for an asset that is known and has no price at all."""
    if tried is not None:
        return tried
    return NoDataYet(
        f"No source has delivered a price of {asset.name} yet; try again in a minute.",
        details={"asset": asset.id},
        retry_after=30,
    )


__all__ = ["METHOD", "PricePoint", "Pricer", "UnknownSymbol", "unknown_price"]
