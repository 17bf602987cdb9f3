"""Answers compressed for who takes them so, kept warm or made anew."""

from __future__ import annotations

import pytest
from in_process import Service

from crypto_dt_source.api import packing

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_long_answer_is_the_same_either_way(api: Service) -> None:
    path = "/api/coins?page_size=50"
    # The first fills the cache; of the others the first is made and kept warm, and the next ones repeat it.
    await api.get(path)
    plain = await api.get(path, Accept_Encoding="identity")
    for _ in range(2):
        short = await api.get(path, Accept_Encoding="gzip")
        assert short.headers["content-encoding"] == "gzip"
        assert int(short.headers["content-length"]) < len(plain.content) / 2
        assert short.json()["data"] == plain.json()["data"]
        assert short.headers["etag"] == "W/" + plain.headers["etag"]
        again = await api.get(path, Accept_Encoding="gzip", If_None_Match=short.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
    assert "content-encoding" not in plain.headers
    for answer in (plain, short):
        assert "Accept-Encoding" in answer.headers["vary"]


async def test_an_answer_that_somebody_has_already_says_that_it_may_be_compressed(api: Service) -> None:
    path = "/api/coins?page_size=48"
    await api.get(path)
    # Made for who had it: the next caller is given the same one, compressed.
    known = await api.get(path, Accept_Encoding="gzip", If_None_Match="*")
    assert known.status_code == 304
    assert "Accept-Encoding" in known.headers["vary"]
    assert "content-encoding" not in known.headers
    again = await api.get(path, Accept_Encoding="gzip")
    assert (again.status_code, again.headers["content-encoding"]) == (200, "gzip")


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        (b"br, GZIP;q=0.1", True),
        (b"gzip; q=0.0, *", False),
        (b"*, gzip;q=0", False),
        (b"*;q=0, gzip", True),
        (b"*", True),
        (b"identity", False),
    ],
    ids=["named", "refused", "refused-behind-all", "named-behind-none", "all", "another"],
)
async def test_what_is_said_of_gzip_itself_counts(value: bytes, takes: bool) -> None:
    assert packing.takes_gzip([(b"accept-encoding", value)]) is takes


async def test_a_short_answer_goes_as_it_is(api: Service) -> None:
    answer = await api.get("/api/prices/BTC", Accept_Encoding="gzip")
    assert len(answer.content) < packing.FROM_BYTES
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "worthwhile"),
    [
        ([(b"content-type", b"application/json")], True),
        ([(b"content-type", b"text/plain; version=0.0.4")], True),
        ([(b"content-type", b"application/vnd.apache.parquet")], False),
        ([(b"content-type", b"text/html"), (b"vary", b"Accept-Encoding")], False),
        ([(b"content-type", b"text/html"), (b"content-encoding", b"br")], False),
        ([], False),
    ],
)
async def test_only_texts_that_are_not_packed_already_are(
    headers: list[tuple[bytes, bytes]], worthwhile: bool
) -> None:
    assert packing.worthwhile(headers, b"x" * packing.FROM_BYTES) is worthwhile
    assert not packing.worthwhile(headers, b"x" * (packing.FROM_BYTES - 1))
