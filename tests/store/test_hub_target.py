"""Targets on the Hugging Face Hub, a repository and a bucket, against a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.config import conf
from huggingface_hub import hf_file_system as driver
from huggingface_hub.utils import _http, _xet

from crypto_dt_source.store.targets import MISSING, Target, TargetError

from .hub_stand_in import PLACES, Hub, Xet, hub_stand_in


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_stand_in() as made:
        monkeypatch.setitem(conf, "hf", {"endpoint": made.url})
        monkeypatch.setenv("HF_TOKEN", "hunter")
        monkeypatch.setattr(_xet, "get_xet_session", lambda: Xet(made))
        # What a bucket gives comes as it does without the native client.
        monkeypatch.setattr(driver, "is_xet_available", lambda: False)
        yield made
        _http.close_session()


@pytest.mark.slow
@pytest.mark.parametrize("place", sorted(PLACES))
async def test_what_is_put_is_there_as_it_was(hub: Hub, place: str, tmp_path: Path) -> None:
    target = Target(PLACES[place])
    large = bytes(range(256)) * 400
    (tmp_path / "large").write_bytes(large)
    assert await target.folders() == []
    with pytest.raises(TargetError) as caught:
        await target.get("one/small")
    assert caught.value.kind == MISSING
    for data in (b"abc", b"abcd"):
        await target.put("one/small", data)
        assert await target.get("one/small") == data
    await target.put_file("two/large", tmp_path / "large")
    await target.get_file("two/large", tmp_path / "back", len(large))
    assert (tmp_path / "back").read_bytes() == large
    # What another process wrote or removed meanwhile: no listing is remembered.
    hub.files[place]["in/one/other"] = b"x"
    assert await target.sizes("one") == {"small": 4, "other": 1}
    del hub.files[place]["in/one/small"]
    with pytest.raises(TargetError):
        await target.get("one/small")
    assert sorted(await target.folders()) == ["one", "two"]
    before = hub.commits
    await target.remove(["one/other", "two/large", "one/never"])
    assert (hub.commits - before, hub.files[place]) == (1, {})
    await target.remove(["one/never"])


async def test_an_answer_of_the_hub_is_told_and_its_words_are_not(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(PLACES["datasets/me/data"])
    hub.refuse = 403
    with pytest.raises(TargetError, match="403") as caught:
        await target.put("a/b", b"x")
    assert "hunter" not in f"{caught.value} {caught.value.message}"
    with pytest.raises(TargetError, match="no such bucket, repository or folder"):
        await Target("hf://datasets/me/none").put("a/b", b"x")
