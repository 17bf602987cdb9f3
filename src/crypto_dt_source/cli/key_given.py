"""The key that a command shows to a running server: out of the environment or a file. Never an argument, which everybody on
the machine can read, and never in an address, which servers write down."""

from __future__ import annotations

import argparse
import os
import sys

from ..model.errors import InvalidParameter

VARIABLE = "CDTS_API_KEY"
ABOUT = (
    "With a key the server counts for its tier, not for your address. It is read from the environment variable "
    f"{VARIABLE}, or with --key-file from a file; never give it as an argument or in --url."
)
LONGEST = 8192


def add(parser: argparse.ArgumentParser) -> None:
    """The option, and what the command's help says of keys."""
    parser.epilog = ABOUT
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help=f"file that holds an API key or token, - for standard input (default: {VARIABLE})",
    )


def given(key_file: str | None) -> str:
    """The key; empty where there is none. Raises InvalidParameter, which never repeats what was given: a key that was
    taken for the name of its file least of all."""
    # The client takes a fifth of a second to import, which every command would wait for.
    from ..client.key import headers_of

    where = VARIABLE if key_file is None else "--key-file"
    text = os.environ.get(VARIABLE, "") if key_file is None else _read(key_file)
    key = text.strip()
    if key_file is not None and not key:
        raise InvalidParameter("--key-file: it is empty.")
    try:
        headers_of(key)
    except ValueError as error:
        raise InvalidParameter(f"{where}: {error}.") from None
    return key


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.readline(LONGEST + 2)
        with open(name, encoding="utf-8") as file:
            return file.read(LONGEST + 2)
    except (OSError, ValueError) as error:
        raise InvalidParameter(
            f"--key-file: cannot be read ({type(error).__name__}); it names a file, the key itself has no place on a "
            "command line."
        ) from None


def advice(status: int, key: str) -> str:
    """What to do about a refusal; empty where the server's own sentence is enough."""
    if status == 401 and key:
        return f"The key in {VARIABLE} or --key-file is not good there; whoever runs the server can make another."
    if status == 401:
        return f"Put a key into {VARIABLE}, or name its file with --key-file."
    if status == 403:
        return f"The key does not reach that. Another may: {VARIABLE} or --key-file."
    if status == 429 and not key:
        return f"Wait, or put a key of your own into {VARIABLE} or --key-file."
    return ""
