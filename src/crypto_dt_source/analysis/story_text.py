"""What an article says, as a set of comparable features: word stems with one word for one meaning, amounts, assets,
events and dates. `story_words.toml` has the words."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from ..providers.assets import load

TITLE_CHARS, SUMMARY_CHARS = 300, 400
"""Characters read. What makes an event the one it is stands at the beginning."""

SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "mln": 1e6,
    "million": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "billion": 1e9,
}
SCALES |= {"t": 1e12, "tn": 1e12, "trn": 1e12, "trillion": 1e12}
SMALL = {
    word: value
    for value, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), start=1
    )
}
MONTHS = {
    name: month
    for month, names in enumerate(
        "jan january,feb february,mar march,apr april,may,jun june,jul july,aug august,sep sept september,oct october,"
        "nov november,dec december".split(","),
        start=1,
    )
    for name in names.split()
}
YEARS = range(2009, 2041)
CIRCUMSTANCE = frozenset("after following amid as despite ahead since over".split())
"""Words of a headline behind which stands what happened before."""
MOVES = ("direction:", "flow:")
"""Lines of opposites that an article is at both ends of all too often: another price, the week before."""
UP, DOWN = "direction:0", "direction:1"
LEAST_KEY = 13
"""Plain numbers below are counts of things (`two hours`, `third`), not what tells events apart."""

_TOKEN = re.compile(
    r"(?P<sign>[$€£¥])?\s?(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:[\s-]?(?P<scale>thousand|million|billion|trillion|mln|trn|bn|mn|tn|[kmbt])(?![^\W_]))?"
    r"(?P<percent>\s?%|\s?percent\b|\s?per cent\b)?"
    r"|(?P<word>[^\W\d_][^\W_]*)",
    re.IGNORECASE,
)
_APOSTROPHE = re.compile(r"['’]s?\b|['’]")
_OPENS = re.compile(r"[.:!?—–\"“”‘(]")
_PAUSES = re.compile(r"[,;]")
_QUARTER = re.compile(r"q[1-4]\Z")


class Amount(NamedTuple):
    """A number of a headline. `kind` is `money`, `percent` or `count`; `digits`: so many
    are significant, three at most."""

    kind: str
    value: float
    digits: int

    def close_to(self, other: Amount) -> bool:
        """Whether both can be one number, each rounded as its author liked: $1.2B and $1.23B are, $200M and $213M not."""
        if self.kind != other.kind and "percent" in (self.kind, other.kind):
            return False
        return abs(self.value - other.value) <= 0.51 * max(self.unit(), other.unit())

    def unit(self) -> float:
        """What the last digit counts."""
        return (
            float(10.0 ** (math.floor(math.log10(self.value)) - self.digits + 1)) if self.value > 0 else 0.0
        )


class Text(NamedTuple):
    """An article's features. `title` and `body` are stems (`body`: of the summary, without those of the title), with
    assets as `asset:ID` and amounts as `n:VALUE` in two digits. `names` are those written with the capital of a proper
    name where a capital tells, `small` those written without, `doubtful` the title's whose place gives
    them a capital anyhow. `events` are those of the main clause, `ends` the ends of `opposites` that it is at, as `LINE:END`;
    `all_ends` has those of the rest and the summary too, but for MOVES.
    `order` has the title's stems as they stand."""

    title: frozenset[str]
    body: frozenset[str]
    amounts: tuple[Amount, ...]
    all_amounts: tuple[Amount, ...]
    assets: frozenset[str]
    events: frozenset[str]
    dates: frozenset[str]
    names: frozenset[str]
    small: frozenset[str]
    doubtful: frozenset[str]
    ends: frozenset[str]
    all_ends: frozenset[str]
    order: tuple[str, ...]


class Lexicon(NamedTuple):
    """`story_words.toml` in the form that reading needs. `meaning` is from stem to the one word for it, `ends` from stem to ends of `opposites`, `levels` from a word before a number to an end."""

    stop: frozenset[str]
    phrases: Mapping[
        str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    ]  # first word -> (words, instead)
    meaning: Mapping[str, str]
    events: frozenset[str]
    stages: frozenset[str]
    names: frozenset[str]
    places: frozenset[str]
    common: frozenset[str]
    usual: frozenset[str]
    ends: Mapping[str, frozenset[str]]
    needs: Mapping[str, frozenset[str]]
    levels: Mapping[str, str]


