"""The guard for supplied addresses: sizes, times, certificates, and what its errors tell."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from outbound_rig import FEED, OK, VETTED, VICTIM, Part, Stage, flood, got, hang, staged

from crypto_dt_source.clock import ManualClock, SystemClock
from crypto_dt_source.gateway import outbound
from crypto_dt_source.gateway.outbound import (
    PORTS,
    OutboundReply,
)
from crypto_dt_source.model.errors import (
    AddressRefused,
    BodyTooLarge,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(monkeypatch) as told:
        yield told


@pytest.mark.parametrize(
    ("head", "block"),
    [
        pytest.param(OK, b"X-Header: 1\r\n" * 100, id="headers"),
        pytest.param(OK + b"X-Header: ", b"a" * 1000, id="one header"),
        pytest.param(OK, b"a" * 1000, id="one header's name"),
        pytest.param(b"HTTP/1.1 200 ", b"O" * 1000, id="status line"),
        pytest.param(b"", b"a" * 1000, id="no status line"),
        pytest.param(OK + b"\r\n", b"a" * 1000, id="body"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 200, id="chunks"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n" * 200, id="trailers"),
        pytest.param(
            OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"", mtime=0)[:10],
            b"\0\0\0\xff\xff" * 200,
            id="gzip of nothing",
        ),
    ],
)
async def test_what_has_no_end_is_cut(stage: Stage, head: bytes, block: bytes) -> None:
    sent = [0]
    stage.answers["/"] = lambda writer: flood(writer, head, block, sent)
    with pytest.raises(UpstreamError) as caught:
        await got(stage, stage.url(), max_bytes=200_000, timeout_s=20.0)
    assert not isinstance(caught.value, UpstreamTimeout | AddressRefused)
    await ManualClock().settle()
    assert sent[0] < 12_000_000, "what the socket's own buffers hold, and no more"


@pytest.mark.parametrize(
    ("head", "block"),
    [
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10, id="answers before the answer"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 1000, id="chunk extension"),
    ],
)
async def test_what_is_sent_beside_the_answer_ends_with_the_time_and_is_not_kept(
    stage: Stage, head: bytes, block: bytes
) -> None:
    stage.answers["/"] = lambda writer: flood(writer, head, block, [0])
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamTimeout):
            await got(stage, stage.url(), timeout_s=0.4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20, "what one read from the socket holds"


async def test_an_announced_giant_is_not_read(stage: Stage) -> None:
    stage.says("/", b"", Content_Length="200001")
    with pytest.raises(BodyTooLarge):
        await got(stage, stage.url(), max_bytes=200_000)


async def test_a_body_of_just_the_cap_arrives(stage: Stage) -> None:
    stage.says("/plain", bytes(200_000))
    stage.says("/packed", gzip.compress(bytes(200_000), mtime=0), Content_Encoding="gzip")
    stage.says("/more", gzip.compress(bytes(200_001), mtime=0), Content_Encoding="gzip")
    assert (await got(stage, stage.url("/plain"), max_bytes=200_000)).body == bytes(200_000)
    assert (await got(stage, stage.url("/packed"), max_bytes=200_000)).body == bytes(200_000)
    with pytest.raises(BodyTooLarge):
        await got(stage, stage.url("/more"), max_bytes=200_000)


async def test_a_gzip_bomb_is_never_unpacked(stage: Stage) -> None:
    size = 64 << 20
    packer = zlib.compressobj(wbits=31)
    block = bytes(1 << 20)
    bomb = b"".join([*(packer.compress(block) for _ in range(64)), packer.flush()])
    stage.says("/one", bomb, Content_Encoding="gzip")
    stage.says("/parts", gzip.compress(bytes(1 << 20), mtime=0) * 15, Content_Encoding="gzip")
    stage.says("/many", gzip.compress(b"", mtime=0) * 20_000, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        for path, error in (("/one", BodyTooLarge), ("/parts", BodyTooLarge), ("/many", UpstreamUnreachable)):
            with pytest.raises(error):
                await got(stage, stage.url(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20 < size


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
async def test_a_packed_body_arrives_plain(stage: Stage, coding: str) -> None:
    stage.says("/", gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0), Content_Encoding=coding)
    assert (await got(stage, stage.url())).body == b"one two"
    stage.says("/", b"", Content_Encoding=coding)
    assert (await got(stage, stage.url())).body == b""


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"cut short" * 100, mtime=0)[:-20]),
        ("gzip", gzip.compress(b"and then", mtime=0) + b"rubbish"),
        ("br", b"\x0b\x02\x80hello\x03"),
        ("deflate", b""),
        ("gzip, gzip", gzip.compress(gzip.compress(b"twice", mtime=0), mtime=0)),
    ],
    ids=["not gzip", "cut short", "rubbish behind", "not brotli", "nothing", "twice"],
)
async def test_a_body_that_was_not_asked_for_so_is_unreachable(
    stage: Stage, coding: str, body: bytes
) -> None:
    stage.says("/", body, Content_Encoding=coding)
    with pytest.raises(UpstreamUnreachable):
        await got(stage, stage.url())


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await SystemClock().sleep(0.01)


@pytest.mark.parametrize("answer", [hang, drip])
async def test_the_time_is_for_the_whole(stage: Stage, answer: Part) -> None:
    stage.answers["/slow"] = answer
    stage.redirects("/", "/slow")
    begun = SystemClock().monotonic()
    with pytest.raises(UpstreamTimeout):
        await got(stage, stage.url(), timeout_s=0.2)
    assert SystemClock().monotonic() - begun < 2.0


async def test_a_name_server_that_hangs_ends_with_the_time(stage: Stage) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    with pytest.raises(UpstreamTimeout):
        await got(stage, stage.url(), resolve=never, timeout_s=0.1)


async def test_a_name_without_an_address_is_unreachable(stage: Stage) -> None:
    stage.addresses["empty.example.org"] = [()]
    for host in ("empty.example.org", "unknown.example.org"):
        with pytest.raises(UpstreamUnreachable):
            await got(stage, stage.url("/", host))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of FEED alone that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split()
    names = ["-subj", f"/CN={FEED}", "-addext", f"subjectAltName=DNS:{FEED}"]
    try:
        subprocess.run([*command, *names, "-keyout", key, "-out", chain], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not here to make a certificate")
    return chain, key


async def test_tls_is_asked_by_name_and_checked_against_it(
    stage: Stage, certificate: tuple[Path, Path]
) -> None:
    asked: list[str | None] = []
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(*certificate)
    served.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=certificate[0])
    other = "other.example.org"
    stage.addresses[other] = [(VETTED,)]
    stage.says("/", b"over tls")
    server = await asyncio.start_server(stage._vetted, VETTED, 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    ports = PORTS | {port}
    async with server:
        reply = await got(stage, f"https://{FEED}:{port}/", ports=ports, tls=trusting)
        assert (reply.body, reply.address) == (b"over tls", VETTED)
        with pytest.raises(UpstreamUnreachable):
            await got(stage, f"https://{other}:{port}/", ports=ports, tls=trusting)
        with pytest.raises(UpstreamUnreachable):
            await got(stage, f"https://{FEED}:{port}/", ports=ports)
        with pytest.raises(UpstreamUnreachable):
            await got(stage, f"https://{VETTED}:{port}/", ports=ports, tls=trusting)
    assert asked == [FEED, other, FEED, None]
    assert len(stage.heads) == 1, "nothing was sent where the certificate was wrong"


async def test_a_closed_door_stays_closed(stage: Stage) -> None:
    door = stage.outbound()
    await door.close()
    with pytest.raises(UpstreamUnreachable):
        await door.get(stage.url())
    assert stage.tried == []


async def test_closing_leaves_a_request_under_way_its_own_error(stage: Stage) -> None:
    arrived = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await door.close()
        writer.write(stage.answers["/moved"])  # type: ignore[arg-type]

    door = stage.outbound()
    stage.redirects("/moved", "/next")
    stage.answers["/"] = wait
    with pytest.raises(UpstreamUnreachable):
        await door.get(stage.url())
    assert arrived.is_set()


async def test_closing_leaves_names_that_wait_to_be_resolved_their_own_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def slow(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        assert release.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (VETTED, port))]

    stage.says("/", b"ok")
    door = stage.outbound(resolve=None)
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    waiting = [asyncio.ensure_future(door.get(stage.url())) for _ in range(outbound.LOOKUPS_AT_ONCE + 2)]
    await ManualClock().settle()
    await door.close()
    release.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [end.body for end in ends if isinstance(end, OutboundReply)] == [b"ok"] * len(waiting)


async def test_requests_beyond_the_slots_wait(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "AT_ONCE", 2)
    release = asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    stage.answers["/"] = held
    stage.says("/quick", b"ok")
    door = stage.outbound()
    stuck = [asyncio.ensure_future(door.get(stage.url())) for _ in range(2)]
    await ManualClock().settle()
    quick = asyncio.ensure_future(door.get(stage.url("/quick")))
    _, waiting = await asyncio.wait([quick], timeout=0.2)
    assert (waiting, len(stage.tried)) == ({quick}, 2)
    release.set()
    assert [reply.body for reply in await asyncio.gather(*stuck, quick)] == [b"", b"", b"ok"]
    await door.close()


async def test_no_error_repeats_the_address(stage: Stage) -> None:
    secret = "s3cret"
    stage.addresses[f"{secret}.example.org"] = [(VICTIM,)]
    stage.redirects(f"/{secret}", f"http://{VICTIM}:{stage.port}/{secret}")
    stage.answers[f"/{secret}-cut"] = OK[:5]
    urls = [
        *(
            f"http://user:{secret}@example.com/",
            f"http://127.0.0.1/{secret}",
            f"http://{secret}/",
            f"{secret}://a",
        ),
        *(
            stage.url("/", f"{secret}.example.org"),
            stage.url(f"/{secret}"),
            stage.url("/", f"no-{secret}.example.org"),
        ),
        *(f"http://{FEED}:1/{secret}", f"http://[{secret}]/", f"http://xn--{secret}.com/"),
    ]
    for url in urls:
        with pytest.raises(UpstreamError) as caught:
            await got(stage, url, ports=PORTS | {stage.port, 1})
        shown = f"{caught.value} {caught.value.details} {caught.value!r}"
        assert secret not in shown
        assert VICTIM not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__
