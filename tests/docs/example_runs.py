"""How the code blocks of README.md and docs/ are run: one demo for all of them, and one function a language."""

from __future__ import annotations

import ast
import asyncio
import configparser
import contextlib
import http.client
import inspect
import io
import json
import os
import re
import select
import subprocess
import time
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jsonschema_rs
import yaml
from bench.running import CDTS, process
from blocks import SERVED_AT, Asked, Block, answer_of, curl, differences
from websockets.sync.client import connect

from crypto_dt_source.api.app import create_app
from crypto_dt_source.cli.main import main, parser
from crypto_dt_source.settings import BASE_URL_PREFIX, WS_URL_PREFIX, Settings

OPERATOR = "0d4f3f1c9a6b7e25-operator-of-the-examples"
SIMULATED_AT = "http://127.0.0.1:9100"
PARSED = {
    "serve": "runs until it is stopped, on live upstreams; tests/e2e starts it",
    "sim": "runs until it is stopped; the demo of these tests has one",
    "providers check": "asks live upstreams; tests/cli/test_provider_check.py runs it at a simulator",
}
"""Commands of cdts that are read by its parser and not run, and why."""
READ_S = 10.0
"""How long a program may take to print."""
FILLED_FRAMES = 100
LINES = 2
"""Lines after which a program that would run for ever has shown that it works."""


class Demo(NamedTuple):
    """The running demo: its address, the simulator's, the folder of its data, and the variables that pages use."""

    url: str
    simulator: str
    folder: Path
    variables: dict[str, str]

    def at(self, text: str) -> str:
        """A text of the pages with the addresses of this demo."""
        port = f"127.0.0.1:{urlsplit(self.url).port}"
        return text.replace(SERVED_AT.removeprefix("http://"), port).replace(SIMULATED_AT, self.simulator)


@contextlib.contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """A demo with a key of each kind, and the files that pages send."""
    # Offline: a model that is asked for would be fetched.
    settings = {"CDTS_ADMIN_KEY": OPERATOR, "PRO_TIER_LIMIT": "unlimited", "MODELS_OFFLINE": "true"}
    with process([*CDTS, "demo", "--port", "0", "--data-dir", str(folder)], settings) as service:
        said: dict[str, str] = {}
        for line in service.lines(service.started + 30):
            said[line.split()[0]] = next((word for word in line.split() if word.startswith("http://")), "")
            if line.startswith("serving"):
                break
        demo = Demo(said["serving"], said["simulator"], folder / "demo", {"ADMIN": OPERATOR})
        head = {"X-API-Key": OPERATOR, "Content-Type": "application/json"}
        body = json.dumps({"name": "examples", "tier": "pro"}).encode()
        made = send(demo, Asked("POST", f"{SERVED_AT}/api/auth/keys", head, body, False))
        demo.variables["KEY"] = json.loads(made[2])["data"]["key"]
        filled(demo)
        for name, entry in (
            ("json", "POST /api/resources/import/json"),
            ("csv", "POST /api/resources/import/csv"),
        ):
            (content,) = operation_of(entry)["requestBody"]["content"].values()
            given = content["example"]
            (folder / f"catalogue.{name}").write_text(
                given if name == "csv" else json.dumps(given), encoding="utf-8"
            )
        yield demo


def filled(demo: Demo) -> None:
    """Wait until what is collected after a start is there: whoever reads the pages is slower than a test. Looked for anew
    with each frame of the demo's own stream."""
    left = ["/api/news", "/api/sentiment", "/api/defi", "/api/market", "/api/trending", "/api/coins"]
    head = {"X-API-Key": OPERATOR}
    address = demo.at(SERVED_AT).replace("http://", "ws://")
    with connect(f"{address}/ws?channels=market") as live:
        for _ in range(FILLED_FRAMES):
            left = [
                path
                for path in left
                if send(demo, Asked("GET", SERVED_AT + path, head, None, False))[0] != 200
            ]
            if not left:
                return
            live.recv(timeout=READ_S)
    raise AssertionError(f"not collected: {left}")