def stem(word: str) -> str:
    """A light stem: plural, `-ing`, `-ed` and a final `e` are gone; names keep their letters mostly."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "xes", "zes", "ches", "shes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending, least in (("ing", 6), ("ed", 5)):
        if len(word) >= least and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


@cache
def lexicon() -> Lexicon:
    """The packaged word file, stemmed."""
    raw = tomllib.loads((resources.files(__package__) / "story_words.toml").read_text(encoding="utf-8"))
    phrases: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for phrase, instead in raw["phrases"].items():
        words = tuple(phrase.split())
        phrases.setdefault(words[0], []).append((words, tuple(instead.split())))
    meaning: dict[str, str] = {}
    for part in ("same", "events"):
        for name, words in raw[part].items():
            for word in (name, *words.split()):
                meaning.setdefault(stem(word), name)
    ends: dict[str, set[str]] = {}
    for line, sides in raw["opposites"].items():
        for number, words_of_end in enumerate(sides):
            for word in words_of_end.split():
                ends.setdefault(stem(word), set()).add(f"{line}:{number}")
    return Lexicon(
        frozenset(raw["stop"].split()),
        {first: tuple(sorted(same, key=lambda p: -len(p[0]))) for first, same in phrases.items()},
        meaning,
        frozenset(raw["events"]),
        frozenset(raw["stages"].split()),
        frozenset(map(stem, raw["names"].split())),
        frozenset(map(stem, raw["places"].split())),
        frozenset(map(stem, raw["common"].split())),
        frozenset(raw["usual"].split()),
        {word: frozenset(at) for word, at in ends.items()},
        {line: frozenset(map(stem, words.split())) for line, words in raw["needs"].items()},
        dict.fromkeys(raw["upward"].split(), UP) | dict.fromkeys(raw["downward"].split(), DOWN),
    )


@cache
def _handles() -> Mapping[str, tuple[frozenset[str], ...]]:
    """For each packaged asset the sets of stems that name it."""
    own = {"ethereum": ("ether",)}
    return {
        entry.asset.id: tuple(
            frozenset(map(stem, re.findall(r"[^\W_]+", name.casefold())))
            for name in (
                entry.asset.ticker, *entry.asset.aliases, *(r.ticker for r in entry.asset.renames),
                entry.asset.name, *entry.names, *own.get(entry.asset.id, ()),
            )
        )
        for entry in load()
    }  # fmt: skip


def _amount(found: re.Match[str]) -> Amount:
    digits = found["number"].replace(",", "")
    value = float(digits) * SCALES.get((found["scale"] or "").casefold(), 1.0)
    kind = "percent" if found["percent"] else "money" if found["sign"] else "count"
    return Amount(kind, value, min(3, len(digits.replace(".", "").lstrip("0")) or 1))


def _rounded(amount: Amount) -> str:
    return f"{'p' if amount.kind == 'percent' else 'n'}:{amount.value:.1e}"


class _Parts(NamedTuple):
    """`capitals` has for each word whether it is written as a name; None where its place gives it a capital anyhow."""

    words: list[str]
    capitals: list[bool | None]
    amounts: list[Amount]
    dates: set[str]
    main: int  # so many words stand before `after`, `as` or the like
    clause: int  # and so many of those before a comma or semicolon
    levels: set[str]  # ends that the words right before a number of the main clause are at


def _parts(text: str) -> _Parts:
    """Words case folded, amounts and dates (`month:12`, `q3`, `year:2027`) of a text."""
    words: list[str] = []
    capitals: list[bool | None] = []
    amounts: list[Amount] = []
    dates: set[str] = set()
    levels: list[tuple[int, str]] = []
    comma: int | None = None
    end = 0
    plain = _APOSTROPHE.sub(" ", text).replace("_", " ")
    for found in _TOKEN.finditer(plain):
        if found["word"] is not None:
            word = found["word"].casefold()
            if word in MONTHS and word != "may":
                dates.add(f"month:{MONTHS[word]}")
                continue
            if comma is None and len(words) > 2 and _PAUSES.search(plain, end, found.start()):
                comma = len(words)
            opens = not words or _OPENS.search(plain, end, found.start()) is not None
            words.append(str(SMALL.get(word, word)))
            capitals.append(None if opens else found["word"][0].isupper())
            end = found.end()
            continue
        if words and words[-1] in lexicon().levels and not plain[end : found.start()].strip():
            levels.append((len(words) - 1, lexicon().levels[words[-1]]))
        amount = _amount(found)
        bare = amount.kind == "count" and not found["scale"]
        if bare and words and words[-1] == "q" and 1 <= amount.value <= 4:
            words[-1] = f"q{int(amount.value)}"
        elif bare and amount.value in YEARS and "," not in found["number"]:
            dates.add(f"year:{int(amount.value)}")
        elif bare and amount.value < LEAST_KEY:
            words.append(found["number"])
            capitals.append(False)
        else:
            amounts.append(amount)
    longer = [
        capital
        for word, capital in zip(words, capitals, strict=True)
        if len(word) > 3 and capital is not None
    ]
    if sum(longer) > 0.6 * len(longer):
        capitals = [None] * len(words)  # title case: capitals say nothing
    main = next((at for at, word in enumerate(words) if at > 1 and word in CIRCUMSTANCE), len(words))
    clause = min(main, comma or len(words))
    said = {end for at, end in levels if at <= clause}
    return _Parts(words, capitals, amounts, dates, main, clause, said)


class _Stems(NamedTuple):
    """All in order; those written as names; those written small; those whose place gives them a capital; those of the
    main clause; ends of opposites in it, and in all."""

    every: list[str]
    names: set[str]
    small: set[str]
    doubtful: set[str]
    main: set[str]
    ends: set[str]
    all_ends: set[str]


def _stems(parts: _Parts) -> _Stems:
    """Stems with phrases and synonyms as one word. Quarters go to the parts' dates too."""
    known = lexicon()
    words = parts.words
    found = _Stems([], set(), set(), set(), set(), set(parts.levels), set(parts.levels))
    at = 0
    while at < len(words):
        begun = at
        for phrase, instead in known.phrases.get(words[at], ()):
            if tuple(words[at : at + len(phrase)]) == phrase:
                at += len(phrase)
                taken: Iterable[str] = instead
                break
        else:
            taken = () if words[at] in known.stop else (words[at],)
            at += 1
        for word in taken:
            root = stem(word)
            capital = parts.capitals[begun]
            plain = root in known.meaning or root in plain_words()
            root = known.meaning.get(root, root)
            found.every.append(root)
            if capital is None:
                if not plain:
                    found.doubtful.add(root)
            else:
                (found.names if capital else found.small).add(root)
            if begun < parts.main:
                found.main.add(root)
            ends = known.ends.get(stem(word), frozenset())
            found.all_ends.update(ends)
            if begun < parts.clause:
                found.ends.update(ends)
            if _QUARTER.match(word):
                parts.dates.add(word)
    for line, needs in known.needs.items():
        if needs.isdisjoint(found.every):
            found.ends.difference_update([end for end in found.ends if end.startswith(f"{line}:")])
    return found


