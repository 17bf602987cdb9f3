"""What docs/access.md and the README say of tiers, limits and settings is what the service does."""

from __future__ import annotations

import contextlib
import json
import re
from math import ceil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from blocks import ROOT, answer_of, differences
from example_runs import document

import harness
from crypto_dt_source.api.app import serve_app
from crypto_dt_source.cli.main import parser
from crypto_dt_source.security.tiers import NAMES, Tier
from crypto_dt_source.services import collect
from crypto_dt_source.settings import Settings
from crypto_dt_source.wiring_access import tier_of

PAGE = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [answer_of(text) for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)]


def published() -> list[Tier]:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    return [tier_of(settings, name) for name in NAMES]


def shown(tier: Tier) -> tuple[str, ...]:
    counts = (tier.per_day, tier.symbols, tier.history_days, tier.sockets, tier.subscriptions)
    amounts = [str(value) if value else "unlimited" for value in counts]
    return (f"{tier.rate.amount}/minute" if tier.rate else "unlimited", *amounts)


def test_the_tables_of_tiers_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    tiers = published()
    rows = re.findall(r"^\| [^|]+ \| (\S+) \| (\S+) \| (\S+) \| `FREE_TIER_\w+`", PAGE, re.M)
    assert [tuple(column) for column in zip(*rows, strict=True)] == [shown(tier) for tier in tiers]
    readme = {
        name: row
        for name, *row in re.findall(
            r"^\| (\w+) \| (\S+) \| (\S+) \| (\S+) \| (\S+)(?: days)? \|$", README, re.M
        )
    }
    assert [tuple(readme[tier.name]) for tier in tiers] == [shown(tier)[:4] for tier in tiers]


def test_every_setting_named_exists() -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)", PAGE))
    assert {"TRUSTED_PROXY_HOPS", "CORS_ORIGINS", "REDIS_URL", "FREE_TIER_LIMIT"} <= named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_every_route_named_exists() -> None:
    routes = {re.sub(r"\{\w+(:path)?\}", "{}", path) for path in document()["paths"]}
    named = {
        re.sub(r"\{\w+\}", "{}", path) for path in re.findall(r"`(?:[A-Z]+ )?(/api/[\w/{}-]+)[`?]", PAGE)
    }
    assert len(named) > 8
    assert named <= routes


@pytest.mark.parametrize("text", re.findall(r"^\$ (cdts .+)$", PAGE, re.M))
def test_every_command_shown_is_one(text: str) -> None:
    _, *words = text.split()
    assert parser().parse_args(words).command == "keys"


async def test_the_answers_shown_are_real(tmp_path: Path) -> None:
    cut, refused = BLOCKS
    limits = {
        "free_tier_limit": "30/minute",
        "free_tier_daily": 1000,
        "free_tier_symbols": 5,
        "free_tier_history_days": 7,
    }
    async with harness.running(tmp_path, mode="demo", **limits) as (rt, _, clock):
        await harness.drive(clock, collect.one_round(rt))
        # A sum of many small steps, 60 more and itself less need not be 60: what is shown is rounded up.
        clock._elapsed = float(ceil(clock._elapsed))
        app = serve_app(lambda: contextlib.nullcontext(rt), clock, timeout_s=20)
        app.app.state.runtime = rt  # type: ignore[attr-defined]
        transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
            [path] = re.findall(r"^\$ curl 'http://127\.0\.0\.1:7860(\S+)'", PAGE, re.M)
            first = await client.get(path)
            real: Any = first.json()
            assert first.headers["ratelimit-policy"] == re.findall(r"limits: `([^`]+)`", PAGE)[0]
            assert first.headers["ratelimit"] == re.findall(r"least left: `([^`]+)`", PAGE)[0]
            assert cut["errors"] == real["errors"][:1]
            assert cut["meta"]["tier_limit"] == real["meta"]["tier_limit"]
            assert cut["data"][0]["symbol"] == real["data"][0]["symbol"]
            history = (await client.get("/api/market/history?days=30")).json()["meta"]["tier_limit"]
            assert history == json.loads(re.findall(r'`(\{"limit": "history_days"[^`]+)`', PAGE)[0])
            for _ in range(28):
                assert (await client.get("/api/prices/BTC")).status_code == 200
            last = await client.get("/api/prices/BTC")
    assert last.status_code == 429
    assert last.headers["retry-after"] == "60"
    told = last.json()
    assert differences(refused, told) == []
    for name in ("error", "code", "details", "retry_after"):
        assert refused[name] == told[name]
