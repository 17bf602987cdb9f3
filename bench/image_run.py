"""What the built image does when it runs as a Space runs it; the second half of `bench.image`."""

from __future__ import annotations

import csv
import ctypes
import fcntl
import http.client
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import dockerfile
from bench.report import claim
from bench.running import CDTS, Process, get, process, upstreams_at
from crypto_dt_source.cli.simulate import sockets_at
from crypto_dt_source.settings import WS_URL_PREFIX

ADDRESS = "http://127.0.0.1:7860"
UID = 1000
ADMIN = "c1f4a7d2908e4b36a5f7c8e1d2b3a4f5968778695a4b3c2d1e0f9a8b7c6d5e4f"
SALT = "5f0c9a7be1d2438f96b7a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708"
SPACE = {"SPACE_ID": "owner/name", "HF_SPACE": "true"}
LOST_S = 60.0
FILL_S = 40.0
START_S = 120.0
NEW_NETWORK = 0x40000000
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x1 | 0x40
"""CLONE_NEWNET of <sched.h>, SIOCSIFFLAGS and IFF_UP | IFF_RUNNING of <net/if.h>."""
DATASETS = ("prices", "ohlcv")
TARGETS = {
    "a folder": {"SHIP_URL": "/bucket/folder"},
    # fsspec reads what a driver is opened with from such variables.
    "a driver of fsspec": {
        "SHIP_URL": "dir://driver",
        "FSSPEC_DIR": json.dumps(
            {"path": "/bucket", "target_protocol": "file", "target_options": {"auto_mkdir": True}}
        ),
    },
}


