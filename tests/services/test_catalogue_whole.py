"""Every source of the catalogue, called through the gateway of a running service, at the simulator."""

from __future__ import annotations

from pathlib import Path

import harness
from crypto_dt_source.cli.simulate import ANY_KEY
from crypto_dt_source.providers import catalog
from crypto_dt_source.services.providers import probe_ask
from crypto_dt_source.services.resources import counts

IN_USE = [entry for entry in catalog.load().values() if entry.status in ("live", "keyed")]


async def test_more_than_two_hundred_sources_answer_through_the_gateway(tmp_path: Path) -> None:
    keys = {entry.auth.env.lower(): ANY_KEY for entry in IN_USE if entry.auth}
    async with harness.running(tmp_path, **keys) as (rt, sim, clock):
        # Those of the exchange library have tests of their own, and are slow to begin.
        names = sorted(entry.id for entry in IN_USE if not entry.library_id)
        assert set(names) <= set(rt.gateway.sources)
        failed = {}
        for name in names:
            ask = probe_ask(rt.gateway.source(name).entry)
            failure = await harness.drive(clock, rt.gateway.probe(name, ask))
            # Two of one operator share its limits.
            await clock.advance(1)
            if failure is not None:
                failed[name] = failure
        assert failed == {}
        assert sim.log.unknown == 0
        assert len(names) >= 200


def test_sources_are_counted_by_category() -> None:
    found = counts(catalog.load().values())
    assert sum(found.values()) == len(IN_USE) >= 250
    assert list(found) == sorted(found)
    assert {"explorer", "onchain", "rpc", "news", "derivatives"} <= set(found)


def test_every_source_in_use_names_its_terms_and_limits() -> None:
    assert [entry.id for entry in IN_USE if not entry.docs.startswith("https://") or not entry.limits] == []
