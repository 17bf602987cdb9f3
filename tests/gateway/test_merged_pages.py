"""One record that takes several pages: the pages are read, then made into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import PAGES, Rig, Step, toy

from crypto_dt_source.gateway.source import Terms
from crypto_dt_source.model.ask import Capability, InstrumentsAsk
from crypto_dt_source.model.asset import Instrument
from crypto_dt_source.model.errors import PayloadChanged, UpstreamBroken
from crypto_dt_source.providers.kit import Adapter, Reply

TERMS = Terms(timeout_s=8.0)


def joined(replies: Sequence[Reply], ask: InstrumentsAsk) -> list[Instrument]:
    name = "-".join(reply.body.decode() for reply in replies)
    return [Instrument(replies[0].provider, name, name.upper(), "USD", True)]


def merging(merge: Callable[[Sequence[Reply], Any], Any]) -> Rig:
    """A source `a` whose list of instruments is made of all its pages."""
    rig, plain = Rig("a"), toy()
    endpoints = {**plain.endpoints}
    endpoints[Capability.INSTRUMENTS] = replace(endpoints[Capability.INSTRUMENTS], merge=merge)
    rig.source("a").adapter = Adapter(plain.name, endpoints, plain.explain)
    return rig


async def fetched(rig: Rig) -> Any:
    return await rig.finish(rig.source("a").fetch(InstrumentsAsk(), TERMS))


async def test_all_pages_make_one_record() -> None:
    rig = merging(joined)
    rig.script("a", Step(b"one"), Step(b"two"), Step(b"last", delay_s=0.5))
    begun = rig.clock.now_ms()
    answer = await fetched(rig)
    assert [record.symbol for record in answer.records] == ["one-two-last"]
    assert answer.received_ms == begun + 504
    assert rig.transport.calls("a") == 3


async def test_pages_that_were_cut_off_are_left_out() -> None:
    rig = merging(joined)
    rig.script("a", Step(b"more"))
    assert [record.symbol for record in (await fetched(rig)).records] == ["-".join(["more"] * PAGES)]


async def test_a_page_that_fails_fails_the_whole() -> None:
    rig = merging(joined)
    rig.script("a", Step(b"one"), Step(status=500))
    with pytest.raises(UpstreamBroken):
        await fetched(rig)
    rig.script("a", Step(b"one"), Step(b"truncated"))
    with pytest.raises(PayloadChanged):
        await fetched(rig)


async def test_what_is_merged_is_checked_like_a_page() -> None:
    def outside(replies: Sequence[Reply], ask: InstrumentsAsk) -> list[Instrument]:
        return [Instrument("a", "x", "lower case", "USD", True)]

    rig = merging(outside)
    rig.script("a", Step(b"last"))
    with pytest.raises(PayloadChanged, match="no record is in normal form"):
        await fetched(rig)


async def test_a_bug_in_merging_is_the_sources_failure() -> None:
    def wrong(replies: Sequence[Reply], ask: InstrumentsAsk) -> list[Instrument]:
        raise ZeroDivisionError("no time has passed")

    rig = merging(wrong)
    rig.script("a", Step(b"last"))
    with pytest.raises(PayloadChanged, match="ZeroDivisionError"):
        await fetched(rig)
