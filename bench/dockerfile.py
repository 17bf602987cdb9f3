"""A Dockerfile as its instructions, by stage: as much of https://docs.docker.com/reference/dockerfile/ as ours uses. An
instruction that is not known here is an error, not ignored."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = frozenset(
    "ARG FROM WORKDIR RUN COPY ENV LABEL USER EXPOSE STOPSIGNAL HEALTHCHECK CMD ENTRYPOINT".split()
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Step:
    """One instruction, its arguments as they are written, continuations joined."""

    word: str
    text: str
    line: int


@dataclass
class Stage:
    """One FROM and what follows. `base` is the image, its ARGs filled in; `name` is empty for the last one."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def of(self, word: str) -> list[Step]:
        """Its instructions of one kind."""
        return [step for step in self.steps if step.word == word]

    def environment(self) -> dict[str, str]:
        """Every ENV, in order."""
        found: dict[str, str] = {}
        for step in self.of("ENV"):
            found.update(part.partition("=")[::2] for part in shlex.split(step.text))
        return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` by their values; nothing for those that have none."""
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), text)


def listed(text: str) -> list[str]:
    """The exec form: a JSON list. Raises ValueError for the shell form."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(part, str) for part in found):
        raise ValueError(f"no exec form: {text}")
    return found


def health(step: Step) -> tuple[dict[str, str], list[str]]:
    """Options and command of a HEALTHCHECK."""
    options, _, command = step.text.partition(" CMD ")
    given = dict(part.removeprefix("--").partition("=")[::2] for part in options.split())
    return given, listed(command)


def steps(text: str) -> list[Step]:
    """Every instruction. Raises ValueError for one that is not known."""
    found: list[Step] = []
    parts: list[str] = []
    begun = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begun = begun if parts else number
        parts.append(line.rstrip().removesuffix("\\").strip())
        if line.rstrip().endswith("\\"):
            continue
        word, _, rest = " ".join(parts).partition(" ")
        if word not in KNOWN:
            raise ValueError(f"line {begun}: {word} is no instruction known here")
        found.append(Step(word, rest.strip(), begun))
        parts = []
    return found


def stages(path: Path, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """Every stage; `arguments` are build arguments, which win over the defaults of ARG."""
    given = dict(arguments or {})
    values: dict[str, str] = {}
    found: list[Stage] = []
    for step in steps(path.read_text(encoding="utf-8")):
        if step.word == "FROM":
            base, _, name = step.text.partition(" AS ")
            found.append(Stage(filled(base, values), name.strip()))
        elif step.word == "ARG" and not found:
            name, _, default = step.text.partition("=")
            values[name] = given.get(name, default)
        else:
            found[-1].steps.append(step)
    return found
