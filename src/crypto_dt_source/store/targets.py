"""Where copies go: a folder, or what fsspec can write (https://filesystem-spec.readthedocs.io/en/latest/api.html).

Every call runs in a daemon thread with a timeout: a target that hangs costs the service a thread, never its loop or its
end. What is put appears under its name whole or not at all; object stores do that by themselves, a folder by renaming.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from .errors import StoreError

T = TypeVar("T")
AT_ONCE = 8
"""Calls under way at one target, hung ones included."""
CALL_S = 30.0
BYTES_PER_S = 1_000_000
"""A file gets a second more for each so many bytes."""
MISSING = "missing"
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}", re.DOTALL)


class TargetError(StoreError):
    """A target cannot be used. `kind` is `missing` where the object is not there; the message never holds an address,
    which may hold a secret."""


class _Files(Protocol):
    """A target's calls; each blocks. Raises FileNotFoundError for what is not there, anything else for a failure."""

    def write(self, name: str, data: bytes) -> None: ...

    def upload(self, name: str, path: Path) -> None: ...

    def read(self, name: str) -> bytes: ...

    def download(self, name: str, path: Path) -> None: ...

    def sizes(self, folder: str) -> dict[str, int]: ...

    def folders(self) -> list[str]: ...

    def remove(self, names: list[str]) -> None: ...

    @property
    def together(self) -> int:
        """How many are removed by one call."""
        ...


class _Folder:
    """A folder of this machine."""

    together = 1

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, data: bytes) -> None:
        with self._appearing(name) as path:
            path.write_bytes(data)

    def upload(self, name: str, path: Path) -> None:
        with self._appearing(name) as made:
            shutil.copyfile(path, made)

    @contextlib.contextmanager
    def _appearing(self, name: str) -> Any:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            yield made
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def download(self, name: str, path: Path) -> None:
        shutil.copyfile(self._root / name, path)

    def sizes(self, folder: str) -> dict[str, int]:
        try:
            with os.scandir(self._root / folder) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
                return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}
        except FileNotFoundError:
            return {}

    def folders(self) -> list[str]:
        try:
            with os.scandir(self._root) as entries:
                return [entry.name for entry in entries if entry.is_dir()]
        except FileNotFoundError:
            return []

    def remove(self, names: list[str]) -> None:
        for name in names:
            self._remove(self._root / name)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            with os.scandir(path.parent) as entries:
                if not all(_UNFINISHED.fullmatch(entry.name) for entry in entries):
                    return
            # Nothing is left but what a killed process was writing.
            for left in path.parent.iterdir():
                left.unlink()
            path.parent.rmdir()


class _Remote:
    """What fsspec knows by its address. Imported with its driver at the first call."""

    together = 1

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: tuple[Any, str] | None = None

    def _open(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True)
        return fs, str(root).rstrip("/")

    def _at(self, name: str) -> tuple[Any, str]:
        if self._opened is None:
            self._opened = self._open()
        fs, root = self._opened
        return fs, f"{root}/{name}".rstrip("/")

    def write(self, name: str, data: bytes) -> None:
        fs, path = self._at(name)
        fs.pipe_file(path, data)

    def upload(self, name: str, path: Path) -> None:
        fs, to = self._at(name)
        fs.put_file(str(path), to)

    def read(self, name: str) -> bytes:
        fs, path = self._at(name)
        return bytes(fs.cat_file(path))

    def download(self, name: str, path: Path) -> None:
        fs, at = self._at(name)
        fs.get_file(at, str(path))

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        fs, path = self._at(folder)
        # Drivers that list through a cache would not see what another process wrote.
        fs.invalidate_cache()
        try:
            return list(fs.ls(path, detail=True))
        except FileNotFoundError:
            return []

    def sizes(self, folder: str) -> dict[str, int]:
        rows = [row for row in self._listed(folder) if row["type"] == "file"]
        return {PurePosixPath(row["name"]).name: int(row["size"] or 0) for row in rows}

    def folders(self) -> list[str]:
        return [PurePosixPath(row["name"]).name for row in self._listed("") if row["type"] == "directory"]

    def remove(self, names: list[str]) -> None:
        for name in names:
            fs, path = self._at(name)
            with contextlib.suppress(FileNotFoundError):
                fs.rm_file(path)


class _Hub(_Remote):
    """A repository or bucket of the Hugging Face Hub (https://huggingface.co/docs/huggingface_hub/guides/hf_file_system).

    fsspec's driver reads. It does not write: it leaves a temporary file for each upload that fails, and makes a commit for
    each file that is removed, of which the Hub takes so many an hour.
    """

    together = 200

    def _at(self, name: str) -> tuple[Any, str]:
        # One for each call: it answers from a cache of listings, which calls in other threads change meanwhile.
        fs, root = self._open()
        return fs, f"{root}/{name}".rstrip("/")

    def _resolved(self, name: str) -> tuple[Any, Any, bool]:
        """(the Hub's client, where the name is, whether that is a bucket)."""
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        fs, path = self._at(name)
        at = fs.resolve_path(path)
        return HfApi(endpoint=fs.endpoint, token=fs.token), at, hasattr(at, "bucket_id")

    def write(self, name: str, data: bytes) -> None:
        self._put(name, data)

    def upload(self, name: str, path: Path) -> None:
        self._put(name, str(path))

    def _put(self, name: str, what: bytes | str) -> None:
        api, at, bucket = self._resolved(name)
        if bucket:
            api.batch_bucket_files(at.bucket_id, add=[(what, at.path)])
            return
        api.upload_file(
            path_or_fileobj=what,
            path_in_repo=at.path,
            repo_id=at.repo_id,
            repo_type=at.repo_type,
            revision=at.revision,
            commit_message=f"Store {name}",
        )

    def remove(self, names: list[str]) -> None:
        from huggingface_hub import CommitOperationDelete

        # A commit that removes what is not there is refused whole.
        there = {f"{folder}/{name}" for folder in _folders_of(names) for name in self.sizes(folder)}
        names = [name for name in names if name in there]
        if not names:
            return
        api, root, bucket = self._resolved("")
        within = f"{root.path}/" if root.path else ""
        paths = [within + name for name in names]
        if bucket:
            api.batch_bucket_files(root.bucket_id, delete=paths)
            return
        api.create_commit(
            repo_id=root.repo_id,
            repo_type=root.repo_type,
            revision=root.revision,
            operations=[CommitOperationDelete(path_in_repo=path) for path in paths],
            commit_message=f"Remove {len(paths)} files",
        )


