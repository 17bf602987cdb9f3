"""Everything fetched is kept: from records to rows, in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar

from ..model.ask import Capability
from ..model.asset import Asset, AssetListing
from ..model.market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, TrendingCoin
from ..pricing.rates import BASE
from ..store import MarketRow, PriceRow, QuoteRow, RateRow, StoreError
from ..store.cache import Loaded
from ..store.repos import assets as asset_repo
from ..store.repos import coins as coin_repo
from ..store.repos import market as market_repo
from ..store.repos import prices as price_repo
from .runtime import Runtime

T = TypeVar("T")
YIELD_EVERY = 20
"""Assets decided before the loop gets a turn: about two milliseconds."""


@contextmanager
def best_effort() -> Iterator[None]:
    """Around writes of what is about to be answered: a store that refuses does not cost the answer. The store logs it,
    health shows it."""
    with suppress(StoreError):
        yield


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do a write whose rows are put back where it fails. A caller that is cancelled waits for it first: rows whose commit
    nobody waited for would be lost, or put back and stored a second time. Raises what `work` does."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise


class _Listed(Protocol):
    @property
    def native_id(self) -> str: ...
    @property
    def ticker(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def rank(self) -> int | None: ...


def listings_of(family: str, rows: Iterable[_Listed]) -> list[AssetListing]:
    """Rows of a market list or a search as listings, for the resolver."""
    return [AssetListing(family, r.native_id, r.ticker, r.name, r.rank, True) for r in rows]


async def market_snapshot(rt: Runtime, figures: GlobalMarket) -> None:
    """The global figures with our prices of bitcoin and ether beside them; a stale price is not one of that moment, and
    left out."""
    btc, eth = rt.pricer.point("bitcoin"), rt.pricer.point("ethereum")
    row = MarketRow(
        figures.received_ms,
        figures.provider,
        btc.price if btc and not btc.stale else None,
        eth.price if eth and not eth.stale else None,
        figures.market_cap,
        figures.volume_24h,
        figures.btc_dominance_pct,
        figures.eth_dominance_pct,
        figures.active_coins,
        figures.market_cap_change_24h_pct,
    )
    await market_repo.write(rt.store, [row])


async def coins(rt: Runtime, rows: Sequence[CoinMarket]) -> None:
    """A page of a market list, and the assets it named."""
    if not rows:
        return
    await coin_repo.write_markets(rt.store, rows)
    known = [rt.resolver.native(rt.gateway.source(r.provider).entry.source, r.native_id) for r in rows]
    await assets(rt, [a for a in known if a is not None])


async def assets(rt: Runtime, known: Iterable[Asset]) -> None:
    """Assets as the registry has them now, so that a restart still knows them."""
    unique = list({a.id: a for a in known}.values())
    if unique:
        await asset_repo.put(rt.store, unique)


async def categories(rt: Runtime, rows: Sequence[Category], at_ms: int) -> None:
    """A list of themes as it was at `at_ms`."""
    await coin_repo.write_categories(rt.store, rows, at_ms)


async def exchanges(rt: Runtime, rows: Sequence[ExchangeInfo], at_ms: int) -> None:
    """A list of exchanges as it was at `at_ms`."""
    await coin_repo.write_exchanges(rt.store, rows, at_ms)


async def coin_detail(rt: Runtime, detail: CoinDetail, at_ms: int) -> None:
    """One coin's page as it was at `at_ms`."""
    await coin_repo.write_detail(rt.store, detail, at_ms)


async def trending(rt: Runtime, rows: Sequence[TrendingCoin], at_ms: int) -> None:
    """What people looked up at `at_ms`; nothing for an empty list."""
    if rows:
        await market_repo.write_trending(rt.store, at_ms, rows)


async def consensus_prices(rt: Runtime, asset_ids: Iterable[str]) -> int:
    """Decide and store the dollar price of each asset that has quotes, all at one instant and with one set of rates,
    together with the quotes and rates behind them. Gives the number of rows; what had no data is not a row."""
    rt.pricer.refresh_rates()
    at_ms = rt.clock.now_ms()
    rates = dict(rt.pricer.rates_into("USD"))
    prices: list[PriceRow] = []
    quotes: list[QuoteRow] = []
    for done, asset_id in enumerate(asset_ids):
        if done % YIELD_EVERY == 0:
            await rt.clock.sleep(0)
        if asset_id in rt.board.unproven:
            # Lets quotes count whose price agrees by now.
            rt.pricer.judge(asset_id, BASE)
        behind = rt.board.source_quotes(asset_id)
        result = rt.pricer.decide(asset_id, behind, rates, at_ms)
        rt.tally.note(result, at_ms)
        if result.status == "no_data":
            continue
        prices.append(
            PriceRow(
                asset_id,
                at_ms,
                result.price,
                result.half_width,
                result.sources,
                result.dispersion_pct,
                result.status,
                result.method,
            )
        )
        quotes.extend(QuoteRow(asset_id, at_ms, *quote) for quote in behind)
    if prices:
        kept = [RateRow(at_ms, currency, usd) for currency, usd in rates.items()]
        await price_repo.write_prices(rt.store, prices, quotes, kept)
    return len(prices)


async def kept_coin_detail(rt: Runtime, asset: Asset) -> Loaded[CoinDetail] | None:
    """The newest stored page of a coin, or None. Pages are many: each is read when it is asked for."""
    best: Loaded[CoinDetail] | None = None
    for source in rt.gateway.offering(Capability.COIN):
        native = rt.resolver.native_id(asset.id, source.entry.source)
        kept = None
        if native is not None:
            with best_effort():
                kept = await coin_repo.detail(rt.store, source.entry.id, native)
        if kept is not None and (best is None or kept.timestamp > best.fetched_ms):
            best = Loaded(kept.detail, kept.timestamp, (source.entry.id,))
    return best
