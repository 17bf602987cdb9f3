"""As much of the Hugging Face Hub as a target asks for: one dataset and one bucket, on the loopback
(https://huggingface.co/docs/hub/api). Uploads of buckets, which leave Python, are handed over by `Xet`."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlparse

REPO = "me/data"
PLACES = {f"datasets/{REPO}": f"hf://datasets/{REPO}/in", f"buckets/{REPO}": f"hf://buckets/{REPO}/in"}
NO_COMMIT = "0" * 40


class Hub:
    """What the Hub holds: `files` by place and path. `commits` counts changes, `refuse` is the status changes get."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, dict[str, bytes]] = {place: {} for place in PLACES}
        self.uploaded: dict[str, bytes] = {}
        self.commits = 0
        self.refuse = 0

    def get(self, path: str) -> tuple[int, Any]:
        """(status, body) of a reading call; the body of a failure is the Hub's code for it."""
        found = re.fullmatch(
            r"/(?:api/)?((?:datasets|buckets)/[^/]+/[^/]+)(?:/(revision|tree|resolve)(.*))?", path
        )
        if found is None or found[1] not in self.files:
            return 404, "RepoNotFound"
        place, what = found[1], found[2]
        within = (found[3] or "").removeprefix("/main").strip("/")
        if what == "resolve":
            return (200, self.files[place][within]) if within in self.files[place] else (404, "EntryNotFound")
        if what == "tree":
            rows = self._rows(place, f"{within}/" if within else "")
            gone = not rows and within and place.startswith("datasets")
            return (404, "EntryNotFound") if gone else (200, rows)
        return 200, {
            "id": REPO,
            "private": True,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "size": 0,
            "totalFiles": 0,
        }

    def _rows(self, place: str, within: str) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for path, data in self.files[place].items():
            if not path.startswith(within):
                continue
            name, more, _ = path.removeprefix(within).partition("/")
            row = {"type": "file", "size": len(data), "xetHash": "x"} if not more else {"type": "directory"}
            rows[name] = {"path": within + name, "oid": NO_COMMIT, "size": 0, **row}
            if place.startswith("datasets"):
                rows[name].pop("xetHash", None)
        return list(rows.values())

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """(status, body) of a call that changes something."""
        if self.refuse:
            return self.refuse, "token=hunter"
        if "/preupload/" in path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return 200, {"files": files}
        self.commits += 1
        lines = [json.loads(line) for line in body.splitlines()]
        if path.endswith("/batch"):
            for line in lines:
                self._put(f"buckets/{REPO}", line["path"], self.uploaded.get(line.get("xetHash", "")))
            return 200, {"failed": []}
        held = self.files[f"datasets/{REPO}"]
        gone = [line for line in lines if line["key"] == "deletedFile" and line["value"]["path"] not in held]
        if gone:
            return 404, "EntryNotFound"
        for line in lines:
            content = line["value"].get("content")
            if line["key"] in ("file", "deletedFile"):
                data = None if content is None else base64.b64decode(content)
                self._put(f"datasets/{REPO}", line["value"]["path"], data)
        return 200, {"commitUrl": f"{self.url}/datasets/{REPO}/commit/{NO_COMMIT}", "commitOid": NO_COMMIT}

    def _put(self, place: str, path: str, data: bytes | None) -> None:
        if data is None:
            del self.files[place][path]
        else:
            self.files[place][path] = data


class Xet:
    """Takes the place of the session of uploads."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @contextmanager
    def new_upload_commit(self, **_: Any) -> Iterator[Xet]:
        yield self

    def start_upload_bytes(self, data: bytes, **_: Any) -> Any:
        name = f"xet{len(self._hub.uploaded)}"
        self._hub.uploaded[name] = data
        info = SimpleNamespace(hash=name, file_size=len(data))
        return SimpleNamespace(result=lambda: SimpleNamespace(xet_info=info))

    def start_upload_file(self, path: str, **_: Any) -> Any:
        return self.start_upload_bytes(Path(path).read_bytes())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._say(*self.hub.get(unquote(urlparse(self.path).path)))

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length")
        body = self._chunks() if size is None else self.rfile.read(int(size))
        self._say(*self.hub.post(unquote(urlparse(self.path).path), body))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, status: int, found: Any) -> None:
        told = {"error": found} if isinstance(found, str) else found
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        if isinstance(found, str):
            self.send_header("X-Error-Code", found)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def hub_stand_in() -> Iterator[Hub]:
    """One on a free port, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = type("_Bound", (_Handler,), {"hub": hub})
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="hub stand-in"
    )
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
