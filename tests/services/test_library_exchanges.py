"""The exchanges of the exchange library in the service: asked when named or when the usual venues fail, never by themselves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import harness
from crypto_dt_source.gateway import Gateway
from crypto_dt_source.jobs.timetable import polls
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.model.errors import UnknownSymbol
from crypto_dt_source.providers import catalog, exchange_calls
from crypto_dt_source.providers.catalog import pollable
from crypto_dt_source.services import books, provider_health, providers
from crypto_dt_source.services.exchanges import REACH, collected, out_of_reach
from crypto_dt_source.services.runtime import Runtime

LIBRARY = {entry.id for entry in catalog.load().values() if entry.library_id}
OFFERING = {name for name in LIBRARY if Capability.BOOK in catalog.load()[name].offers}


def bitcoin(rt: Runtime) -> Asset:
    return rt.resolver.resolve("BTC").asset


async def test_books_of_a_named_exchange_and_of_one_that_stands_in(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        named = await harness.drive(
            clock, books.order_book(rt, bitcoin(rt), "JPY", depth=5, provider="coincheck")
        )
        assert named.value.provider == "coincheck"
        assert named.value.bids[0].price < named.value.asks[0].price
        # Nobody else sells for yen.
        found = await harness.drive(clock, books.order_book(rt, bitcoin(rt), "JPY", depth=5, provider=None))
        assert found.value.provider in LIBRARY
        with pytest.raises(UnknownSymbol):
            await harness.drive(
                clock, books.order_book(rt, bitcoin(rt), "CHF", depth=5, provider="coincheck")
            )


async def test_only_named_exchanges_are_collected(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        assert not {job.id.removeprefix("quotes:") for job in polls(rt)} & LIBRARY
        rt.limits = dataclasses.replace(rt.limits, exchanges_polled=frozenset({"bitvavo"}))
        (job,) = (job for job in polls(rt) if job.id.removeprefix("quotes:") in LIBRARY)
        assert job.id == "quotes:bitvavo"
        assert await harness.drive(clock, job.run(rt)) > 50
        assert rt.board.pairs("bitvavo", "bitcoin")
        rt.limits = dataclasses.replace(rt.limits, exchanges_polled=frozenset({"all"}))
        every = {entry.id for entry in rt.entries.values() if entry.library_id and pollable(entry)}
        assert {job.id.removeprefix("quotes:") for job in polls(rt)} & LIBRARY == every


async def test_what_is_not_collected_is_not_probed_either(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        assert not any(collected(rt, rt.entries[name]) for name in LIBRARY)
        assert collected(rt, rt.entries["kraken"])
        await harness.drive(clock, provider_health.probe(rt))
        assert not any(rt.gateway.sources[name].health.calls for name in LIBRARY)
        assert rt.gateway.sources["kraken"].health.calls == 1


async def test_a_few_of_the_right_currency_are_in_reach(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        for quote in ("USDT", "JPY", None):
            near = OFFERING - out_of_reach(rt, Capability.BOOK, quote, None)
            assert 0 < len(near) <= REACH
            assert all(quote is None or quote in rt.entries[name].quotes_in for name in near)
        assert OFFERING - out_of_reach(rt, Capability.BOOK, "XYZ", None) == set()
        assert out_of_reach(rt, Capability.BOOK, "XYZ", "bitget") == frozenset()


async def test_without_the_extra_they_are_shown_as_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_calls, "installed", lambda: False)
    async with harness.running(tmp_path) as (rt, _, _):
        assert isinstance(rt.gateway, Gateway)
        assert not LIBRARY & set(rt.gateway.sources)
        row = providers.one(rt, "bitget")
        assert (row["state"], row["reason"]) == ("off", "needs the extra [exchanges]")
        assert providers.one(rt, "kraken")["state"] == "idle"
