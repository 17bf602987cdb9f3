"""Discovery over HTTP: what everybody may read, and what an admin decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

from crypto_dt_source.api.schemas.discovery import (
    CandidateList,
    CandidatePage,
    ReportPage,
    StartedPage,
    StatusPage,
)
from crypto_dt_source.services import access, discovery_rule
from crypto_dt_source.services.discovery_rule import Point, Proof
from crypto_dt_source.services.discovery_state import (
    PROVEN,
    Candidate,
    Evidence,
    Proposal,
    Step,
    fields_of_table,
    id_of,
)
from crypto_dt_source.store.repos import discovery as repo
from crypto_dt_source.store.repos.discovery import CandidateRow

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "https://api.venue.example.org/tickers?all=1"
TABLE = {"symbol": "pair", "symbol_form": "BASE_QUOTE", "price": "last"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(tmp_path_factory.mktemp("discovery"), collected=False) as running:
        first = await access.first_key(running.rt.access)
        assert first is not None
        running.client.headers["X-API-Key"] = first
        yield running


async def candidate(api: Service, url: str, state: str) -> str:
    """A candidate in the database, by its id."""
    now = api.clock.now_ms()
    row = CandidateRow(now, now, id_of(url), url, "api", "Venue", state, "github_api", None, "")
    proof = Proof()
    proof.read([Point("bitcoin", 1.0, 1.001, 1.0)], now)
    evidence = Evidence(steps=[Step(url, "table", "1 of 1")], proof=proof)
    proposal = Proposal("venue_" + row.id[:6], "exchange", fields_of_table(url, "Venue", "github_api", TABLE))
    made = Candidate(row, evidence, proposal)
    made.move(state, now, ("because",))
    await repo.put(api.rt.store, [made.stored()])
    return row.id


async def post(api: Service, path: str, status: int = 200) -> Any:
    answer = await api.client.post(path)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/api/discovery/status", "/api/resources/discovery/status"])
async def test_the_state_is_told_under_both_names(api: Service, path: str) -> None:
    body = await api.data(path)
    StatusPage.model_validate(body, extra="forbid")
    assert (body["data"]["enabled"], body["data"]["directories"]) == (False, [])


@pytest.mark.parametrize("path", ["/api/discovery/run", "/api/resources/discovery/run"])
async def test_a_round_is_waited_for_or_goes_on_by_itself(api: Service, path: str) -> None:
    body = await post(api, path)
    StartedPage.model_validate(body, extra="forbid")
    assert (body["data"]["status"], body["data"]["run"]["cause"]) == ("done", "person")
    begun = await post(api, f"{path}?background=true", 202)
    assert begun["data"] == {"status": "running", "run": None}
    error_of(await api.client.post(path), 409, "conflict")
    task = api.rt.discovery.task
    assert task is not None
    await task
    await api.pass_time(2)
    assert (await api.data("/api/discovery/status"))["data"]["last_run"]["ended_at"] is not None


async def test_a_proven_candidate_is_admitted_and_taken_back(api: Service) -> None:
    name = await candidate(api, URL, PROVEN)
    body = await post(api, f"/api/discovery/candidates/{name}/approve")
    CandidatePage.model_validate(body, extra="forbid")
    provider = body["data"]["provider"]
    assert body["data"]["state"] == "admitted"
    assert body["data"]["proposal"]["tables"]["quotes"]["path"] == "/tickers?all=1"
    await api.pass_time(2)
    assert (await api.data(f"/api/providers/{provider}"))["data"]["kind"] == "venue"
    error_of(await api.client.post(f"/api/discovery/candidates/{name}/reject"), 409, "conflict")
    taken = await post(api, f"/api/discovery/candidates/{name}/take-back")
    assert taken["data"]["state"] == "taken_back"
    assert taken["data"]["notes"][-1]["by"]
    await api.pass_time(2)
    await api.error(f"/api/providers/{provider}", 404, "not_found")


async def test_what_is_not_proven_is_not_admitted_and_the_reasons_are_told(api: Service) -> None:
    name = await candidate(api, "https://other.example.net/", "shadow")
    body = error_of(await api.client.post(f"/api/discovery/candidates/{name}/approve"), 409, "conflict")
    assert body["details"] == {"state": "shadow", "reasons": ["because"]}
    assert (await post(api, f"/api/discovery/candidates/{name}/reject"))["data"]["state"] == "refused"


async def test_candidates_come_in_pages_by_state(api: Service) -> None:
    for n in range(3):
        await candidate(api, f"https://p{n}.example.net/", "failed")
    body = await api.data("/api/discovery/candidates?state=failed&size=2&page=2")
    CandidateList.model_validate(body, extra="forbid")
    assert (len(body["data"]), body["meta"]["total"], body["meta"]["page"]["previous"]) == (1, 3, 1)
    assert body["data"][0]["steps"][0]["outcome"] == "table"
    await api.error("/api/discovery/candidates?state=wrong", 422, "invalid_parameter")


async def test_the_report_has_the_rule_the_rounds_and_the_evidence(api: Service) -> None:
    await candidate(api, "https://trial.example.net/", "shadow")
    body = await api.data("/api/reports/discovery")
    ReportPage.model_validate(body, extra="forbid")
    assert body["data"]["rule"]["share_of_points"] == discovery_rule.SHARE
    [trial] = [row for row in body["data"]["on_trial"] if row["url"] == "https://trial.example.net/"]
    assert (trial["proof"]["points"], trial["proof"]["agreed"]) == (1, 1)


@pytest.mark.parametrize("act", ["approve", "reject", "take-back"])
async def test_only_an_admin_decides(api: Service, act: str) -> None:
    path = f"/api/discovery/candidates/{'0' * 16}/{act}"
    error_of(await api.client.post(path, headers={"X-API-Key": ""}), 401, "unauthenticated")
    error_of(await api.client.post(path), 404, "not_found")
    error_of(await api.client.post(path.replace("0" * 16, "x")), 422, "invalid_parameter")
