"""Bodies of requests: the key first, then the type, the size, the shape; and what is wrong is said in words."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from fastapi import Request
from in_process import Service, error_of, service

from crypto_dt_source.api import bodies
from crypto_dt_source.api.edge import LARGE_BODIES, MAX_BODY_BYTES
from crypto_dt_source.api.routes.sentiment import OPEN_TEXTS
from crypto_dt_source.api.schemas.sentiment import TextIn
from crypto_dt_source.model.errors import BadRequest
from crypto_dt_source.model.sentiment import BATCH_LIMIT, TEXT_LIMIT, Score

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = "operator-of-these-tests"
BATCH = "/api/analyze/batch"
KEYED = (BATCH, "/api/models/opt-125m/generate")
OPEN = (
    "/api/analyze/text",
    "/api/sentiment/analyze",
    "/api/sentiment/crypto-analysis",
    "/api/hf/run-sentiment",
)
SIXTEEN = "a text of 1 to 10000 characters"
MODEL = "a text of 0 to 200 characters or null"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(tmp_path_factory.mktemp("data"), collected=False, cdts_admin_key=KEY) as running:
        yield running


async def send(
    api: Service, path: str, content: Any, *, key: str = "", kind: str | None = "application/json"
) -> Any:
    headers = {"X-API-Key": key} if key else {}
    if kind is not None:
        headers["Content-Type"] = kind
    return await api.client.post(path, content=content, headers=headers)


def places(api: Service) -> bodies.Places:
    found: bodies.Places = api.edge.app.state.places  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", KEYED)
@pytest.mark.parametrize("key", ["", "not-the-key"])
async def test_nothing_of_a_body_is_read_before_the_key(api: Service, path: str, key: str) -> None:
    said: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def answer(message: Any) -> None:
        said.append(message)

    # Who waits for a 100 Continue has sent nothing that could be thrown away.
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"9"),
        (b"expect", b"100-continue"),
    ]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [*headers, *([(b"x-api-key", key.encode())] if key else [])], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await api.edge(scope, receive, answer)
    assert said[0]["status"] == 401
    error_of(await send(api, path, b"{no JSON", key=key), 401, "unauthenticated")
    error_of(await send(api, path, b"x", key=key, kind="text/plain"), 401, "unauthenticated")


@pytest.mark.parametrize("path", [*OPEN, *KEYED])
async def test_what_is_no_json_is_told_so(api: Service, path: str) -> None:
    for content in (b"{", b"{'text': 1}", b'{"x" 1}', b"\xff\xfe{", b'{"x": 1,}'):
        error_of(await send(api, path, content, key=KEY), 400, "bad_request")
    deep = b'{"x":' + b"[" * 300_000 + b"]" * 300_000 + b"}"
    for content in (deep, deep[:20_000]):
        error_of(await send(api, path, content, key=KEY), 400, "bad_request")
    body = error_of(await send(api, path, b"", key=KEY), 422, "invalid_parameter")
    assert body["error"] == "body: is required."


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
async def test_a_body_is_nested_so_deep_and_no_deeper(api: Service, opened: bytes, closed: bytes) -> None:
    levels = bodies.MAX_DEPTH - 1  # the object around them is one
    each = opened.count(b"[") + opened.count(b"{")
    kept = b"1" if levels % each == 0 else b"[1]"
    deep = opened * (levels // each) + kept + closed * (levels // each)
    text = rb'"text": "Bitcoin soars [[[{{{ \" [[[ \\"'
    answer = await send(api, OPEN[0], b'{"x": ' + deep + b", " + text + b"}")
    assert answer.status_code == 200, answer.text
    answer = await send(api, OPEN[0], b'{"x": [' + deep + b"], " + text + b"}")
    body = error_of(answer, 400, "bad_request")
    assert body["details"] == {"reason": "nested too deep", "allowed": bodies.MAX_DEPTH}


@pytest.mark.parametrize(
    "content", [b'{"text": NaN}', b'{"text": "\xff"}', b'{"text": "a"} x', b'{"text": "a']
)
async def test_a_text_that_is_no_json_text_is_refused(api: Service, content: bytes) -> None:
    body = error_of(await send(api, OPEN[0], content), 400, "bad_request")
    assert body["details"]["reason"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", None]
)
async def test_another_type_than_json_is_refused(api: Service, kind: str | None) -> None:
    body = error_of(await send(api, OPEN[0], b'{"text": "up"}', kind=kind), 415, "unsupported_media_type")
    assert body["details"] == {"parameter": "Content-Type", "got": kind or "", "allowed": "application/json"}


async def test_types_that_are_json_are_read(api: Service) -> None:
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"):
        assert (await send(api, OPEN[0], b'{"text": "up"}', kind=kind)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "parameter", "got", "allowed"),
    [
        (OPEN[0], {"text": 5}, "text", 5, SIXTEEN),
        (OPEN[0], {"text": None}, "text", None, SIXTEEN),
        (OPEN[0], {"text": {"a": 1}}, "text", "an object", SIXTEEN),
        (OPEN[0], {"text": [10**30]}, "text", "a list", SIXTEEN),
        (OPEN[0], {"text": 10**30}, "text", 10**30, SIXTEEN),
        (OPEN[0], {"text": "a", "model": True}, "model", True, MODEL),
        (OPEN[0], {"text": "a", "model": "m" * 201}, "model", "m" * 100, MODEL),
        (OPEN[0], [], "body", "a list", "an object"),
        (OPEN[0], "text", "body", "text", "an object"),
        (OPEN[0], {"text": "", "x": 1}, "text", "", None),
        (OPEN[0], {"text": " \u200b\u2066"}, "text", " \u200b\u2066", None),
        (OPEN[0], {"text": "x" * (TEXT_LIMIT + 1)}, "text", TEXT_LIMIT + 1, "1 to 10000 characters"),
        (OPEN[3], {"texts": ["ok", "\u200b"]}, "texts.1", "\u200b", None),
        (OPEN[3], {"texts": ["\x00"]}, "texts.0", "\x00", None),
        (OPEN[3], {"texts": ["ok", "ok", 7]}, "texts.2", 7, SIXTEEN),
        (OPEN[3], {"texts": "ok"}, "texts", "ok", "a list of 1 to 256 texts of 1 to 10000 characters"),
        (OPEN[3], {"texts": []}, "texts", 0, "1 to 256"),
        (KEYED[1], {"prompt": "\u200b"}, "prompt", "\u200b", None),
        (KEYED[1], {"prompt": "a", "max_new_tokens": 0}, "max_new_tokens", 0, "a whole number from 1 to 128"),
        (KEYED[1], {"prompt": "a", "max_new_tokens": "9"}, "max_new_tokens", "9", "a whole number from 1 to 128"),
    ],
)  # fmt: skip
async def test_a_wrong_shape_is_named_with_what_it_got(
    api: Service, path: str, body: Any, parameter: str, got: Any, allowed: str | None
) -> None:
    answer = error_of(await send(api, path, json.dumps(body), key=KEY), 422, "invalid_parameter")
    assert answer["error"].startswith(f"{parameter}: ")
    assert answer["details"]["parameter"] == parameter
    assert answer["details"]["got"] == got
    if allowed is not None:
        assert answer["details"]["allowed"] == allowed
    assert answer["details"]["allowed"]


@pytest.mark.parametrize(("path", "field"), [(OPEN[0], "text"), (BATCH, "texts"), (KEYED[1], "prompt")])
async def test_a_field_that_is_missing_is_named(api: Service, path: str, field: str) -> None:
    answer = error_of(await send(api, path, b'{"x": 1}', key=KEY), 422, "invalid_parameter")
    assert answer["error"] == f"{field}: is required."
    assert answer["details"]["got"] is None


async def test_a_wrong_value_in_a_large_body_is_named_by_its_type(api: Service) -> None:
    body = json.dumps({"text": [], "x": "x" * bodies.THREAD_BYTES})
    answer = error_of(await send(api, OPEN[0], body), 422, "invalid_parameter")
    assert answer["details"] == {"parameter": "text", "got": "array", "allowed": SIXTEEN}


async def test_what_no_field_names_never_becomes_an_object(api: Service) -> None:
    junk = b'{"text":"Bitcoin soars","x":[' + b",".join([b'{"a":[1]}'] * 90_000) + b"]}"
    decoder, schema = msgspec.json.Decoder(TextIn), bodies.schema_of(TextIn)
    raw = bytearray(junk)
    tracemalloc.start()
    try:
        assert bodies._decoded(decoder, schema, raw).text == "Bitcoin soars"
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()
    assert (await send(api, OPEN[0], junk)).json()["sentiment"] == "bullish"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"up \ud800", "up \ufffd"),
        (r"up \ude00 \uD83D\uDE80", "up \ufffd 🚀"),
        (r"up \ud83d\ud83d\ude80", "up \ufffd🚀"),
        (r"up \\ud800 \ud800", "up \\ud800 \ufffd"),
        (r"up \\\ud800\n", "up \\\ufffd\n"),
        (r"\ufeff\uDfffup", "\ufeff\ufffdup"),
    ],
)
async def test_half_a_surrogate_pair_is_read_as_no_letter(api: Service, escaped: str, text: str) -> None:
    answer = await send(api, OPEN[0], f'{{"text": "{escaped}"}}'.encode())
    assert (answer.status_code, answer.json().get("text")) == (200, text), answer.text


async def test_more_than_a_few_texts_need_a_key(api: Service) -> None:
    path = "/api/hf/run-sentiment"
    few, many = (json.dumps({"texts": ["Bitcoin soars"] * n}) for n in (OPEN_TEXTS, OPEN_TEXTS + 1))
    assert len((await send(api, path, few)).json()["results"]) == OPEN_TEXTS
    body = error_of(await send(api, path, many), 401, "unauthenticated")
    assert str(OPEN_TEXTS) in body["error"]
    for texts in (few, many):
        error_of(await send(api, path, texts, key="not-the-key"), 401, "unauthenticated")
    assert len((await send(api, path, many, key=KEY)).json()["results"]) == OPEN_TEXTS + 1


async def test_the_largest_batch_is_read_and_given_back(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[int] = []

    async def classify(texts: Sequence[str], model: str | None = None) -> list[Score]:
        free.append(places(api).free)
        return [Score("neutral", 1.0, 0.0, 1.0, 0.0, "flat", "m", "1") for _ in texts]

    monkeypatch.setattr(api.rt.models, "classify", classify)
    text = b'"' + rb"\ud83d\ude80" * TEXT_LIMIT + b'"'
    content = b'{"texts":[' + b",".join([text] * BATCH_LIMIT) + b"]}"
    assert (
        29 * MAX_BODY_BYTES < len(content) < LARGE_BODIES[BATCH.encode()] < len(content) + 3 * MAX_BODY_BYTES
    )
    answer = await send(api, BATCH, content, key=KEY)
    assert answer.status_code == 200
    assert [row["text"] for row in answer.json()["data"]] == ["🚀" * TEXT_LIMIT] * BATCH_LIMIT
    assert (free, places(api).free) == ([bodies.LARGE_AT_ONCE - 1], bodies.LARGE_AT_ONCE)
    error_of(await send(api, BATCH, content), 401, "unauthenticated")
    refused = await send(api, BATCH, content + b" " * 3 * MAX_BODY_BYTES, key=KEY)
    assert refused.status_code == 413
    assert error_of(refused, 413, "too_large")["details"] == {"allowed_bytes": 32 * MAX_BODY_BYTES}
    error_of(await send(api, "/api/hf/run-sentiment", b" " * (MAX_BODY_BYTES + 1), key=KEY), 413, "too_large")


async def test_no_more_than_a_couple_of_large_bodies_at_once(api: Service) -> None:
    large = b'{"texts":["up"]' + b" " * (MAX_BODY_BYTES + 1)
    room = places(api)
    room.free = 0
    try:
        body = error_of(await send(api, BATCH, large + b"}", key=KEY), 503, "overloaded")
        assert body["retry_after"] == bodies.RETRY_AFTER_S
        assert room.free == 0
        assert (await send(api, BATCH, b'{"texts":["up"]}', key=KEY)).status_code == 200
    finally:
        room.free = bodies.LARGE_AT_ONCE
    error_of(await send(api, BATCH, large, key=KEY), 400, "bad_request")
    assert room.free == bodies.LARGE_AT_ONCE
    assert (await send(api, BATCH, large + b"}", key=KEY)).status_code == 200
    assert room.free == bodies.LARGE_AT_ONCE


async def test_a_client_that_goes_in_the_middle_is_no_fault_of_ours(api: Service) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    app = api.edge.app
    headers = [(b"content-type", b"application/json")]
    request = Request({"type": "http", "method": "POST", "headers": headers, "app": app}, receive)
    with pytest.raises(BadRequest, match="ended before"):
        await anext(aiter(bodies.reads(TextIn)(request)))
    assert places(api).free == bodies.LARGE_AT_ONCE


async def test_shares_are_asked_of_models_that_know_all_labels(api: Service) -> None:
    path = "/api/sentiment/crypto-analysis"
    body = json.dumps({"text": "up", "model": "distilbert-sst-2"})
    refused = error_of(await send(api, path, body), 422, "invalid_parameter")
    assert "neutral" in refused["error"]
    assert refused["details"]["got"] == "distilbert-sst-2"
    assert {"embedded", "finbert"} <= set(refused["details"]["allowed"])
    assert not {"distilbert-sst-2", "opt-125m"} & set(refused["details"]["allowed"])
    error_of(await send(api, path, json.dumps({"text": "up", "model": "finbert"})), 409, "conflict")
    assert (await send(api, path, json.dumps({"text": "up", "model": "embedded"}))).status_code == 200