def _folders_of(names: list[str]) -> set[str]:
    return {name.rpartition("/")[0] for name in names}


def _shown(scheme: str, rest: str) -> str:
    # Secret keys hold slashes, plus signs and worse, as they are: only what follows the last @ is none of them, and
    # not even that where a query may hold one.
    before, marked, after = rest.rpartition("@")
    unclear = any(mark in before for mark in "?#") or ("/" in before and ":" not in before)
    if "::" in scheme or "::" in rest or (marked and unclear):
        return f"{scheme.partition('::')[0]}://…"
    return f"{scheme}://{after.partition('?')[0].partition('#')[0]}"


class Target:
    """One target. Names are relative, with `/` between folder and file. Every method raises TargetError.

    `shown` is what may be printed: the folder, or scheme, host and path without user, password and query; the scheme
    alone where it is not plain which part is which.
    """

    def __init__(self, url: str, *, call_s: float = CALL_S) -> None:
        scheme, marked, rest = url.partition("://")
        local = (not marked and "::" not in url) or scheme in ("file", "local")
        self._call_s = call_s
        self._free: asyncio.Semaphore | None = None
        self._files: _Files
        if local:
            folder = Path(rest if marked else url)
            self.shown = str(folder)
            self._files = _Folder(folder)
        else:
            self.shown = _shown(scheme, rest)
            self._files = _Hub(url) if scheme == "hf" else _Remote(url)

    async def put(self, name: str, data: bytes) -> None:
        """Store bytes under a name."""
        await self._stored(lambda: self._files.write(name, data), len(data))

    async def put_file(self, name: str, path: Path) -> None:
        """Store a file under a name."""
        size = (await asyncio.to_thread(path.stat)).st_size
        await self._stored(lambda: self._files.upload(name, path), size)

    async def _stored(self, call: Callable[[], None], size: int) -> None:
        try:
            await self._call(call, size)
        except TargetError as error:
            if error.kind != MISSING:
                raise
            raise TargetError(
                f"{self.shown} has no such bucket, repository or folder", kind="nowhere"
            ) from None

    async def get(self, name: str) -> bytes:
        """What is stored under a name."""
        return await self._call(lambda: self._files.read(name))

    async def get_file(self, name: str, path: Path, size: int) -> None:
        """The same into a file of this machine; `size` in bytes sets how long it may take."""
        await self._call(lambda: self._files.download(name, path), size)

    async def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of each file in a folder, by its name there; empty where there is no such folder."""
        return await self._call(lambda: self._files.sizes(folder))

    async def folders(self) -> list[str]:
        """Names of the folders there."""
        return await self._call(self._files.folders)

    async def remove(self, names: Iterable[str]) -> None:
        """Take these away; what is not there is no failure."""
        left = list(names)
        while left:
            some, left = left[: self._files.together], left[self._files.together :]
            await self._call(lambda some=some: self._files.remove(some))  # type: ignore[misc]

    async def _call(self, call: Callable[[], T], size: int = 0) -> T:
        if self._free is None:
            self._free = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(self._call_s + size / BYTES_PER_S):
                await self._free.acquire()
                return await _threaded(call, self._free.release)
        except TimeoutError:
            raise TargetError(f"{self.shown} does not answer") from None


async def _threaded(call: Callable[[], T], over: Callable[[], None]) -> T:
    """Run `call` in a daemon thread and `over` in the loop once the thread has ended, however long after the caller has
    gone. Raises TargetError for what a driver raises: there are as many kinds as drivers, and none is to end a service."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(task: asyncio.Task[T]) -> None:
        over()
        if done.cancelled():
            return
        failure = task.exception()
        if failure is None:
            done.set_result(task.result())
        elif isinstance(failure, FileNotFoundError):
            done.set_exception(TargetError("an object is not there", kind=MISSING))
        else:
            # Not the driver's own words, which may repeat an address.
            number = (failure.errno or 0) if isinstance(failure, OSError) else 0
            reason = os.strerror(number) if number in errno.errorcode else None
            if isinstance(failure, ImportError):
                reason = "the driver of such an address is not installed"
            kind = type(failure).__name__
            # 429 and 403 ask for different things; what else an answer says may repeat an address.
            status = getattr(getattr(failure, "response", None), "status_code", None)
            if isinstance(status, int):
                kind = f"{kind} {status}"
            done.set_exception(TargetError(f"a call failed: {reason or kind}", kind=kind))

    def work() -> None:
        # A loop of the thread's own carries any error there is to `settle` as it is.
        with contextlib.closing(asyncio.SelectorEventLoop()) as inner:
            task = inner.create_task(_called(call))
            inner.run_until_complete(asyncio.wait({task}))
        with contextlib.suppress(RuntimeError):  # the service's loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, task)

    threading.Thread(target=work, name="target", daemon=True).start()
    return await done


async def _called(call: Callable[[], T]) -> T:
    return call()
