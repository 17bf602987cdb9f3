"""What README.md and docs/ show in code blocks, taken apart: the blocks, the commands in them, the requests of curl."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SERVED_AT = "http://127.0.0.1:7860"
SHELL = ("bash", "console", "sh")
_FENCE = re.compile(r"^( *)```(\w*)[ ]?([^\n]*)\n(.*?)^\1```[ ]*$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block. `shows`: the answer that follows a block of commands with nothing in between."""

    page: str
    line: int
    language: str
    name: str
    text: str
    shows: Block | None = None
    follows: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks() -> list[Block]:
    """Every block of every page, in order."""
    found: list[Block] = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        end = -1
        for match in _FENCE.finditer(text):
            indent, language, name, body = match.groups()
            lines = [line.removeprefix(indent) for line in body.splitlines()]
            line = text.count("\n", 0, match.start()) + 1
            shown = found and not text[end : match.start()].strip() and language in ("json", "text")
            follows = bool(shown and found[-1].language in SHELL and end >= 0)
            made = Block(
                str(page.relative_to(ROOT)), line, language, name, "\n".join(lines) + "\n", follows=follows
            )
            if follows:
                before = found[-1]
                found[-1] = Block(before.page, before.line, before.language, before.name, before.text, made)
            found.append(made)
            end = match.end()
    return found


def commands(block: Block) -> list[str]:
    """The command lines of a block: of a console those after a prompt, else every line that is no comment."""
    text = block.text.replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line and not line.startswith("#")]


def words(command: str, variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """A command as a shell takes it apart: what it sets before the command, and the words. Raises ValueError for what a shell
    would take for more than one command, for an unknown variable, and for one that single quotes would keep as it is."""
    lexer = shlex.shlex(command, posix=False, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    made = []
    for word in lexer:
        if set(word) & set("|&;<>()") and not set(word) & set("'\""):
            raise ValueError(f"a shell reads {word!r} as its own")
        names = re.findall(r"\$(\w+)", re.sub(r"'[^']*'", "", word))
        if unknown := [name for name in names if name not in variables]:
            raise ValueError(f"nothing says what ${unknown[0]} is")
        (plain,) = shlex.split(word)
        made.append(re.sub(r"\$(\w+)", lambda name: variables[name.group(1)], plain) if names else plain)
    settings: dict[str, str] = {}
    while made and (match := re.fullmatch(r"([A-Z][A-Z0-9_]*)=(.*)", made[0])):
        settings[match.group(1)] = match.group(2)
        made.pop(0)
    return settings, made


class Asked(NamedTuple):
    """A request of curl. `stays`: an answer that does not end (`-N`)."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    stays: bool


def curl(arguments: list[str], folder: Path) -> Asked:
    """The request curl would send. Raises ValueError for an option that is not known here."""
    left = list(arguments)
    headers: dict[str, str] = {}
    method, body, url, stays = "", None, "", False
    while left:
        word = left.pop(0)
        if word in ("-X", "--request"):
            method = left.pop(0)
        elif word in ("-H", "--header"):
            name, _, value = left.pop(0).partition(":")
            headers[name.strip()] = value.strip()
        elif word in ("-d", "--data", "--data-binary"):
            given = left.pop(0)
            body = (folder / given[1:]).read_bytes() if given.startswith("@") else given.encode()
        elif word in ("-N", "--no-buffer"):
            stays = True
        elif word.startswith("-") or url:
            raise ValueError(f"curl {word}")
        else:
            url = word
    if not url:
        raise ValueError("no address")
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    return Asked(method or ("GET" if body is None else "POST"), url, headers, body, stays)


MORE = "…"


def answer_of(text: str) -> Any:
    """An answer as shown. An ellipsis by itself stands for more: in a list it is left out, in an object it is a key."""
    made = re.sub(r'"(?:[^"\\]|\\.)*"|\{…,?|,\s*…(?=\s*\})|,\s*…|…,\s*|…', _ellipsis, text)
    return json.loads(made)


def _ellipsis(match: re.Match[str]) -> str:
    found = match.group()
    if found.startswith('"'):
        return found
    if found.startswith("{"):
        return f'{{"{MORE}": null' + found[2:]
    at_end = re.match(r"\s*\}", match.string[match.end() :])
    return f', "{MORE}": null' if at_end else ""


def differences(shown: Any, real: Any, where: str = "$") -> list[str]:
    """Where the real answer has other keys or another type than the one shown; null fits everything, and
    an object shown with an ellipsis may have more keys."""
    if shown is None or real is None:
        return []
    if isinstance(shown, dict) and isinstance(real, dict):
        keys = shown.keys() - real.keys() - {MORE} if MORE in shown else shown.keys() ^ real.keys()
        both = shown.keys() & real.keys()
        return [f"{where}: {sorted(keys)}"] * bool(keys) + [
            line for key in sorted(both) for line in differences(shown[key], real[key], f"{where}.{key}")
        ]
    if isinstance(shown, list) and isinstance(real, list):
        if bool(shown) != bool(real):
            return [f"{where}: one is empty"]
        return [line for one in shown for line in differences(one, real[0], f"{where}[]")]
    numbers = (int, float)
    alike = isinstance(real, numbers) if isinstance(shown, numbers) else type(shown) is type(real)
    return [] if alike else [f"{where}: {type(shown).__name__} is {type(real).__name__}"]