@cache
def plain_words() -> frozenset[str]:
    """Stems that finance headlines write small; `plain_words.txt` says where they are from."""
    text = (resources.files(__package__) / "plain_words.txt").read_text(encoding="utf-8")
    return frozenset(stem(line) for line in text.splitlines() if line and line[0] != "#")


def _with_assets(stems: Iterable[str], assets: Iterable[str]) -> tuple[set[str], set[str]]:
    """The stems with each asset's own words replaced by the asset, and the assets found so."""
    kept = set(stems)
    found: set[str] = set()
    for asset in assets:
        names = [name for name in _handles().get(asset, ()) if name and name <= kept]
        if names:
            found.add(asset)
            for name in names:
                kept -= name
    return kept, found


def _in_order(every: Iterable[str], kept: set[str], assets: Iterable[str]) -> Iterable[str]:
    """The title's stems in their order, each once, with assets at the place of their own words."""
    places = {root: f"asset:{asset}" for asset in assets for name in _handles()[asset] for root in name}
    return dict.fromkeys(
        root if root in kept else places[root] for root in every if root in kept or root in places
    )


def text_of(title: str, summary: str | None, assets: Iterable[str] = ()) -> Text:
    """Features of an article. `assets` are the canonical ids recognised in it; works for any Unicode."""
    head = _parts(title[:TITLE_CHARS])
    tail = _parts((summary or "")[:SUMMARY_CHARS])
    ids = tuple(assets)
    titled, said = _stems(head), _stems(tail)
    title_stems, title_assets = _with_assets(titled.every, ids)
    body_stems, body_assets = _with_assets(said.every, ids)
    unnamed = frozenset(asset for asset in ids if asset not in _handles())
    title_all = (
        title_stems
        | {f"asset:{asset}" for asset in title_assets}
        | set(map(_rounded, head.amounts))
        | head.dates
    )
    body_all = (
        body_stems
        | {f"asset:{asset}" for asset in body_assets}
        | set(map(_rounded, tail.amounts))
        | tail.dates
    )
    events = lexicon().events
    return Text(
        title=frozenset(title_all),
        body=frozenset(body_all - title_all),
        amounts=tuple(head.amounts),
        all_amounts=(*head.amounts, *tail.amounts),
        assets=frozenset(title_assets | unnamed),
        events=frozenset(titled.main & events or title_stems & events),
        dates=frozenset(head.dates),
        names=frozenset((titled.names & title_stems) | (said.names & body_stems)),
        small=frozenset(titled.small | said.small),
        doubtful=frozenset(titled.doubtful & title_stems),
        ends=frozenset(titled.ends),
        all_ends=frozenset(end for end in titled.all_ends | said.all_ends if not end.startswith(MOVES)),
        order=tuple(_in_order(titled.every, title_stems, title_assets)),
    )
