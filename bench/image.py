"""Claim 2 of issue 7: the steps of the Dockerfile, carried out without an engine, and what they make run as a Space runs it.

As root, in a mount namespace of its own: each stage gets a folder as its root, with this machine's system and a Python of
the version asked for where the base image has them. RUN, COPY, ENV, WORKDIR and USER are done as they are written, the
packages are fetched for real. The last stage is then made read-only but for /data, the home and /tmp, each empty, and its
CMD is started in it as its USER without any capability, with HF_SPACE=true and every provider pointed at a simulator.

It must answer on 7860, fill itself with prices, and give a key. Then it is killed (kill -9) and started again on a fresh
disk with the same target for SHIP_URL: the key and the history must be there. Once with a folder as the target, once with
a driver of fsspec.

    python -m bench.image [--python 3.12] [--keep] [--again FOLDER]
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import dockerfile
from bench.image_run import prove

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = "CDTS_BENCH_SCRATCH"
SYSTEM = ("usr", "lib", "lib64", "bin", "sbin")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


class Image:
    """The roots of the stages, built one after the other."""

    def __init__(self, folder: Path, python: Path) -> None:
        self._folder = folder
        self._python = python
        self.roots: dict[str, Path] = {}

    def build(self, stage: dockerfile.Stage, arguments: Mapping[str, str]) -> Path:
        """The root of a stage, every step done."""
        root = self._folder / (stage.name or "final")
        self.roots[stage.name] = root
        self.system(root)
        self._base(root)
        values = {"PATH": PATH, "HOME": "/root"}
        place = "/"
        for step in stage.steps:
            print(f"  {step.word} {step.text[:110]}", flush=True)
            text = dockerfile.filled(step.text, values)
            if step.word == "ARG":
                name, _, default = step.text.partition("=")
                values[name] = arguments.get(name, default)
            elif step.word == "WORKDIR":
                place = text
                (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif step.word == "ENV":
                values.update(part.partition("=")[::2] for part in shlex.split(text))
            elif step.word == "RUN":
                inside(root, place, values, ["sh", "-ec", step.text])
            elif step.word == "COPY":
                self._copy(root, place, text)
        return root

    def system(self, root: Path) -> None:
        """This machine's system in the place of the base image's, and the Python in /usr/local; nothing of it can be
        written."""
        root.mkdir(exist_ok=True)
        for name in SYSTEM:
            if not Path("/", name).is_symlink():
                mount(Path("/", name), root / name, read_only=True)
            elif not (root / name).is_symlink():
                (root / name).symlink_to(os.readlink(Path("/", name)))
        mount(self._python, root / "usr" / "local", read_only=True)
        for name in ("proc", "dev"):
            mount(Path("/", name), root / name)

    def _base(self, root: Path) -> None:
        """What else the base image has: folders, an /etc of its own."""
        for name in ("tmp", "var", "root", "opt"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "var" / "lib").mkdir()
        shutil.copytree("/etc", root / "etc", symlinks=True)
        _system_accounts(root / "etc")
        _run("ldconfig", "-r", root)
        # Where packages come from is this machine's business, for the builder alone.
        own = Path.home() / ".config" / "pip"
        if own.is_dir():
            shutil.copytree(own, root / "root" / ".config" / "pip")

    def _copy(self, root: Path, place: str, text: str) -> None:
        parts = text.split()
        source = ROOT
        if parts[0].startswith("--from="):
            source = self.roots[parts.pop(0).removeprefix("--from=")]
        *names, to = parts
        target = root / (to if to.startswith("/") else f"{place}/{to}").lstrip("/")
        for name in names:
            found = source / name.lstrip("/")
            if found.is_dir():
                skipped = shutil.ignore_patterns("__pycache__", "vendor", "*.egg-info")
                shutil.copytree(found, target, symlinks=True, ignore=skipped if source == ROOT else None)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target / found.name)
        if source == ROOT:
            _run("chown", "-R", "root:root", target)


def _system_accounts(etc: Path) -> None:
    """Leave those the base image has: this machine's people are not in it."""
    people = set()
    for file in ("passwd", "group"):
        lines = (etc / file).read_text().splitlines()
        kept = [line for line in lines if not 1000 <= int(line.split(":")[2]) < 60_000]
        people |= {line.split(":")[0] for line in lines if line not in kept}
        (etc / file).write_text("\n".join(kept) + "\n")
    for file in ("shadow", "gshadow"):
        lines = (etc / file).read_text().splitlines() if (etc / file).exists() else []
        kept = [line for line in lines if line.split(":")[0] not in people]
        (etc / file).write_text("".join(f"{line}\n" for line in kept))


def mount(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show `source` at `target`."""
    target.mkdir(parents=True, exist_ok=True)
    _run("mount", "--rbind", source, target)
    if read_only:
        _run("mount", "-o", "remount,bind,ro", target)


def inside(root: Path, place: str, values: Mapping[str, str], command: Sequence[str]) -> None:
    """Run a command as root with `root` as its root. Raises SystemExit with the end of its output when it fails."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    given = [f"{name}={value}" for name, value in {**pip, **values}.items()]
    done = subprocess.run(
        ["chroot", str(root), "env", "-i", "-C", place, *given, *command],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-3000:]}\nexit status {done.returncode}")


def python_of(version: str) -> Path:
    """The prefix of an installed Python of that version. Raises SystemExit where there is none."""
    asked = "import sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
    for name in filter(shutil.which, (f"python{version}", sys.executable)):
        found = subprocess.run([name, "-c", asked], capture_output=True, text=True, check=False)
        prefix, _, its = found.stdout.strip().partition(" ")
        if found.returncode == 0 and its == version:
            return Path(prefix)
    sys.exit(f"there is no Python {version} on this machine; --python names another")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="version of the base image (default: the Dockerfile's)")
    parser.add_argument("--keep", action="store_true", help="leave the scratch folder")
    parser.add_argument("--again", metavar="FOLDER", help="run what an earlier --keep left there")
    given = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("roots are changed and mounts made here: it needs root, in a sandbox")
    if SCRATCH not in os.environ:
        return _apart(given.again, given.keep)
    arguments = {"PYTHON": given.python} if given.python else {}
    stages = dockerfile.stages(ROOT / "Dockerfile", arguments)
    version = stages[0].base.partition(":")[2].partition("-")[0]
    folder = Path(os.environ[SCRATCH])
    image = Image(folder, python_of(version))
    begun = time.perf_counter()
    if (folder / "final").is_dir():
        image.system(folder / "final")
        return prove(folder / "final", stages[-1], folder)
    for stage in stages:
        print(f"FROM {stage.base}", flush=True)
        image.build(stage, arguments)
    print(f"built in {time.perf_counter() - begun:.0f} s", flush=True)
    return prove(image.roots[""], stages[-1], folder)


def _apart(again: str | None, keep: bool) -> int:
    """The whole again in a mount namespace, with whose end every mount ends; only then is the scratch folder removed."""
    folder = again or tempfile.mkdtemp(prefix="cdts-image-")
    Path(folder).chmod(0o755)
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "bench.image"]
    try:
        return subprocess.call([*command, *sys.argv[1:]], env={**os.environ, SCRATCH: folder}, cwd=ROOT)
    finally:
        print(f"left in {folder}" if keep else "", end="", flush=True)
        if not keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
