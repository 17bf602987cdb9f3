"""The gateway's face: one provider, a check, and many keys from many sources."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from gateway_rig import BOOK, OK, Rig, Step, open_breaker

from crypto_dt_source.gateway.health import FIRST_REST_S
from crypto_dt_source.gateway.source import Source
from crypto_dt_source.model import errors
from crypto_dt_source.model.answer import Record
from crypto_dt_source.model.ask import Ask, Capability, QuotesAsk
from crypto_dt_source.model.quote import Quote


async def test_a_switched_off_source_is_not_in_the_pool() -> None:
    rig = Rig("a", "b")
    rig.source("a").enabled = False
    assert await rig.book() == "b"
    with pytest.raises(errors.NotOffered):
        await rig.gateway.ask_one("a", BOOK)


async def test_nobody_to_ask_says_so() -> None:
    rig = Rig("a")
    with pytest.raises(errors.AllProvidersFailed, match="none is configured"):
        await rig.gateway.ask(Capability.BOOK, lambda source: None)


async def test_a_poll_is_the_probe_when_one_is_due_and_is_refused_before() -> None:
    rig = Rig("a")
    await open_breaker(rig, "a")
    with pytest.raises(errors.CircuitOpen):
        await rig.gateway.ask_one("a", BOOK, background=True)
    assert rig.transport.calls("a") == 0
    await rig.clock.advance(FIRST_REST_S)
    await rig.finish(rig.gateway.ask_one("a", BOOK, background=True))
    assert rig.source("a").breaker.state == "closed"


async def test_a_poll_waits_out_a_short_cool_down() -> None:
    rig = Rig("a")
    rig.script("a", Step(status=429, headers={"retry-after": "20"}), OK)
    with pytest.raises(errors.UpstreamRateLimited):
        await rig.finish(rig.gateway.ask_one("a", BOOK, background=True))
    await rig.finish(rig.gateway.ask_one("a", BOOK, background=True))
    assert rig.transport.sent[1][0] >= 20.0
    with pytest.raises(errors.NotFound):
        await rig.gateway.ask_one("nobody", BOOK)


async def test_a_check_passes_an_open_breaker() -> None:
    rig = Rig("a")
    await open_breaker(rig, "a")
    assert await rig.finish(rig.gateway.probe("a", BOOK)) is None
    assert rig.source("a").breaker.state == "closed"
    rig.script("a", Step(status=500))
    assert await rig.finish(rig.gateway.probe("a", BOOK)) == "upstream_server_error"


def _ids(source: Source, *, missing: frozenset[Hashable]) -> Ask | None:
    return QuotesAsk(ids=tuple(sorted(map(str, missing))))


def _base(record: Record) -> str | None:
    return record.base if isinstance(record, Quote) else None


async def test_the_next_source_is_asked_only_for_what_is_missing() -> None:
    rig = Rig("a", "b", "c", "d")
    rig.script("a", Step(b"BTC,ETH"))
    rig.script("b", Step(status=500))
    rig.script("c", Step(b"ETH,SOL,XRP"))
    asked: dict[str, list[str]] = {}

    def ask_for(source: Source, *, missing: frozenset[Hashable]) -> Ask | None:
        asked[source.entry.id] = sorted(map(str, missing))
        return _ids(source, missing=missing)

    wanted = ["BTC", "ETH", "SOL", "XRP"]
    found, answers = await rig.finish(rig.gateway.gather_missing(Capability.QUOTES, wanted, ask_for, _base))
    assert set(found) == set(wanted)
    assert found["ETH"].provider == "a"  # type: ignore[union-attr]
    assert asked["c"] == ["SOL", "XRP"]
    assert [a.provider for a in answers] == ["a", "c"]
    assert rig.transport.calls("d") == 0


async def test_what_nobody_has_is_absent_and_the_rest_is_found() -> None:
    rig = Rig("a", "b")
    rig.script("a", Step(b"BTC"))
    rig.script("b", Step(status=500))
    found, _ = await rig.finish(rig.gateway.gather_missing(Capability.QUOTES, ["BTC", "NOPE"], _ids, _base))
    assert set(found) == {"BTC"}
    with pytest.raises(errors.AllProvidersFailed):
        await rig.finish(rig.gateway.gather_missing(Capability.QUOTES, ["NOPE"], _ids, _base))


async def test_an_answer_without_a_match_is_not_a_failure() -> None:
    rig = Rig("a", "b")
    rig.script("a", Step(b"OTHER"))

    def ask_for(source: Source, *, missing: frozenset[Hashable]) -> Ask | None:
        return _ids(source, missing=missing) if source.entry.id == "a" else None

    found, answers = await rig.finish(
        rig.gateway.gather_missing(Capability.QUOTES, ["X", "Y"], ask_for, _base)
    )
    assert (found, [a.provider for a in answers]) == ({}, ["a"])
