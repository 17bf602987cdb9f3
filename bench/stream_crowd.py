"""Thousands of WebSocket clients in one process, as cheap as they can be: raw sockets and epoll. Part of `bench.fanout`."""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from pathlib import Path

MARK = b'"sent_ns":'
"""In an update: when it was published, nanoseconds of the machine's monotonic clock."""


def connect(port: int, path: str) -> socket.socket:
    """One WebSocket connection by hand."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A reset at the end leaves no port behind that waits for a minute.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.connect(("127.0.0.1", port))
    made.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        part = made.recv(4096)
        if not part:
            raise RuntimeError(f"refused: {head!r}")
        head += part
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"refused: {head[:300]!r}")
    made.setblocking(False)
    return made


def pongs(data: bytes) -> bytes:
    """The answers to the pings in what was read, where each frame came whole."""
    at, answers = 0, b""
    while at + 2 <= len(data):
        size, at_body = data[at + 1] & 0x7F, at + 2
        if size == 126:
            size, at_body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, at_body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if data[at] == 0x89:
            answers += bytes((0x8A, 0x80 | size)) + b"\0\0\0\0" + data[at_body : at_body + size]
        at = at_body + size
    return answers


def clients(port: int, path: str, count: int, report: str) -> None:
    """Connect, print `ready`, note each delivery until standard input closes, write them as 64-bit nanoseconds."""
    poll = select.epoll()
    held: dict[int, socket.socket] = {}
    for _ in range(count):
        made = connect(port, path)
        held[made.fileno()] = made
        poll.register(made.fileno(), select.EPOLLIN)
    poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
    print("ready", flush=True)
    now = time.monotonic_ns
    noted: list[int] = []
    while True:
        for number, _ in poll.poll():
            if number == sys.stdin.fileno():
                if not sys.stdin.readline():
                    return
                Path(report).write_bytes(struct.pack(f"{len(noted)}q", *noted))
                noted.clear()
                print("noted", flush=True)
                continue
            at = now()
            data = held[number].recv(65536)
            found = data.find(MARK)
            if found >= 0:
                noted.append(at - int(data[found + len(MARK) : data.index(b"}", found)]))
            if b"\x89" in data and (answer := pongs(data)):
                held[number].send(answer)
            if not data:
                raise RuntimeError("the server closed a connection")
