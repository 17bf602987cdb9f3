"""The project's own Python files, parsed once for every guard."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "crypto_dt_source"
FOLDERS = ("src", "tests", "bench", "tools")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """Every .py file below the folders, all of FOLDERS when none is named."""
    return tuple(sorted(path for folder in folders or FOLDERS for path in (ROOT / folder).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    gc.disable()  # a million nodes and no garbage: looking for some takes three times as long as the parser
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    finally:
        gc.enable()


@cache
def defined(path: Path) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, ...]:
    """Every function and class of a file, inner ones too."""
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, (*FUNCTIONS, ast.ClassDef)))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def dotted(node: ast.expr) -> str:
    """`time.monotonic` of an attribute chain, empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def imported(module: ast.Module) -> dict[str, str]:
    """Local name → full name of everything a file imports, so that `from time import sleep` is seen as time.sleep."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return names


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name with its first part replaced by what it was imported from."""
    text = dotted(node)
    first, dot, rest = text.partition(".")
    return names.get(first, first) + dot + rest
