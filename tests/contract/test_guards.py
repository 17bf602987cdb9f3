"""Rules of the source that hold from the first day: one place for time, sizes, names, no blanket except, no leftovers.

Layers, sockets and SQL are import-linter's (`make arch`).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from source_tree import FUNCTIONS, PACKAGE, ROOT, defined, full_name, imported, name, python_files, tree

FILE_LINES = 400
FUNCTION_LINES = 60
TIME = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.sleep", "asyncio.sleep",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
BAD_NAME = re.compile(
    r"(Manager|Helper|Helpers|Util|Utils|Enhanced|Extended|Unified|V2|_manager|_helper|_helpers|_utils?|_enhanced|_extended|_unified)$"
)
LEFTOVER = re.compile(r"\b(TODO|FIXME)\b|#.*\bXXX\b|\braise NotImplementedError\b|\bTBD\b")
# Spelled in halves, so that this file does not name them either.
HOSTS = tuple(
    "".join(halves)
    for halves in (("py", "pi"), ("python", "hosted"), ("index", "-url"), ("arti", "factory"), ("dev", "pi"))
)
MACHINE = (*(f"/{name}/" for name in ("work", "root", "home", "farm")), "/".join(("", "tmp", "bash")))
TEXTS = (
    "Makefile", "README.md", "CHANGELOG.md", "pyproject.toml", "constraints.txt", "bench/constraints.txt",
    ".env.example", ".ci/run", "Dockerfile", ".dockerignore", "compose.yaml", "deploy/cdts.service", "deploy/cdts.socket",
    "spaces/README.md", "spaces/app.py", "spaces/requirements.txt",
)  # fmt: skip


def timed(module: ast.Module) -> list[str]:
    """Every use of the machine's clock in a file, called or handed on."""
    names = imported(module)
    return [
        f"{node.lineno}: {full_name(node, names)}"
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute | ast.Name) and full_name(node, names) in TIME
    ]


def test_time_is_read_and_waited_for_in_clock_alone() -> None:
    found = {name(path): uses for path in python_files("src") if (uses := timed(tree(path)))}
    assert set(found) == {"src/crypto_dt_source/clock.py"}, found


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from time import monotonic as m\nm()",
        "import asyncio as a\nawait_ = a.sleep",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as dt\ndt.datetime.utcnow()",
    ],
)
def test_the_time_guard_sees_every_way_to_write_it(source: str) -> None:
    assert timed(ast.parse(source))


def test_no_file_is_long() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {file: count for file, count in lines.items() if count >= FILE_LINES} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{name(path)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in python_files()
        for node in defined(path)
        if isinstance(node, FUNCTIONS)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 >= FUNCTION_LINES
    ]
    assert long == []


def test_names_say_what_a_thing_is() -> None:
    named = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in defined(path)
        if BAD_NAME.search(node.name)
    ]
    assert named == []
    assert [name(path) for path in python_files() if BAD_NAME.search(f"_{path.stem}")] == []


def blanket(module: ast.Module) -> list[int]:
    """Lines of `except:`, `except Exception` and `except BaseException` that do not raise again."""
    lines = []
    for node in ast.walk(module):
        if not isinstance(node, ast.ExceptHandler):
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        wide = any(
            k is None or (isinstance(k, ast.Name) and k.id in ("Exception", "BaseException")) for k in kinds
        )
        if wide and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            lines.append(node.lineno)
    return lines


def test_no_except_swallows_everything() -> None:
    found = {name(path): lines for path in python_files("src") if (lines := blanket(tree(path)))}
    assert found == {}


def test_the_blanket_guard_tells_cleaning_up_from_swallowing() -> None:
    assert blanket(ast.parse("try:\n f()\nexcept:\n pass")) == [3]
    assert blanket(ast.parse("try:\n f()\nexcept (ValueError, Exception):\n g()")) == [3]
    assert blanket(ast.parse("try:\n f()\nexcept BaseException:\n close()\n raise")) == []
    assert blanket(ast.parse("try:\n f()\nexcept ValueError:\n pass")) == []


def texts() -> list[Path]:
    """Every text of the project that a person or a build reads."""
    written = [
        *(ROOT / "docs").rglob("*.md"),
        *(PACKAGE / "providers").rglob("*.toml"),
        *(PACKAGE / "providers").rglob("*.csv"),
    ]
    code = (path for path in python_files() if path != Path(__file__))  # this file names what it looks for
    return [*code, *(ROOT / text for text in TEXTS if (ROOT / text).exists()), *sorted(written)]


def test_nothing_is_left_to_do() -> None:
    assert [name(path) for path in texts() if LEFTOVER.search(path.read_text(encoding="utf-8"))] == []


def test_no_file_names_a_package_index_or_a_machine() -> None:
    """An index is the installing machine's business; a path of one machine is nobody's."""
    found = [
        f"{name(path)}: {word}"
        for path in texts()
        for word in (*HOSTS, *MACHINE)
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []
