"""The routes of diagnoses."""

from __future__ import annotations

from pathlib import Path

from in_process import error_of, service

from crypto_dt_source.api.schemas.diagnostics import EXAMPLE, Diagnosis

ADMIN = "the-operator's-own-key-51c"
HEADERS = {"X-API-Key": ADMIN}


async def test_an_admin_examines_mends_and_reads_it_again(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False, cdts_admin_key=ADMIN) as api:
        for method, path in (
            ("POST", "/api/diagnostics/run"),
            ("GET", "/api/diagnostics/last"),
            ("GET", "/api/reports/models"),
        ):
            assert (await api.client.request(method, path)).status_code == 401
        nothing = await api.client.get("/api/diagnostics/last", headers=HEADERS)
        error_of(nothing, 503, "no_data_yet")

        await api.rt.store.tend("DROP INDEX ix_news_heads")
        path = "/api/diagnostics/run?auto_fix=true&dry_run=true&thorough=true"
        planned = (await api.client.post(path, headers=HEADERS)).json()
        Diagnosis.model_validate(planned)
        assert planned["total_checks"] == len(planned["checks"]) > 20
        (issue,) = [row for row in planned["issues"] if row["id"] == "database.index_missing"]
        assert (issue["subject"], issue["severity"], issue["fixable"]) == ("ix_news_heads", "error", True)
        assert planned["fixes_applied"][0]["outcome"] == "planned"

        answer = await api.client.post("/api/diagnostics/run?auto_fix=true", headers=HEADERS)
        assert answer.headers["cache-control"] == "no-store"
        mended = answer.json()
        # What the documents show is what is answered here, but for the rest of the checks and the times.
        assert mended.keys() == EXAMPLE.keys()
        assert EXAMPLE["issues"][0] in mended["issues"]
        assert mended["fixes_applied"] == EXAMPLE["fixes_applied"]
        assert [(row["issue"], row["outcome"]) for row in mended["fixes_applied"]] == [
            ("database.index_missing", "fixed")
        ]
        assert mended["issues_left"] == mended["issues_found"] - 1
        audit = (await api.client.get("/api/auth/audit", headers=HEADERS)).json()["data"]
        assert "diagnostics fix database.index_missing" in {row["action"] for row in audit}

        last = (await api.client.get("/api/diagnostics/last", headers=HEADERS)).json()
        assert {**last, "meta": None} == {**mended, "meta": None}

        report = (await api.client.get("/api/reports/models", headers=HEADERS)).json()
        Diagnosis.model_validate(report)
        assert (report["total_checks"], report["issues_found"]) == (2, 0)
        assert (
            await api.client.post("/api/diagnostics/run?auto_fix=often", headers=HEADERS)
        ).status_code == 422
