"""The README's commands and answers: every path is asked of the real application over the simulator, and its answer has the
keys that the README shows."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.api.app import serve_app
from crypto_dt_source.cli.get import call
from crypto_dt_source.cli.main import parser
from crypto_dt_source.services import collect, news
from crypto_dt_source.settings import BASE_URL_PREFIX

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^```console\n\$ curl 'http://127\.0\.0\.1:7860(\S+)'\n```\n\n```json\n(.*?)^```$", README, re.M | re.S
)


def answer_of(text: str) -> Any:
    """An answer as shown; an ellipsis stands for more of the list it is in."""
    return json.loads(re.sub(r",\s*…|…", "", text))


def differences(shown: Any, real: Any, where: str = "$") -> list[str]:
    """Where the real answer has other keys or another type than the one shown; null fits everything."""
    if shown is None or real is None:
        return []
    if isinstance(shown, dict) and isinstance(real, dict):
        keys = shown.keys() ^ real.keys()
        both = shown.keys() & real.keys()
        return [f"{where}: {sorted(keys)}"] * bool(keys) + [
            line for key in sorted(both) for line in differences(shown[key], real[key], f"{where}.{key}")
        ]
    if isinstance(shown, list) and isinstance(real, list):
        if bool(shown) != bool(real):
            return [f"{where}: one is empty"]
        return [line for one in shown for line in differences(one, real[0], f"{where}[]")]
    numbers = (int, float)
    alike = isinstance(real, numbers) if isinstance(shown, numbers) else type(shown) is type(real)
    return [] if alike else [f"{where}: {type(shown).__name__} is {type(real).__name__}"]


def test_the_comparison_sees_what_differs() -> None:
    assert differences({"a": [1], "b": None}, {"a": [2.5], "b": "x"}) == []
    assert differences({"a": [{"b": 1}]}, {"a": [{"c": 1}]}) == ["$.a[]: ['b', 'c']"]
    assert differences({"a": "1"}, {"a": 1}) == ["$.a: str is int"]
    assert differences([1], []) == ["$: one is empty"]


async def test_every_answer_shown_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 7
    async with harness.running(tmp_path, mode="demo") as (rt, _, clock):
        await harness.drive(clock, collect.one_round(rt))
        await harness.drive(clock, news.read_feeds(rt))
        app = serve_app(lambda: contextlib.nullcontext(rt), clock, timeout_s=20)
        for path, shown in EXAMPLES:
            status, body = await harness.drive(clock, call(app, path))
            real = json.loads(body)
            # There only where upstreams were asked for this very answer, as a service that has just begun must.
            real["meta"].pop("asked", None)
            assert (status, real["meta"]["mode"]) == (200, "demo"), path
            assert differences(answer_of(shown), real) == [], path


@pytest.mark.parametrize("text", re.findall(r"\$ (?:\w+=\S+ )?(cdts [^\n]+)", README))
def test_every_command_shown_is_one(text: str) -> None:
    words = [word.strip("'") for word in text.split()][1:]
    assert parser().parse_args(words).command == words[0]


def test_every_address_override_shown_names_a_provider() -> None:
    from crypto_dt_source.providers import catalog

    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))]
    named = {name for page in pages for name in re.findall(BASE_URL_PREFIX + r"([A-Z_0-9]+)", page)}
    assert {"BINANCE", "KRAKEN"} <= named
    # HARBOUR is the exchange that add-a-provider.md makes.
    assert {name.lower() for name in named} - catalog.load().keys() == {"harbour"}


@pytest.mark.parametrize("target", re.findall(r"^\$ make (\w+)", README, re.M))
def test_every_make_target_shown_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
