"""Texts to token numbers and back, the same for both backends: the fast tokenizer of the checkpoint's tokenizer.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .checkpoint import positions

Ids = NDArray[np.int64]
ROWS = 16
"""Texts of one forward pass: more do not make a CPU faster, and one long text would pad them all."""
TOKENS = 4096
"""Tokens of one forward pass, padding included: what bounds its memory."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text or pair: token numbers and, for models that tell the two apart, which part each belongs to."""

    ids: list[int]
    types: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded to one length: `ids`, `mask` (1 where a token is) and `types`, each (rows, length)."""

    ids: Ids
    mask: Ids
    types: Ids


class Encoder:
    """`max_length` tokens at most, special ones included; a longer text keeps its beginning."""

    def __init__(self, file: Path, config: Mapping[str, Any], max_length: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self.max_length = min(max_length, positions(config) or max_length)
        # A text that spells a special token is text: "</s>" in a headline must not end the sentence for BART.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        pad = config.get("pad_token_id")
        self._pad = pad if isinstance(pad, int) else 0

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Every text by itself."""
        self._tokenizer.enable_truncation(self.max_length)
        return [
            Encoded(found.ids, found.type_ids) for found in self._tokenizer.encode_batch_fast(list(texts))
        ]

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
        """Premise and hypothesis; only the premise is ever cut."""
        self._tokenizer.enable_truncation(self.max_length, strategy="only_first")
        return [
            Encoded(found.ids, found.type_ids) for found in self._tokenizer.encode_batch_fast(list(pairs))
        ]

    def prompt(self, text: str, room: int) -> list[int]:
        """Token numbers of a prompt whose answer needs `room` tokens; a longer prompt keeps its end."""
        self._tokenizer.no_truncation()
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids[-max(1, self.max_length - room) :]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, special ones left out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def batches(self, encoded: Sequence[Encoded]) -> list[tuple[list[int], Batch]]:
        """Passes of texts of like length, shortest first, each with the places its rows have in `encoded`."""
        order = sorted(range(len(encoded)), key=lambda place: len(encoded[place].ids))
        found: list[tuple[list[int], Batch]] = []
        places: list[int] = []
        for place in order:
            longest = len(encoded[place].ids)
            if places and (len(places) == ROWS or longest * (len(places) + 1) > TOKENS):
                found.append((places, self._padded([encoded[p] for p in places])))
                places = []
            places.append(place)
        if places:
            found.append((places, self._padded([encoded[p] for p in places])))
        return found

    def _padded(self, rows: Sequence[Encoded]) -> Batch:
        shape = (len(rows), max(len(row.ids) for row in rows))
        ids = np.full(shape, self._pad, np.int64)
        mask = np.zeros(shape, np.int64)
        types = np.zeros(shape, np.int64)
        for place, row in enumerate(rows):
            width = len(row.ids)
            ids[place, :width] = row.ids
            mask[place, :width] = 1
            types[place, :width] = row.types
        return Batch(ids, mask, types)