def send(demo: Demo, asked: Asked) -> tuple[int, str, bytes]:
    """Status, type and body; of an answer that does not end its first line."""
    parts = urlsplit(demo.at(asked.url))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(asked.method, path, asked.body, asked.headers)
        reply = connection.getresponse()
        body = reply.readline() if asked.stays else reply.read()
        return reply.status, reply.getheader("content-type", ""), body
    finally:
        connection.close()


@cache
def document() -> dict[str, Any]:
    return create_app().openapi()


@cache
def routes() -> dict[str, re.Pattern[str]]:
    """Every route with the pattern of its addresses, those with fewer parameters first."""
    names = [
        f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods
    ]
    names.sort(key=lambda name: name.count("{"))
    return {name: re.compile(re.sub(r"\{\w+\}", "[^/]+", name)) for name in names}


def operation_of(route: str) -> dict[str, Any]:
    method, _, path = route.partition(" ")
    found: dict[str, Any] = document()["paths"][path][method.lower()]
    return found


def route_of(asked: Asked) -> str | None:
    """The route of the OpenAPI document a request is for."""
    address = f"{asked.method} {urlsplit(asked.url).path}"
    return next((route for route, pattern in routes().items() if pattern.fullmatch(address)), None)


def closed(schema: Any) -> Any:
    """The same schema with no room for fields it does not name."""
    if isinstance(schema, dict):
        found = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            found["additionalProperties"] = False
        return found
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def needed(schema: Any) -> dict[str, Any]:
    """The closed components a schema leads to: to read all of them for each answer takes longer than the answer."""
    known, found, waiting = document()["components"]["schemas"], {}, [schema]
    while waiting:
        names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(waiting.pop()))) - found.keys()
        found |= {name: closed(known[name]) for name in names}
        waiting += [known[name] for name in names]
    return found


def fits(route: str, status: int, body: Any) -> list[str]:
    """What a body has that the document does not say of this answer, and the other way round."""
    schema = operation_of(route)["responses"][str(status)]["content"]["application/json"]["schema"]
    whole = {**closed(schema), "components": {"schemas": needed(schema)}}
    return [f"{route}: {error.message[:200]}" for error in jsonschema_rs.iter_errors(whole, body)][:3]


def sent(demo: Demo, command: list[str], folder: Path) -> tuple[Asked, int, str, bytes]:
    asked = curl(command, folder)
    return asked, *send(demo, asked)


def shown(block: Block, kind: str, body: bytes) -> list[str]:
    """Where an answer is not like the one shown. Of the generated pages only the outermost keys are compared: what is inside
    is held against the schema, which knows the keys that are a matter of the moment."""
    assert block.shows is not None
    text = block.shows.text
    if block.shows.language == "text":
        return [] if likeness(text) <= likeness(body.decode()) else [f"it begins with {body[:80]!r}"]
    if "json" not in kind:
        return [f"it is {kind}"]
    real, expected = json.loads(body), answer_of(text)
    if block.page.startswith("docs/examples/"):
        return [] if real.keys() == expected.keys() else [f"$: {sorted(real.keys() ^ expected.keys())}"]
    if isinstance(real, dict) and "asked" not in text:
        # There only where upstreams were asked for this very answer, as a service that has just begun must.
        real.get("meta", {}).pop("asked", None)
    return differences(expected, real)


def likeness(text: str) -> set[str]:
    """Names of metrics, or columns of a table."""
    return set(re.findall(r"^# TYPE (\w+)", text, re.M)) or set(text.splitlines()[0].split(","))


def told(demo: Demo, text: str) -> str:
    """What `python -m websockets ADDRESS` would print first."""
    address = re.findall(r"ws://\S+", text)[0].strip("'")
    with connect(demo.at(address)) as socket:
        return str(socket.recv(timeout=READ_S))


