"""Every code example of README.md and docs/ is run: requests against one running demo, commands in this process, programs as
they are, settings read. What cannot be run is named in `NOT_RUN` (commands) and in `ELSEWHERE` (blocks) with the reason."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from blocks import ROOT, SHELL, Block, answer_of, blocks, commands, curl, words
from example_runs import (
    PARSED,
    Demo,
    called,
    configured,
    document,
    fits,
    javascript,
    known,
    node,
    parsed_only,
    python,
    route_of,
    routes,
    running_demo,
    sent,
    shown,
    told,
)

from crypto_dt_source.cli.main import parser

BLOCKS = blocks()
ELSEWHERE = {
    ("docs/add-a-provider.md", "adapter"): "test_add_a_provider.py runs it",
    ("docs/add-a-provider.md", "try"): "test_add_a_provider.py makes the exchange it is about",
    ("docs/add-a-job.md", "python"): "a line of the timetable, compared with it below",
    ("docs/add-an-endpoint.md", "python"): "the beginning of a route",
    ("docs/sentiment-model.md", "measure"): "needs a data set that is not part of the project",
    ("docs/sentiment-model.md", "train"): "takes most of an hour and gigabytes of packages",
}
NOT_RUN = {
    "make": "installs, or runs as long as it is wanted; test_readme.py knows the targets",
    "sudo": "changes users and services of the machine",
    "docker": "builds and runs containers",
}
"""First words of commands that are not run, and why."""
OF_OTHERS = {"POSTGRES_PASSWORD": "compose.yaml", "PUBLISH": "compose.yaml"}
"""Names that pages set and this program does not read, with the file that does."""
REFUSED = {
    "POST /api/models/{id}/generate": (503, "its model would have to be fetched"),
    "POST /api/discovery/candidates/{id}/approve": (404, "nothing was found yet"),
    "POST /api/discovery/candidates/{id}/reject": (404, "nothing was found yet"),
    "POST /api/discovery/candidates/{id}/take-back": (404, "nothing was found yet"),
}
"""Routes whose example a demo that has just begun refuses, with the status and why."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("examples")) as started:
        yield started


def request(demo: Demo, block: Block, command: list[str], ids: dict[str, str], last: bool) -> list[str]:
    """Send one request; what is wrong with its answer."""
    asked, status, kind, body = sent(demo, command, demo.folder.parent)
    route = route_of(asked)
    expected, _ = REFUSED.get(route or "", (200, ""))
    if status != expected and not (expected == 200 and status in (201, 202)):
        return [f"{status} {body[:300].decode()}"]
    if "application/json" not in kind:
        return shown(block, kind, body) if block.shows and last else []
    answer = json.loads(body)
    remember(demo, route or "", answer, ids)
    wrong = fits(route, status, answer) if route else []
    if block.shows and last and expected == 200:
        wrong += shown(block, kind, body)
    return wrong


def remember(demo: Demo, route: str, answer: Any, ids: dict[str, str]) -> None:
    """Keep what later requests name by a variable: ids, a token."""
    if not isinstance(answer, dict):
        return
    if "access_token" in answer:
        demo.variables["TOKEN"] = answer["access_token"]
    data = answer.get("data")
    first = data[0] if isinstance(data, list) and data else data
    name = "slug" if route == "GET /api/defi" else "id"
    if isinstance(first, dict) and isinstance(first.get(name), str):
        ids[route] = first[name]
        if route.startswith("POST"):
            demo.variables["ID"] = first["id"]


def run(demo: Demo, block: Block, ids: dict[str, str], scratch: Path) -> Iterator[str]:
    """What is wrong with the commands of a block."""
    lines = commands(block)
    for command in lines:
        given = re.search(r"`\$ID` is the `\w+` of one in the answer of `([^`]+)`", above(block))
        own = {"ID": ids.get(given.group(1), "0123456789abcdef")} if given else {}
        try:
            settings, argv = words(command, {**demo.variables, **own})
        except ValueError as error:
            yield f"{block.place}: {command}: {error}"
            continue
        if argv[0] == "curl":
            wrong = request(demo, block, argv[1:], ids, command is lines[-1])
        elif argv[0] in ("cdts", ".venv/bin/cdts"):
            wrong = called(demo, settings, argv[1:], scratch)
        elif argv[:3] == ["python", "-m", "websockets"]:
            wrong = [] if '"welcome"' in told(demo, command) else ["no welcome"]
        else:
            wrong = [] if argv[0] in NOT_RUN else ["nobody runs it"]
        yield from (f"{block.place}: {command}: {line}" for line in wrong)


def above(block: Block) -> str:
    """The paragraph over a block."""
    return " ".join(lines_of(block.page)[max(0, block.line - 4) : block.line])