@dataclass
class Machine:
    """A root nobody can write in but for its disks, which are lost when they are changed for fresh ones."""

    root: Path
    stage: dockerfile.Stage
    disks: tuple[str, ...]

    def fresh(self) -> None:
        """Empty disks in the place of the old ones."""
        for disk in self.disks:
            at = self.root / disk.lstrip("/")
            if at.is_mount():
                subprocess.run(["umount", "-l", at], check=True)
            own = "mode=1777" if disk == "/tmp" else f"mode=0700,uid={UID},gid={UID}"
            subprocess.run(["mount", "-t", "tmpfs", "-o", own, "tmpfs", at], check=True)

    def command(self, command: list[str], values: Mapping[str, str]) -> list[str]:
        """A command as the image's user, without a capability, and with nothing of this machine's environment."""
        user, _, group = self.stage.of("USER")[-1].text.partition(":")
        place = self.stage.of("WORKDIR")[-1].text
        given = [f"{k}={v}" for k, v in {**self.stage.environment(), **values}.items()]
        bare = ["--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        return [
            *("chroot", str(self.root), "setpriv", f"--reuid={user}", f"--regid={group}", *bare),
            *("env", "-i", "-C", place, *given, *command),
        ]

    def ended(self, command: list[str], values: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit status and output of a command."""
        done = subprocess.run(
            self.command(command, values or {}), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def serving(self, values: Mapping[str, str]) -> Iterator[Process]:
        """The image's CMD, once it serves; not beyond the block."""
        with process(self.command(dockerfile.listed(self.stage.of("CMD")[-1].text), values)) as server:
            said = server.lines(time.perf_counter() + START_S)
            if not any(line.startswith(f"serving     {ADDRESS} ") for line in said):
                raise RuntimeError(f"it does not serve at {ADDRESS}: {server.errors()}")
            yield server


def own_network() -> None:
    """From here on this process and its children have a loopback of their own and nothing else: the port is theirs, and
    nothing leaves the machine. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))


def prove(root: Path, stage: dockerfile.Stage, folder: Path) -> int:
    """Every claim; gives the exit status."""
    own_network()
    for name in ("bucket/folder", "bucket/driver"):
        (root / name).mkdir(parents=True, exist_ok=True)
    sealed = folder / "sealed"
    sealed.mkdir(exist_ok=True)
    subprocess.run(["mount", "--rbind", root, sealed], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", sealed], check=True)
    bucket = folder / "bucket"
    for name in ("folder", "driver"):
        shutil.rmtree(bucket / name, ignore_errors=True)
        (bucket / name).mkdir(parents=True)
        os.chown(bucket / name, UID, UID)
    subprocess.run(["mount", "--bind", bucket, sealed / "bucket"], check=True)
    machine = Machine(sealed, stage, ("/data", stage.environment()["HOME"], "/tmp"))
    machine.fresh()
    good = [_small(machine), _sealed(machine)]
    with process((*CDTS, "sim", "--port", "0")) as simulator:
        address = simulator.address()
        sockets = {f"{WS_URL_PREFIX}{name.upper()}": url for name, url in sockets_at(address).items()}
        values = {**SPACE, **upstreams_at(address), **sockets}
        good += _as_a_space(machine, values)
        for name, target in TARGETS.items():
            given = {**values, **target, "API_KEY_SALT": SALT, "CDTS_ADMIN_KEY": ADMIN}
            good += _over_a_kill(machine, name, given)
    return 0 if all(good) else 1


def _small(machine: Machine) -> bool:
    _, told = machine.ended(["du", "-sm", "--apparent-size", "/opt/cdts"])
    _, parts = machine.ended(["sh", "-c", "du -sm --apparent-size /opt/cdts/lib/python3*/site-packages/* | sort -rn | head -12"])  # fmt: skip
    print(parts)
    size = float(told.split()[0])
    torch, _ = machine.ended(["python", "-c", "import torch"])
    pip, _ = machine.ended(["/opt/cdts/bin/python", "-m", "pip", "--version"])
    ok = torch != 0 and pip != 0 and size < 700
    return claim("the environment in the image, without torch and pip", size, "MB", "", None, None, "< 700 MB", ok)  # fmt: skip


def _sealed(machine: Machine) -> bool:
    looked = ["find", "/opt", "/usr/local", "/etc", "-writable", "-not", "-type", "l"]
    _, told = machine.ended(looked)
    writable = [line for line in told.splitlines() if line.startswith("/")]
    status, _ = machine.ended(["sh", "-c", "id -u; grep CapEff /proc/self/status; touch /opt/cdts/x"])
    if writable:
        print("\n".join(writable[:10]))
    return claim(
        "files of the code that uid 1000 can write", len(writable), "files", "", None, None, "0", not writable and status != 0
    )  # fmt: skip


def _wait(path: str, until_s: float = 60.0, want: int = 200) -> tuple[float, Any]:
    """Seconds until a route answered so, and what."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < until_s:
        try:
            status, body = get(ADDRESS, path)
        except (OSError, http.client.HTTPException):
            status, body = 0, None
        if status == want:
            return time.perf_counter() - begun, body
        time.sleep(0.05)
    raise RuntimeError(f"{path} did not answer {want} within {until_s} s")


def _as_a_space(machine: Machine, values: Mapping[str, str]) -> list[bool]:
    """Without a target: it serves, says what it is and what will be lost, and stops in order."""
    health = dockerfile.health(machine.stage.of("HEALTHCHECK")[-1])[1]
    down, _ = machine.ended(health)
    good = []
    with machine.serving(values) as server:
        listening = time.perf_counter() - server.started
        ready, _ = _wait("/api/health/ready")
        good.append(claim("a Space: start to the first answer", listening, "s", "", None, None, "< 30 s", listening < 30))  # fmt: skip
        good.append(claim("a Space: prices after that", ready, "s", "", None, None, "< 60 s", ready < 60))
        status, page = get(ADDRESS, "/api/status")
        lost = get(ADDRESS, "/api/health")[1]["components"]["shipping"]
        price = get(ADDRESS, "/api/prices/BTC")[0]
        up, told = machine.ended(health)
        said = (status, page["data"]["preset"], lost["status"], price)
        print(f"  /api/status preset, health of shipping, price of BTC: {said}\n  {lost['reason']}")
        good.append(claim("HEALTHCHECK while it serves and before", float(up), "exit", "", None, None, "0, before not 0", up == 0 != down))  # fmt: skip
        good.append(said == (200, "hf_space", "degraded", 200) and "lost" in lost["reason"])
        code, took = server.stop()
        good.append(claim("SIGTERM to the end", took, "s", "", None, None, "exit 0 within 20 s", code == 0 and took < 20))  # fmt: skip
        if code or told:
            print(server.errors(), told)
    return good


def _asked(path: str, key: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", 7860, timeout=30)
    try:
        connection.request("GET", path, headers={"X-API-Key": key})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def _history(key: str) -> set[tuple[str, ...]]:
    """Every stored price and closed candle of one asset."""
    found = set()
    for dataset in DATASETS:
        status, body = _asked(f"/api/historical-data?dataset={dataset}&symbol=BTC&format=csv", key)
        if status != 200:
            raise RuntimeError(f"{dataset}: {status} {body[:300]!r}")
        rows = csv.DictReader(io.StringIO(body.decode()))
        found |= {(dataset, *row.values()) for row in rows if row.get("closed") != "false"}
    return found


def _over_a_kill(machine: Machine, name: str, values: Mapping[str, str]) -> list[bool]:
    """Fill, make a key, kill, begin anew on a fresh disk."""
    machine.fresh()
    with machine.serving(values) as server:
        _wait("/api/health/ready")
        time.sleep(FILL_S)
        before = _history(ADMIN)
        time.sleep(LOST_S)
        newest = _history(ADMIN)
        made = _made_key()
        server.kill()
    machine.fresh()
    with machine.serving(values) as server:
        took = time.perf_counter() - server.started
        known, body = _asked("/api/auth/me", made["key"])
        after = _history(made["key"])
        server.stop()
    back, late = len(before & after), len(newest - after)
    print(f"  {name}: {len(newest)} rows right before the kill, {late} of them missing after it")
    share = back / max(1, len(before))
    return [
        claim(f"{name}: kill -9, a fresh disk, the first answer", took, "s", "", None, None, "< 60 s", took < 60),
        claim(f"{name}: the key acknowledged right before the kill", float(known), "status", "", None, None, "200", known == 200 and made["id"].encode() in body),
        claim(f"{name}: history older than 60 s that is back", back, "rows", "there were", len(before), share, "all", back == len(before) > 100),
    ]  # fmt: skip


def _made_key() -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", 7860, timeout=30)
    try:
        headers = {"X-API-Key": ADMIN, "Content-Type": "application/json"}
        connection.request("POST", "/api/auth/keys", json.dumps({"name": "proof", "tier": "pro"}), headers)
        reply = connection.getresponse()
        body = json.loads(reply.read())
    finally:
        connection.close()
    if reply.status != 201:
        raise RuntimeError(f"no key: {reply.status} {body}")
    print(f"  made {body['data']['id']} at {datetime.now(UTC):%H:%M:%S}")
    return dict(body["data"])
