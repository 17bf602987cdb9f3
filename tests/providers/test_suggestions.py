"""What is offered for a symbol nobody knows: near spellings, at a bounded cost."""

from __future__ import annotations

import pytest

from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.model.errors import UnknownSymbol
from crypto_dt_source.providers.resolver import MAX_UNKNOWN, Resolver


def coins(count: int) -> list[AssetListing]:
    return [
        AssetListing("coingecko", f"coin-{i}", f"C{i}", f"Coin number {i}", 500 + i, True)
        for i in range(count)
    ]


def suggested(resolver: Resolver, text: str, *, suggest: bool = True) -> list[str]:
    with pytest.raises(UnknownSymbol) as unknown:
        resolver.resolve(text, suggest=suggest)
    found: list[str] = unknown.value.details["did_you_mean"]
    return found


def test_the_same_first_letter_goes_before_the_same_last_and_larger_before_smaller() -> None:
    resolver = Resolver(())
    resolver.learn(
        AssetListing("coingecko", coin, coin.upper(), coin, rank, True)
        for coin, rank in (("abcdx", 9), ("zbcde", 1), ("abcdy", 5), ("qqqqq", 2))
    )
    assert suggested(resolver, "abcde") == ["ABCDY", "ABCDX", "ZBCDE"]
    assert suggested(resolver, "0000") == []


def test_a_text_that_means_nothing_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver()
    resolver.learn(coins(50))
    first = suggested(resolver, "coin-0x")
    assert first
    looked: list[str] = []
    near = resolver._near
    monkeypatch.setattr(resolver, "_near", lambda text: looked.append(text) or near(text))
    assert suggested(resolver, "coin-0x") == first
    assert looked == []
    for i in range(1, MAX_UNKNOWN + 2):
        suggested(resolver, f"coin-{i}x")
    assert len(resolver._unknown) <= MAX_UNKNOWN < len(looked)


def test_suggestions_can_be_left_out_and_what_is_learned_is_found() -> None:
    resolver = Resolver()
    resolver.learn(coins(50))
    assert suggested(resolver, "coin-99", suggest=False) == []
    assert suggested(resolver, "coin-99") != []
    resolver.learn(coins(100))
    assert resolver.resolve("coin-99").asset.id == "coin-99"