@cache
def lines_of(page: str) -> list[str]:
    return (ROOT / page).read_text(encoding="utf-8").splitlines()


def elsewhere(block: Block) -> bool:
    return (block.page, block.name or block.language) in ELSEWHERE


def test_every_command_shown_does_what_is_said(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids: dict[str, str] = {}
    shell = [block for block in BLOCKS if block.language in SHELL and not elsewhere(block)]
    wrong = [line for block in shell for line in run(demo, block, ids, tmp_path)]
    assert wrong == [], "\n".join(wrong)


def test_every_program_shown_runs(demo: Demo, tmp_path: Path) -> None:
    wrong = [
        f"{block.place}: {line}"
        for block in BLOCKS
        if block.language == "python" and not elsewhere(block)
        for line in python(demo, block.text)
    ]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.skipif(node() is None, reason="there is no node that has WebSockets and event streams")
def test_every_script_shown_runs(demo: Demo, tmp_path: Path) -> None:
    scripts = [block for block in BLOCKS if block.language == "js"]
    wrong = [f"{block.place}: {line}" for block in scripts for line in javascript(demo, block.text, tmp_path)]
    assert len(scripts) >= 2
    assert wrong == [], "\n".join(wrong)


def test_every_file_shown_can_be_read_and_its_settings_exist() -> None:
    shown = [block for block in BLOCKS if block.language in ("ini", "yaml", "toml", "dockerfile")]
    wrong = [f"{block.place}: {line}" for block in shown for line in configured(block)]
    assert wrong == []


def test_what_a_person_types_elsewhere_names_only_what_exists() -> None:
    """Plain blocks that are no answers: lines of a settings file, and commands that are not run here."""
    texts = [block for block in BLOCKS if block.language == "text" and not block.follows]
    for block in texts:
        for line in commands(block):
            setting = re.match(r"([A-Z][A-Z0-9_]*)=", line)
            if setting and setting.group(1) in OF_OTHERS:
                name = setting.group(1)
                assert f"${{{name}" in (ROOT / OF_OTHERS[name]).read_text(encoding="utf-8"), block.place
            elif setting:
                assert known(setting.group(1)), f"{block.place}: {line}"
            else:
                assert line.split()[0] in NOT_RUN, f"{block.place}: {line}"
            if inner := re.search(r"\bcdts ((?:keys|db|jobs|doctor|providers) .*)", line):
                assert parser().parse_args(inner.group(1).split())


def test_every_answer_shown_is_json() -> None:
    answers = [block for block in BLOCKS if block.language == "json"]
    assert len(answers) > 100
    for block in answers:
        assert answer_of(block.text) is not None, block.place


def test_every_block_is_run_or_named() -> None:
    run_here = (*SHELL, "python", "js", "ini", "yaml", "toml", "dockerfile", "json", "text")
    assert [block.place for block in BLOCKS if block.language not in run_here and not elsewhere(block)] == []
    assert {
        key for key in ELSEWHERE if not any((b.page, b.name or b.language) == key for b in BLOCKS)
    } == set()


def test_the_line_of_the_timetable_is_the_real_one() -> None:
    (block,) = (block for block in BLOCKS if (block.page, block.language) == ("docs/add-a-job.md", "python"))
    source = (ROOT / "src" / "crypto_dt_source" / "jobs" / "timetable.py").read_text(encoding="utf-8")
    line = block.text.strip()
    ast.parse(line)
    assert line.removeprefix("(").removesuffix(",)") in source


def test_nothing_is_excused_that_is_not_shown() -> None:
    shell = [block for block in BLOCKS if block.language in (*SHELL, "text") and not block.follows]
    lines = [words_of(command) for block in shell for command in commands(block) if words_of(command)]
    firsts = {line[0] for line in lines}
    assert set(NOT_RUN) <= firsts
    used = {parsed_only(line[1:]) for line in lines if line[0].endswith("cdts")}
    assert set(PARSED) <= used
    assert set(REFUSED) <= set(routes())


def words_of(command: str) -> list[str]:
    return [word for word in command.split() if not re.match(r"[A-Z_]+=", word)]


def test_every_route_has_an_example(tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").touch()
    asked = [
        route_of(curl(words(command, dict.fromkeys(("ADMIN", "KEY", "TOKEN", "ID"), "x"))[1][1:], tmp_path))
        for block in BLOCKS
        if block.page.startswith("docs/examples/") and block.language in SHELL
        for command in commands(block)
    ]
    assert sorted(route for route in asked if route) == sorted(routes())


def test_the_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_examples", ROOT / "tools" / "make_examples.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules["make_examples"] = tool
    spec.loader.exec_module(tool)
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "examples").iterdir()}
    made = tool.generated(document())
    assert pages == set(made)
    assert [page for page, text in made.items() if (ROOT / page).read_text(encoding="utf-8") != text] == []
