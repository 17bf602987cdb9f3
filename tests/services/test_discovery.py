"""Discovery as a service: rounds, trials, admissions and what takes them back; everything on record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from candidate_web import TABLE, Desk, looking

from crypto_dt_source.model.errors import Conflict, NotFound
from crypto_dt_source.providers.directories import MAX_LEADS, Lead
from crypto_dt_source.providers.entry_fields import ID_PATTERN
from crypto_dt_source.services import catalogue, discovery
from crypto_dt_source.services import discovery_rule as rule
from crypto_dt_source.services.discovery_find import _tickers
from crypto_dt_source.services.discovery_state import (
    NOTES,
    Candidate,
    Evidence,
    candidate_of,
    entry_id,
    id_of,
    site_of,
)
from crypto_dt_source.store.repos import discovery as repo
from crypto_dt_source.store.repos.discovery import CandidateRow

SITE = "https://prices.example.org/"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with looking(tmp_path) as made:
        yield made


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Desk]:
    """The same without prices."""
    async with looking(tmp_path, priced=False) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that a few readings satisfy."""
    for name, value in {"MIN_MS": 1_800_000, "MIN_READINGS": 4, "MIN_POINTS": 20, "MIN_MOVES": 2}.items():
        monkeypatch.setattr(rule, name, value)
    monkeypatch.setattr(rule, "MOVED_ASSETS", 1)


async def test_a_candidate_goes_from_a_directory_to_a_trial(desk: Desk) -> None:
    desk.web.said[TABLE] = desk.prices
    run = await desk.round(TABLE)
    assert (run.found, run.probed, run.shadowed, run.refused, run.cause) == (1, 1, 1, 0, "person")
    row = await desk.of(TABLE)
    assert (row["state"], row["kind"], row["found_by"], row["url"]) == ("shadow", "table", "paper", TABLE)
    assert row["proposal"]["tables"]["quotes"] == {
        **{
            "path": "/v1/tickers",
            "rows": "data",
            "symbol": "pair",
            "symbol_form": "BASE_QUOTE",
            "price": "last",
        },
    }
    assert row["steps"] == [
        {"url": TABLE, "outcome": "table", "detail": "12 of 12 prices agree with the consensus"}
    ]
    assert [note["what"] for note in row["notes"]] == ["found", "probed", "shadow"]
    await desk.trial(2)
    row = await desk.of(TABLE)
    assert (row["proof"]["points"], row["proof"]["agreed"]) == (24, 24)
    provider = row["provider"]
    assert provider not in desk.rt.entries
    assert provider not in desk.rt.gateway.sources
    held = [held for asset in desk.rt.board.assets() for held in desk.rt.board.of(asset)]
    assert held
    assert provider not in {one.quote.provider for one in held}, "a trial enters no price"


