"""A socket that a service manager opened is taken in the place of one of our own, by the process it is meant for alone."""

from __future__ import annotations

import os
import socket

import pytest

from crypto_dt_source.cli import running


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of a listening socket, told as systemd tells it; whoever takes it closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    number = listener.detach()
    monkeypatch.setattr(running, "HANDED_OVER", number)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    return number


def test_the_socket_that_is_there_is_used(opened: int) -> None:
    os.set_inheritable(opened, True)
    taken = running.handed_over()
    assert taken is not None
    with taken:
        assert taken.fileno() == opened
        assert not taken.get_inheritable()
        assert "LISTEN_FDS" not in os.environ
        with socket.create_connection(taken.getsockname()) as client, taken.accept()[0] as accepted:
            assert accepted.getpeername() == client.getsockname()
        # A second server of this process opens its own.
        assert running.handed_over() is None


@pytest.mark.parametrize(("pid", "count"), [("1", "1"), ("", "1"), (None, "2")], ids=["other", "none", "two"])
def test_one_that_is_not_meant_is_left_alone(
    pid: str | None, count: str, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pid is not None:
        monkeypatch.setenv("LISTEN_PID", pid)
    monkeypatch.setenv("LISTEN_FDS", count)
    assert running.handed_over() is None
    os.close(opened)
