"""A secret of this installation, made once and kept in a file for its owner alone; and whether one given is weak."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from glob import escape
from itertools import pairwise
from pathlib import Path

MIN_BYTES = 32
"""RFC 7518, 3.2 (https://www.rfc-editor.org/rfc/rfc7518#section-3.2): an HS256 key is at least as long as its hash."""
_MIN_DISTINCT = 8
_MIN_REST = 20
_JUDGED = 4096

# The secret in FastAPI's tutorial, then the words that templates and tutorials write where the secret goes. Longest
# first, so that `changeme` does not leave an `me`.
_EXAMPLES = (
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7 authentication authorization cryptodtsource "
    "placeholder development 1234567890 passphrase production qwertyuiop asdfghjkl changethis generate insecure "
    "password security somewhere whatever anything changeit changeme default example minimum private replace session "
    "signing staging zxcvbnm access before change config course crypto django enough insert letmein longer please "
    "python qwerty random sample secret secure server shared should simple source string strong update 123456 admin "
    "chars dummy enter fastapi flask goes least local nodejs super thing token using value world your auth byte bits "
    "data demo from good have hello here into jwt keep keys live long make must only prod real safe some test that "
    "then this todo user very when with abc any app api but dev env for foo key new not now one own set the try use "
    "you 123 256 512 xxx"
).split()
_WORDS = re.compile("|".join(sorted(_EXAMPLES, key=len, reverse=True)))


class SecretFileError(ValueError):
    """A secret file that cannot be used or made; the text names the file and what to do, never what is in it."""


def load_or_make(path: Path, size: int = 32) -> bytes:
    """The `size` random bytes kept as hex in `path`; they are made there when it does not exist.

    A made file has mode 0600, a made folder 0700, and the file appears under its name only whole and on the disk: of
    processes that start at once all get the secret of the one that was first, and one killed in the middle leaves
    nothing that counts. Blocks on the disk. Raises SecretFileError for a file that others may read or that another
    user owns, that is no regular file or not `size` bytes in hex, and where it cannot be read or made.
    """
    try:
        held = _read(path, size)
        if held is None:
            _make(path, size)
            held = _read(path, size)
    except OSError as error:
        raise SecretFileError(
            f"{path}: the secret cannot be read or made ({error.strerror or type(error).__name__}); give this user "
            "the file and its folder, on a file system with hard links."
        ) from error
    if held is None:
        raise SecretFileError(f"{path}: the secret was taken away while it was made; start again.")
    _sweep(path)
    return held


def _read(path: Path, size: int) -> bytes | None:
    # Without O_NONBLOCK a pipe of that name would hold the start up for ever; a link may lead to a file of another's.
    flags = os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_NONBLOCK") | _flag("O_CLOEXEC") | _flag("O_BINARY")
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SecretFileError(f"{path}: is a symbolic link; put the file itself there.") from None
        raise
    try:
        _refuse_shared(path, os.fstat(descriptor))
        text = os.read(descriptor, 2 * size + 3)
    finally:
        os.close(descriptor)
    if re.fullmatch(rb"[0-9a-fA-F]{%d}(\r?\n)?" % (2 * size), text) is None:
        raise SecretFileError(
            f"{path}: does not hold {size} bytes in hex; put the file back from a backup, or remove it to have a new "
            "secret made, which ends everything the old one vouched for."
        )
    return bytes.fromhex(text[: 2 * size].decode())


def _refuse_shared(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretFileError(f"{path}: is not a regular file; move it away.")
    # Windows keeps rights in lists that the mode does not show.
    if sys.platform != "win32":
        if found.st_mode & 0o077:
            raise SecretFileError(
                f"{path}: others may read it (mode {stat.S_IMODE(found.st_mode):04o}); chmod 600 it, or remove it to "
                "have a new secret made."
            )
        if os.geteuid() not in (0, found.st_uid):
            raise SecretFileError(f"{path}: belongs to another user; chown it to the one this runs as.")


def _make(path: Path, size: int) -> None:
    """Put a new secret at `path` unless there is one by then."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _flag("O_CLOEXEC"), 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(secrets.token_hex(size).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        # A link, unlike a rename, fails where the name is taken. Not found: a process that was first swept the draft.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Names are on the disk only when their folder is."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot; a disk that fails says something else.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Take away drafts of killed processes: one may be a second name of the secret."""
    with contextlib.suppress(OSError):
        for draft in path.parent.glob(f".{escape(path.name)}.*.tmp"):
            draft.unlink(missing_ok=True)


def _flag(name: str) -> int:
    flag: int = getattr(os, name, 0)
    return flag


def strength(secret: str) -> str | None:
    """Why `secret` is too weak to sign tokens with, in words that do not repeat it; None when it is fine.

    Weak is: under 32 bytes of UTF-8, under 8 different characters, mostly words that examples are made of, a pattern
    that repeats, a run of neighbours (`abcdef…`). This catches what people leave in place; it measures no entropy.
    """
    secret = secret.strip()
    length = len(secret.encode(errors="surrogatepass"))
    if length < MIN_BYTES:
        return f"it is {length} bytes long, at least {MIN_BYTES} are needed"
    text = secret[:_JUDGED]
    if len(set(text)) < _MIN_DISTINCT:
        return f"it has {len(set(text))} different characters, at least {_MIN_DISTINCT} are needed"
    letters = re.sub(r"[\W_]", "", text.lower())
    if len(_WORDS.sub("", letters)) < _MIN_REST <= len(letters):
        return "it is an example's, or words that examples are made of"
    period = _period(text)
    if period < MIN_BYTES and 2 * period <= len(text):
        return f"it repeats after {period} characters"
    neighbours = sum(abs(ord(a) - ord(b)) <= 1 for a, b in pairwise(text))
    if 3 * neighbours >= 2 * (len(text) - 1):
        return "most of its characters follow their neighbour in the alphabet"
    return None


def _period(text: str) -> int:
    """Length of the shortest part that, repeated and cut, makes the text (by its longest border, in linear time)."""
    border = [0] * len(text)
    for i in range(1, len(text)):
        k = border[i - 1]
        while k and text[i] != text[k]:
            k = border[k - 1]
        border[i] = k + (text[i] == text[k])
    return len(text) - border[-1]
