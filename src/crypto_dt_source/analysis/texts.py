"""Texts as models read them: any Unicode comes in, what comes out can be tokenised and is never markup or a command."""

from __future__ import annotations

import re

from ..model.errors import InvalidParameter
from ..model.sentiment import TEXT_LIMIT

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSEEN = "\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
_CONTROL = re.compile(f"[{_UNSEEN}]")
_READABLE = re.compile(rf"[^\s{_UNSEEN}]")
_LINK = re.compile(r"(?:https?://|\bt\.co/)\S*")
_BLANKS = re.compile(r"\s+")


def readable(text: str) -> bool:
    """Whether `clean` leaves anything of it."""
    return _READABLE.search(text) is not None


def clean(text: str) -> str:
    """One line of at most TEXT_LIMIT characters: half surrogates become U+FFFD, control and invisible characters a
    blank, runs of blanks one.

    Raises InvalidParameter when nothing is left to read.
    """
    line = _CONTROL.sub(" ", _SURROGATE.sub("\ufffd", text[:TEXT_LIMIT]))
    line = _BLANKS.sub(" ", line).strip()
    if not line:
        raise InvalidParameter(
            "The text is empty: send at least one readable character.",
            details={"parameter": "text", "got": "", "allowed": f"1 to {TEXT_LIMIT} characters"},
        )
    return line


def as_tweet(text: str) -> str:
    """Names and links as the placeholders twitter-roberta was trained on.

    Source: https://huggingface.co/cardiffnlp/twitter-roberta-base-sentiment-latest (its example code).
    """
    return " ".join(_tweet_word(word) for word in text.split(" "))


def without_links(text: str) -> str:
    """The text as models trained here read it: links left out, unless there is nothing else."""
    return " ".join(_LINK.sub(" ", text).split()) or text


def _tweet_word(word: str) -> str:
    if word.startswith("@") and len(word) > 1:
        return "@user"
    return "http" if word.startswith("http") else word
