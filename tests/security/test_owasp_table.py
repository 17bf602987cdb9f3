"""The pages on security name tests that exist, and one at least for each of the ten."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/security.md", "docs/THREAT_MODEL.md", "docs/outbound-guard.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| \*\*API(\d+)\*\* ([^|]+)\|[^|]+\|([^|]+)\|$", re.MULTILINE)
TITLES = {
    1: "Broken object level authorization",
    2: "Broken authentication",
    3: "Broken object property level authorization",
    4: "Unrestricted resource consumption",
    5: "Broken function level authorization",
    6: "Unrestricted access to sensitive business flows",
    7: "Server side request forgery",
    8: "Security misconfiguration",
    9: "Improper inventory management",
    10: "Unsafe consumption of APIs",
}


@cache
def names_in(file: str) -> frozenset[str]:
    """Names of the tests in a file; none where it does not exist."""
    path = ROOT / file
    if not path.exists():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return frozenset(
        node.name for node in body if isinstance(node, functions) and node.name.startswith("test_")
    )


def named_in(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2] or "") for found in NAMED.finditer(text)]


@pytest.mark.parametrize("page", PAGES)
def test_every_test_a_page_names_exists(page: str) -> None:
    named = named_in((ROOT / page).read_text(encoding="utf-8"))
    gone = [
        f"{file}::{test}"
        for file, test in named
        if not (test in names_in(file) if test else (ROOT / file).exists())
    ]
    assert gone == []


def test_each_of_the_ten_has_its_row_and_its_tests() -> None:
    text = (ROOT / PAGES[0]).read_text(encoding="utf-8")
    rows = {int(number): (title.strip(), named_in(tests)) for number, title, tests in ROW.findall(text)}
    assert {number: title for number, (title, _) in rows.items()} == TITLES
    assert all(tests and all(test for _, test in tests) for _, tests in rows.values())


def test_a_name_that_is_gone_is_noticed() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    assert named_in(f"`{own}::test_x`, `{own}`") == [(own, "test_x"), (own, "")]
    assert "test_a_name_that_is_gone_is_noticed" in names_in(own)
    assert "test_x" not in names_in(own)
    assert names_in("tests/none.py") == frozenset()
