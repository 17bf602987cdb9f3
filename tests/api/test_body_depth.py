"""How deep a body is nested, read from its brackets alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.api import bodies


def _depth(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


_TEXTS = st.text(st.sampled_from('[]{}"\\/a\n\u00e9'), max_size=12)


@given(
    st.recursive(
        _TEXTS | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
        max_leaves=30,
    ),
    st.integers(0, 40),
    st.sampled_from([2, 3, 8, 16 * 1024]),
    st.booleans(),
)
def test_depth_is_counted_outside_texts_wherever_a_piece_ends(
    value: object, around: int, step: int, ascii_only: bool
) -> None:
    for _ in range(around):
        value = [value]
    raw = bytearray(json.dumps(value, ensure_ascii=ascii_only).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "STEP_BYTES", step)
        assert bodies._too_deep(raw) == (_depth(value) > bodies.MAX_DEPTH)


@pytest.mark.parametrize("raw", [b"[" * 33, b"[" * 40 + b"]" * 2, b'""]' + b"{" * 70, b'{"a":' * 33])
def test_what_opens_without_end_is_too_deep(raw: bytes) -> None:
    assert bodies._too_deep(bytearray(raw))


@pytest.mark.parametrize(
    "raw", [b"[" * 32, b"]" * 90, b"[]" * 90, b'"' + b"[" * 90, b'"\\"' + b"[" * 90 + b'"']
)
def test_what_does_not_is_the_decoders_to_refuse(raw: bytes) -> None:
    assert not bodies._too_deep(bytearray(raw))
