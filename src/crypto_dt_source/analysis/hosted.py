"""A model in a process of its own: `python -m crypto_dt_source.analysis.hosted`, spoken to over its pipes.

For torch. Loading that library holds the interpreter for most of a second, event loop included, in whatever thread it
is done; its memory comes back only with the process; and what the kernel kills for want of memory is then not the
service. Only this module's own two ends ever speak on the pipes.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, BinaryIO

from ..model.errors import CdtsError, ModelUnavailable
from ..model.sentiment import Score
from .checkpoint import Checkpoint
from .threads import told

_LENGTH = struct.Struct("<Q")
CLOSING_S = 5.0
FAULTS = (ArithmeticError, AttributeError, CdtsError, ImportError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)  # fmt: skip
"""What a call in the child may raise and outlive; anything else ends it."""


class Hosted:
    """The model of a checkpoint, opened in a new process. `ended` turns true once that process is gone.

    Raises ModelUnavailable with the child's reason, here and from every call.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.ended = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the service: it ends its models itself
        )
        try:
            self.memory_bytes = int(self._ask("open", checkpoint))
        except ModelUnavailable:
            self.close()
            raise

    def score(self, texts: Sequence[str]) -> list[Score]:
        """See `scoring.SentimentModel.score`."""
        found: list[Score] = self._ask("score", list(texts))
        return found

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        """See `scoring.TextModel.generate`."""
        return str(self._ask("generate", prompt, max_new_tokens))

    def close(self) -> None:
        """End the process: by itself when it reads that nobody asks any more, else by force."""
        self.ended = True
        if self._process.stdin is not None and self._process.stdout is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it is gone already
        try:
            self._process.wait(CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def _ask(self, *call: Any) -> Any:
        if self.ended or self._process.stdin is None or self._process.stdout is None:
            raise ModelUnavailable("The model's process has ended.")
        try:
            _send(self._process.stdin, call)
            fine, found = _receive(self._process.stdout)
        except (OSError, EOFError) as error:
            self.ended = True
            raise ModelUnavailable(f"The model's process has ended: {self._last_words()}") from error
        if not fine:
            raise ModelUnavailable(str(found))
        return found

    def _last_words(self) -> str:
        """The child's last line, else how it ended."""
        try:
            status: object = self._process.wait(CLOSING_S)
        except subprocess.TimeoutExpired:
            status = "unknown"
        self._said.seek(0)
        lines = self._said.read()[-4000:].decode("utf-8", "replace").split("\n")
        line = next((line for line in reversed(lines) if line.strip()), "")
        return told(RuntimeError(line)).partition(": ")[2] if line else f"status {status}."


def _send(pipe: BinaryIO | Any, value: object) -> None:
    body = pickle.dumps(value)
    pipe.write(_LENGTH.pack(len(body)) + body)
    pipe.flush()


def _receive(pipe: BinaryIO | Any) -> Any:
    """The next value. Raises EOFError where the other end is closed."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 - written by `_send` at the other end, from nobody else


def main() -> int:
    """Open the model that is asked for, answer until nobody asks any more."""
    from .loading import open_here

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is not an answer
    model: Any = None
    while True:
        try:
            name, *arguments = _receive(sys.stdin.buffer)
        except EOFError:
            return 0
        try:
            if name == "open":
                model = open_here(*arguments)
                answer = (True, model.memory_bytes)
            else:
                answer = (True, getattr(model, name)(*arguments))
        except FAULTS as error:
            answer = (False, told(error))
        try:
            _send(answers, answer)
        except BrokenPipeError:
            return 0


if __name__ == "__main__":
    sys.exit(main())
