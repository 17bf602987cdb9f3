"""Every public module, class and function of the package says what it is, unless a contract it follows says so already."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from source_tree import FUNCTIONS, PACKAGE, name, python_files, tree

CONTRACTS = {
    # providers/kit.py, Endpoint and Adapter: what these functions take, give and raise.
    "providers/adapters/": re.compile(r"\w+_(request|parse|next)|explain|symbol|in_path"),
    # sim/wire/__init__.py, Route: a handler is named for the path it answers; ERROR and the naming are explained there.
    "sim/wire/": re.compile(r"\w+"),
    # Alembic's own two names, and the tables grouped by them.
    "store/migrations/versions/": re.compile(r"\w+"),
    # A schema is described by its fields; its name is the whole of the rest.
    "api/schemas/": re.compile(r"[A-Z]\w+"),
}


def excused(path: Path, thing: str) -> bool:
    place = str(path.relative_to(PACKAGE))
    return any(place.startswith(folder) and rule.fullmatch(thing) for folder, rule in CONTRACTS.items())


def undocumented(path: Path) -> list[str]:
    """Public names at the top of a file that have no docstring; the file itself as `module`."""
    module = tree(path)
    if not module.body:
        return []
    found = [] if ast.get_docstring(module) else ["module"]
    return found + [
        node.name
        for node in module.body
        if isinstance(node, (*FUNCTIONS, ast.ClassDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not excused(path, node.name)
    ]


def test_public_names_are_documented() -> None:
    assert {name(path): gaps for path in python_files("src") if (gaps := undocumented(path))} == {}
