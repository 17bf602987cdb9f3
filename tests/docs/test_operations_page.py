"""Metrics as they are documented, shown and watched: all of them exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from crypto_dt_source.services.metric_names import BY_NAME, METRICS

DOCS = Path(__file__).resolve().parents[2] / "docs"
_NAME = re.compile(r"\b(?:cdts_|process_)[a-z0-9_]+")
ROW = re.compile(r"^\| `([a-z_0-9]+)` \| (counter|gauge|histogram) \| ([^|]+) \| (.+) \|$", re.MULTILINE)


def test_the_page_documents_every_metric() -> None:
    rows = ROW.findall((DOCS / "operations.md").read_text(encoding="utf-8"))
    told = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows]
    assert told == [(metric.name, metric.kind, metric.labels, metric.help) for metric in METRICS]


def used_in(text: str) -> set[str]:
    """Names of metrics in a text; a histogram's series count as the histogram."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in _NAME.findall(text)}


def expressions(dashboard: Any) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_metrics_that_exist() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    found = used_in(" ".join(expressions(dashboard)))
    assert found <= set(BY_NAME)
    assert len(found) > 20
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_alerts_watch_metrics_and_labels_that_exist() -> None:
    text = (DOCS / "prometheus-alerts.yml").read_text(encoding="utf-8")
    rules = re.split(r"^ +- alert: ", text, flags=re.MULTILINE)[1:]
    assert len(rules) > 10
    for rule in rules:
        expression = rule.partition("expr:")[2].partition("labels:")[0]
        names = used_in(expression)
        assert names <= set(BY_NAME), rule
        assert names or "up{" in expression
        known = {label for name in names for label in BY_NAME[name].labels} | {"instance", "job"}
        assert set(re.findall(r"\$labels\.(\w+)", rule)) <= known, rule
        assert set(re.findall(r"(\w+)=~?\"", expression)) <= known, rule