async def test_only_what_is_proven_now_is_admitted_and_one_call_takes_it_back(
    desk: Desk, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TABLE.replace("prices.", "more.")
    monkeypatch.setitem(discovery.BY_ITSELF_AT_MOST, "exchange", 0)
    desk.rt.discovery.auto_admit = True
    desk.web.said.update({TABLE: desk.prices, other: desk.prices})
    await desk.round(TABLE, other)
    await desk.trial(6)
    row, twin = await desk.of(TABLE), await desk.of(other)
    name, provider = row["id"], row["provider"]
    assert (row["state"], twin["state"]) == ("proven", "proven")
    assert row["reasons"] == ["0 are in use already; an admin may admit more"], "few without an admin"
    await desk.clock.advance(7200)
    with pytest.raises(Conflict, match="lately"):
        await discovery.approve(desk.rt, name, "key_1")
    await desk.trial(1)
    admitted = await discovery.approve(desk.rt, name, "key_1")
    assert (admitted["state"], admitted["notes"][-1]["by"]) == ("admitted", "key_1")
    assert desk.rt.added[provider].origin == "discovery"
    with pytest.raises(Conflict, match="site"):
        await discovery.approve(desk.rt, twin["id"], "key_1")
    with pytest.raises(Conflict):
        await discovery.reject(desk.rt, name, "key_1")
    taken = await discovery.take_back(desk.rt, name, "key_2")
    assert (taken["state"], taken["notes"][-1]["by"]) == ("taken_back", "key_2")
    assert provider not in desk.rt.entries
    assert provider not in desk.rt.gateway.sources
    for act in (discovery.take_back, discovery.approve):
        with pytest.raises(Conflict):
            await act(desk.rt, name, "key_2")
    desk.web.said[other] = lambda: desk.prices(1.02)
    await desk.trial(1)
    with pytest.raises(Conflict, match="shadow"):
        await discovery.approve(desk.rt, twin["id"], "key_1")


async def test_pages_and_readmes_lead_to_prices(desk: Desk) -> None:
    readme, other = "https://raw.githubusercontent.com/a/b/HEAD/README.md", "https://b.example.net/ticker"
    page = f"<html><body>See {TABLE} and https://other.example.com/tickers</body></html>"
    desk.web.said |= {SITE: page.encode(), TABLE: desk.prices, other: desk.prices}
    desk.web.said[readme] = f"# A client\n\n    curl {other}\n\nsee https://x.example.net/terms\n".encode()
    now = desk.clock.now_ms()
    row = CandidateRow(now, now, id_of(readme), readme, "readme", "a/b", "found", "github_api", None, "{}")
    await repo.add(desk.rt.store, [row])
    await desk.round(SITE)
    named, told = await desk.of(SITE), await desk.of(readme)
    assert [step["outcome"] for step in named["steps"]] == ["html", "table"]
    assert [step["outcome"] for step in told["steps"]] == ["readme", "table"]
    assert told["proposal"]["base_url"] == "https://b.example.net"
    # Another site's address is not asked on a page's word, on a README's it is.
    assert desk.web.asked == {SITE: 1, TABLE: 1, readme: 1, other: 1}


async def test_rounds_never_overlap_here_or_elsewhere(bare: Desk) -> None:
    bare.paper.urls = [
        "https://api.binance.com/api/v3/ticker/24hr",
        "https://www.coindesk.com/arc/outboundfeeds/rss",
    ]
    assert await discovery.run(bare.rt, "person", wait_s=0) is None
    with pytest.raises(Conflict):
        await discovery.run(bare.rt, "person", wait_s=0)
    assert await discovery.job(bare.rt) == 0
    assert (await discovery.status(bare.rt))["running"]
    task = bare.rt.discovery.task
    assert task is not None
    assert (await task).found == 0, "what the catalogue has is no candidate"
    assert bare.paper.asked == 1
    assert not (await discovery.status(bare.rt))["running"]
    await bare.clock.advance(60)
    await repo.begin(bare.rt.store, bare.clock.now_ms(), "timetable")
    with pytest.raises(Conflict):
        await bare.round(TABLE)
    await bare.clock.advance(discovery.LONGEST_S + 1)
    assert await bare.round(TABLE) is not None


async def test_a_directory_costs_itself_alone_and_names_a_bounded_number(bare: Desk) -> None:
    bare.paper.status, bare.rt.discovery.feed_sites = 503, True
    run = await bare.round(TABLE)
    places = discovery.run_view(run)["places"]
    assert places["paper"] == {"leads": 0, "error": "upstream_rejected: status 503"}
    assert 0 < places["feed_sites"]["leads"] == run.found
    bare.paper.status, bare.rt.discovery.feed_sites = 200, False
    urls = [f"https://h{n}.example{n}.org/" for n in range(200)]
    bare.web.said.update(dict.fromkeys(urls, 404))
    await bare.clock.advance(60)
    many = await bare.round(*urls)
    assert many.refused == many.found == MAX_LEADS


async def test_an_admission_outlives_a_restart_and_so_does_its_end(tmp_path: Path, short: None) -> None:
    async with looking(tmp_path, auto_admit=True) as first:
        first.web.said[TABLE] = first.prices
        await first.round(TABLE)
        await first.trial(6)
        row = await first.of(TABLE)
        assert (row["state"], row["notes"][-1]["by"]) == ("admitted", "discovery")
    async with looking(tmp_path, priced=False) as second:
        assert row["provider"] in second.rt.entries
        await catalogue.remove_entry(second.rt, row["provider"])
        taken = await discovery.take_back(second.rt, row["id"], "key_1")
        assert taken["state"] == "taken_back", "also after it was deleted elsewhere"
    async with looking(tmp_path, priced=False) as third:
        assert row["provider"] not in third.rt.entries


async def test_nothing_is_held_against_a_candidate_while_the_service_has_no_prices(desk: Desk) -> None:
    desk.web.said[TABLE] = desk.prices
    await desk.round(TABLE)
    await desk.clock.advance(3600)
    asked = desk.web.asked[TABLE]
    assert await discovery.shadow(desk.rt) == 0
    assert desk.web.asked[TABLE] == asked
    assert (await desk.of(TABLE))["proof"]["readings"] == 0


async def test_who_does_not_answer_is_asked_again_and_then_refused(bare: Desk) -> None:
    for states in ("failed", "failed", "refused"):
        await bare.round(TABLE)
        assert (await bare.of(TABLE))["state"] == states
        await bare.round(TABLE)
        assert (await bare.of(TABLE))["state"] == states, "not before its time"
        await bare.clock.advance(7 * 3600)
    assert bare.web.asked[TABLE] == 3
    row = await bare.of(TABLE)
    assert row["steps"][0]["outcome"] == "upstream_unreachable"


WRONG: dict[str, tuple[bytes | int, str]] = {
    "page": (b"<html><body>For sale</body></html>", "html"),
    "error": (b'{"error": "no"}', "json"),
    "deep": (b"[" * 100_000, "payload_changed"),
    "picture": (b"\x89PNG", "unreadable"),
    "missing": (404, "upstream_rejected"),
}


async def test_what_is_no_source_is_refused_with_the_reason(bare: Desk) -> None:
    for name, (said, _) in WRONG.items():
        bare.web.said[f"https://{name}.example{name}.org/"] = said
    await bare.round(*bare.web.said, "https://127.0.0.1/tickers", "https://0x7f.1/")
    rows, total = await discovery.listed(bare.rt, "refused", 10, 0)
    assert total == len(WRONG) + 2
    reasons = {row["url"]: row["reasons"][0].split(":")[0] for row in rows}
    expected = {f"https://{name}.example{name}.org/": reason for name, (_, reason) in WRONG.items()}
    private = dict.fromkeys(("https://127.0.0.1/tickers", "https://0x7f.1/"), "address_refused")
    assert reasons == {**expected, **private}
    assert all(row["proposal"] is None and row["proof"] is None for row in rows)
    assert not [url for url in bare.web.asked if "127" in url or "0x7f" in url]
    assert sum(bare.web.asked.values()) <= 4 * len(WRONG)


async def test_an_admin_may_refuse_and_it_stays_so(desk: Desk) -> None:
    desk.web.said[TABLE] = desk.prices
    await desk.round(TABLE)
    name = (await desk.of(TABLE))["id"]
    for act in (discovery.approve, discovery.reject, discovery.take_back):
        with pytest.raises(NotFound):
            await act(desk.rt, "0" * 16, "key_1")
    refused = await discovery.reject(desk.rt, name, "key_1")
    assert (refused["state"], refused["reasons"]) == ("refused", ["an admin refused it"])
    await desk.round(TABLE)
    assert (await desk.of(TABLE))["state"] == "refused"
    report = await discovery.report(desk.rt)
    assert [row["id"] for row in report["refused"]] == [name]
    assert len(report["runs"]) == 2


def test_a_record_is_bounded() -> None:
    candidate = Candidate(
        CandidateRow(0, 0, "1", TABLE, "api", "x", "found", "paper", None, ""), Evidence(), None
    )
    for n in range(5 * NOTES):
        candidate.note(n, "x", "y" * 1000)
    notes = candidate.evidence.notes
    assert (len(notes), notes[0].at_ms, notes[-1].at_ms) == (NOTES, 0, 5 * NOTES - 1)
    assert candidate_of(candidate.stored()) == Candidate(candidate.stored(), candidate.evidence, None)
    unreadable = candidate.stored()._replace(evidence='{"notes": 5}')
    assert candidate_of(unreadable) == Candidate(unreadable, Evidence(), None)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://api.x.example.com/a", "example.com"),
        ("https://a.github.io/", "a.github.io"),
        ("https://api.venue.co.uk/", "venue.co.uk"),
        ("https://x.org:8443/", "x.org"),
        ("https://99coins.example.org/", "example.org"),
        (f"https://{'a' * 60}.example.org/", "example.org"),
    ],
    ids=["com", "pages", "country", "port", "digit first", "long"],
)
def test_sites_are_told_apart_and_ids_can_be_admitted(url: str, site: str) -> None:
    assert site_of(url) == site
    made = entry_id(url, id_of(url))
    assert re.fullmatch(ID_PATTERN, made)
    assert made.endswith(f"_{id_of(url)[:6]}")


async def test_a_body_that_nobody_foresaw_costs_itself_alone(bare: Desk) -> None:
    def stumbles(body: bytes, url: str) -> list[Lead]:
        return [Lead(str(int(body)), "api", "")]

    places = bare.rt.discovery.directories
    bad = replace(places[0], id="bad", read=stumbles)
    bare.rt.discovery.directories = [bad, *places]
    run = await bare.round(TABLE)
    assert run.found == 1
    told = discovery.run_view(run)["places"]
    assert told["bad"] == {"leads": 0, "error": "payload_changed: the body cannot be read: ValueError"}


def test_an_exchange_of_the_library_leads_to_its_tickers_or_its_page() -> None:
    told = {
        "urls": {"api": {"public": "https://api.{hostname}/v1"}, "www": "https://x.example.org"},
        "hostname": "x.example.org",
        "api": {"public": {"get": ["ticker/{id}", "tickers/all", "tickers"]}},
    }
    assert [lead.url for lead in _tickers("x", told)] == ["https://api.x.example.org/v1/tickers"]
    assert [lead.kind for lead in _tickers("x", {**told, "api": {}})] == ["page"]
    assert list(_tickers("x", {})) == []
