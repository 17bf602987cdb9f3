"""What is installed is what is pinned: every dependency, with the versions that were tested."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from source_tree import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\d[\w.+!]*)")
FILES = ("constraints.txt", "bench/constraints.txt")


def pins(file: str) -> dict[str, str]:
    """Version by normalised name; a line of another form fails."""
    found = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        match = PIN.fullmatch(line)
        assert match, f"{file}: {line!r} is not name==version"
        found[canonicalize_name(match[1])] = match[2]
    return found


def named(extra: str = "dev") -> list[str]:
    """What the project asks for with this extra, an extra that it takes in written out."""
    found = list(PROJECT["dependencies"])
    waiting = [*PROJECT["optional-dependencies"][extra]]
    while waiting:
        text = waiting.pop()
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != PROJECT["name"]:
            found.append(text)
        for own in requirement.extras if canonicalize_name(requirement.name) == PROJECT["name"] else ():
            waiting += PROJECT["optional-dependencies"][own]
    return found


def needed(requirements: list[str]) -> set[str]:
    """Everything these requirements bring along on this machine, by normalised name."""
    names: set[str] = set()
    waiting = [(Requirement(text), frozenset({""})) for text in requirements]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, extras = waiting.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        names.add(name)
        wanted = frozenset({"", *requirement.extras})
        if (name, wanted) in done:
            continue
        done.add((name, wanted))
        try:
            brings = distribution(name).requires or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is needed and not installed")
        waiting += [(Requirement(text), wanted) for text in brings]
    return names


@pytest.mark.parametrize("file", FILES)
def test_pins_are_names_and_versions_and_nothing_else(file: str) -> None:
    found = pins(file)
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert len(found) == len(lines), "a name stands there twice"


def test_what_the_project_names_is_pinned() -> None:
    texts = [*named("dev"), *named("train")]
    missing = {canonicalize_name(Requirement(text).name) for text in texts} - pins("constraints.txt").keys()
    assert missing == set()


def test_what_is_installed_for_it_is_pinned_with_that_version() -> None:
    pinned = pins("constraints.txt")
    names = needed(named())
    assert names - pinned.keys() == set()
    # `2.13.0+cpu` is 2.13.0, built for one machine.
    installed = {name: Version(distribution(name).version).public for name in names}
    assert {name: version for name, version in installed.items() if version != pinned[name]} == {}


def test_pins_satisfy_what_the_project_asks_for() -> None:
    pinned = pins("constraints.txt")
    for text in [*named("dev"), *named("train")]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_the_benchmarks_reference_is_pinned_apart() -> None:
    """The newest one pins every package it shares with us, to older versions; the service has one that leaves them free."""
    references = PROJECT["optional-dependencies"]["bench"]
    pinned = pins("bench/constraints.txt")
    assert f"ccxt=={pinned['ccxt']}" in references
    for text in references:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text
    assert {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]} <= pinned.keys()
    assert pins("constraints.txt")["ccxt"] != pinned["ccxt"]
