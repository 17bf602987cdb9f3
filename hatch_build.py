"""Takes the chart library of the dashboard out of the package that carries it, while this one is built.

Only its script is wanted: the package is a Python wrapper whose own dependencies (pandas, a browser window) have no place
in a server, so it is fetched without them and never installed. The script must be the one known here, byte by byte.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CHARTS = "lightweight-charts==2.1"
"""TradingView's Lightweight Charts 4.1.3, Apache-2.0: https://tradingview.github.io/lightweight-charts/"""
MEMBER = "lightweight_charts/js/lightweight-charts.js"
SHA256 = "a7d4221516c7ea0bb0cc17d605df8848c1c748517a2ca43c2ce1a95ddb159006"
TARGET = "src/crypto_dt_source/api/static/vendor/lightweight-charts.js"


class ChartsHook(BuildHookInterface[Any]):
    """Puts the script beside the dashboard's own files, once; raises RuntimeError where that cannot be done."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = Path(self.root, TARGET)
        if not (target.is_file() and _digest(target.read_bytes()) == SHA256):
            target.parent.mkdir(parents=True, exist_ok=True)
            script = _fetched()
            # A build that is stopped in between must not leave half a script that looks whole.
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(script)
            partial.replace(target)
        build_data["artifacts"].append(TARGET)


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(  # noqa: S603 - the command is fixed
            [*command, "--disable-pip-version-check", "--dest", folder, CHARTS],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise RuntimeError(
                f"The dashboard's chart library, {CHARTS}, could not be fetched:\n{done.stderr}"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            script = wheel.read(MEMBER)
    if _digest(script) != SHA256:
        raise RuntimeError(f"{MEMBER} of {CHARTS} is not the file it was.")
    return script


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
