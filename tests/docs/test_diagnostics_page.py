"""docs/diagnostics.md names every finding there can be, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from bench.diagnosed_faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "src" / "crypto_dt_source" / "services"
MADE = re.compile(r'Finding\(\s*"([a-z_.]+)"|"(provider\.[a-z_]+)"')
NAMED = re.compile(r"`([a-z]+\.[a-z_]+)`")


def test_the_page_names_every_finding() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in [*(SERVICES / "checks").glob("*.py"), SERVICES / "diagnostics.py"]
    )
    findings = {one or other for one, other in MADE.findall(source)}
    page = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    assert set(NAMED.findall(page)) == findings
    assert {fault.finds for fault in FAULTS} <= findings
    assert f"injects {len(FAULTS)} faults" in page
