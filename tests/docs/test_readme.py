"""What the README and the pages of docs/ name exists, and the guide's list of pages is that of the folder. Their examples are
run by test_examples.py."""

from __future__ import annotations

import re

import pytest
from blocks import ROOT, answer_of, blocks, commands, curl, differences, words

from crypto_dt_source.api.guide_pages import FILES, PAGES
from crypto_dt_source.settings import BASE_URL_PREFIX

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_comparison_sees_what_differs() -> None:
    assert differences({"a": [1], "b": None}, {"a": [2.5], "b": "x"}) == []
    assert differences({"a": [{"b": 1}]}, {"a": [{"c": 1}]}) == ["$.a[]: ['b', 'c']"]
    assert differences({"a": "1"}, {"a": 1}) == ["$.a: str is int"]
    assert differences([1], []) == ["$: one is empty"]
    assert differences(answer_of('{"a": 1, …}'), {"a": 2, "b": 3}) == []
    assert differences(answer_of('{…, "a": 1}'), {"b": 3}) == ["$: ['a']"]


def test_an_ellipsis_in_a_text_is_text() -> None:
    assert answer_of('{"a": ["x…", …], "b": [{"c": 1}, …], "d": [1, …]}') == {
        "a": ["x…"],
        "b": [{"c": 1}],
        "d": [1],
    }


def test_commands_are_read_as_a_shell_does() -> None:
    assert words("A=1 curl -H \"X: $K\" 'http://h/?a=1&b=2'  # why", {"K": "k"}) == (
        {"A": "1"},
        ["curl", "-H", "X: k", "http://h/?a=1&b=2"],
    )
    for torn in ("curl http://h/?a=1&b=2", "cdts db check > file", "curl $NOBODY"):
        with pytest.raises(ValueError, match=r"shell|nothing says"):
            words(torn, {})
    assert words("curl -d '$K' http://h", {"K": "k"})[1][2] == "$K"
    with pytest.raises(ValueError, match="--no-such"):
        curl(["--no-such", "http://h"], ROOT)


def test_blocks_are_found_with_what_they_answer() -> None:
    found = [block for block in blocks() if block.page == "README.md"]
    answered = [block for block in found if block.shows is not None]
    assert [commands(block)[-1].split()[0] for block in answered] == ["curl", "curl"]
    assert len(found) > 7


def test_the_navigation_names_every_page_and_no_other() -> None:
    docs = ROOT / "docs"
    there = {str(path.relative_to(docs).with_suffix("")) for path in docs.rglob("*.md")}
    listed = [page.name for page in PAGES]
    assert len(set(listed)) == len(listed)
    # Each decision is reached from their list.
    assert set(listed) == {name for name in there if not re.fullmatch(r"adr/\d.*", name)}
    assert all((docs / name).is_file() for name in FILES)


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([^)#]+)\.md", README))
    examples = {page.name for page in PAGES if page.name.startswith("examples/")}
    assert {page.name for page in PAGES} - examples <= linked


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
