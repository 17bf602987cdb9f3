"""The generated pages say what the code says, and the written ones name only what exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from source_tree import PACKAGE, ROOT

from crypto_dt_source.providers import catalog
from crypto_dt_source.settings import Settings

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
FOLDERS = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
EXAMPLES = {"src/crypto_dt_source/providers/adapters/harbour.py", "src/crypto_dt_source/sim/wire/harbour.py"}
"""What add-a-provider.md lets the reader make."""


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """tools/make_reference.py."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "tools" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_reference"] = module
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(reference: ModuleType) -> None:
    stale = [
        path
        for path, text in reference.generated().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make docs`"


def test_every_page_of_the_reference_is_generated(reference: ModuleType) -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "reference").iterdir()}
    assert there == {path for path in reference.generated() if path.startswith("docs/reference/")}


def test_every_setting_is_described_and_shown(reference: ModuleType) -> None:
    page, example = reference.settings(), reference.env_example()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{name.upper()}` |" in page
        assert f"\n#{name.upper()}=" in example


def test_a_lost_mark_is_noticed(reference: ModuleType) -> None:
    assert reference.failover(f"a {reference.BEGIN} old {reference.END} b").startswith(
        f"a {reference.BEGIN}\n| "
    )
    with pytest.raises(ValueError, match="marks"):
        reference.failover("nothing here")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def named_paths(text: str) -> set[str]:
    """Every path of the project that a page names in code: below the root, or below the package."""
    found = re.findall(r"`([\w./-]+/[\w./-]*)`", text)
    inside = {name for name in found if name.split("/")[0] in {"src", "tests", "bench", "tools", "docs"}}
    package = {f"src/crypto_dt_source/{name}" for name in found if name.split("/")[0] in FOLDERS}
    return inside | package


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_named_in_a_page_exist(page: Path) -> None:
    # The provider that docs/add-a-provider.md adds.
    named = named_paths(page.read_text(encoding="utf-8")) - EXAMPLES
    paths = {path for path in named if not path.endswith("harbour.py")}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_keys_of_every_keyed_provider_are_settings_and_documented() -> None:
    deploy = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for variable in {entry.auth.env for entry in catalog.load().values() if entry.auth}:
        assert variable.lower() in Settings.model_fields
        assert f"`{variable}`" in deploy