def called(demo: Demo, settings: dict[str, str], arguments: list[str], scratch: Path) -> list[str]:
    """Run a command of cdts in this process; what is wrong with it."""
    unknown = [name for name in settings if not known(name)]
    if unknown:
        return [f"{name} is no setting" for name in unknown]
    try:
        parsed = parser().parse_args(arguments)
    except SystemExit:
        return ["the parser does not take it"]
    if parsed_only(arguments):
        return []
    folder = demo.folder
    if arguments[0] == "watch":
        arguments = [*arguments, "--url", demo.url, "--count", "1"]
    elif arguments[0] == "get":
        arguments = [*arguments, "--url", demo.url]
    elif arguments[:2] == ["db", "restore"]:
        # Into a folder without a database; the server has its own open.
        folder, arguments = scratch / "restored", ["db", "restore", str(demo.folder / "backups")]
    elif arguments[0] == "keys" and getattr(parsed, "id", None):
        arguments = [demo.variables["ID"] if word == parsed.id else word for word in arguments]
    said, wrong = io.StringIO(), io.StringIO()
    os.environ["DATA_DIR"] = str(folder)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            status = main(arguments)
    finally:
        del os.environ["DATA_DIR"]
    if arguments[:2] == ["keys", "create"]:
        demo.variables["ID"] = re.findall(r"key_\w{12}", said.getvalue())[0]
    return [] if status == 0 and said.getvalue() else [f"it ends with {status}: {wrong.getvalue()[-300:]}"]


def parsed_only(arguments: list[str]) -> str | None:
    """The name in `PARSED` of a command that is not run."""
    return next((name for name in PARSED if arguments[: len(name.split())] == name.split()), None)


def known(name: str) -> bool:
    """Whether a setting has that name."""
    return name.lower() in Settings.model_fields or name.startswith((BASE_URL_PREFIX, WS_URL_PREFIX))


class EnoughSeen(Exception):
    """A program that would go on for ever has printed what it was to print."""


def python(demo: Demo, text: str) -> list[str]:
    """Run a Python block; what is wrong with it."""
    printed: list[tuple[Any, ...]] = []

    def seen(*values: Any, **_: Any) -> None:
        printed.append(values)
        if len(printed) >= LINES:
            raise EnoughSeen

    code = compile(demo.at(text), "<page>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "__main__", "print": seen}
    with contextlib.suppress(EnoughSeen):
        made = eval(code, names)
        if inspect.iscoroutine(made):
            asyncio.run(made)
    return [] if printed else ["it printed nothing"]


@cache
def node() -> tuple[str, ...] | None:
    """The command that runs JavaScript as a browser would, or None where there is no node with WebSockets."""
    asked = "const f = process.allowedNodeEnvironmentFlags; " + "; ".join(
        f"if (f.has('{flag}')) console.log('{flag}')"
        for flag in ("--experimental-websocket", "--experimental-eventsource")
    )
    try:
        said = subprocess.run(
            ["node", "-e", asked], capture_output=True, text=True, timeout=READ_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    flags = said.stdout.split()
    return ("node", "--no-warnings", *flags) if len(flags) == 2 else None


def javascript(demo: Demo, text: str, folder: Path) -> list[str]:
    """Run a JavaScript block in node; what is wrong with it. Addresses of a page's own server are the demo's."""
    command = node()
    assert command is not None
    file = folder / "page.mjs"
    file.write_text(demo.at(text).replace('("/', f'("{demo.url}/'), encoding="utf-8")
    with subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        try:
            said, until = b"", time.perf_counter() + READ_S
            while said.count(b"\n") < LINES and (left := until - time.perf_counter()) > 0:
                if select.select([child.stdout], [], [], left)[0]:
                    part = os.read(child.stdout.fileno(), 65536)
                    if not part:
                        break
                    said += part
        finally:
            child.kill()
    failed = "Error" in said.decode() or said.count(b"\n") < LINES
    return [f"it printed {said.decode()[:300]!r}"] if failed else []


def configured(block: Block) -> list[str]:
    """Read a file of settings; names in it that are none."""
    if block.language == "yaml":
        yaml.safe_load(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
        return []
    elif block.language == "ini":
        read = configparser.ConfigParser(strict=False, interpolation=None)
        read.optionxform = str  # type: ignore[assignment,method-assign]
        read.read_string(block.text if "[" in block.text else "[DEFAULT]\n" + block.text)
    names = set(re.findall(r"(?:^|[\s\"'])([A-Z][A-Z0-9_]{2,})[=:]", block.text))
    return [f"{name} is no setting" for name in sorted(names) if not known(name)]
