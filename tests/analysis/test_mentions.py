"""Assets found in news texts: the labelled headlines as a whole, and each kind of evidence by itself."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.analysis.handles import EVIDENCE, OTHER_LISTINGS, STRONG, ambiguous_words
from crypto_dt_source.analysis.mentions import Mentions
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.providers.assets import load

LABELLED = Path(__file__).with_name("mentions_labelled.csv")


@cache
def packaged() -> Mentions:
    return Mentions(entry.asset for entry in load())


def find(title: str, summary: str | None = None) -> tuple[str, ...]:
    return packaged().find(title, summary)


def rows() -> list[dict[str, str]]:
    with LABELLED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_precision_and_recall_on_the_labelled_headlines() -> None:
    known = {entry.asset.id for entry in load()}
    right = wrong = missed = traps = 0
    for row in rows():
        found, meant = set(find(row["title"], row["summary"] or None)), set(row["assets"].split())
        assert meant <= known, row
        right += len(found & meant)
        wrong += len(found - meant)
        missed += len(meant - found)
        traps += bool(row["trap"])
        assert not (row["trap"] and meant), row
    assert len(rows()) >= 150
    assert traps >= 60
    assert right / (right + wrong) >= 0.98
    assert right / (right + missed) >= 0.95


@pytest.mark.parametrize(
    "word",
    """ONE GAS NEAR LINK SUN FLOW MASK JUST HOT WIN PEOPLE ICE TRUMP MOVE OP AI US ID GT APE BEAM CORE TIME HIGH FUN REQ
    DASH WAVES SAND GALA THETA COMPOUND MAKER OPTIMISM CURVE AVALANCHE COSMOS POLYGON STELLAR SEI""".split(),
)
def test_a_word_of_english_is_no_asset_by_itself(word: str) -> None:
    assert find(f"IT IS {word} AGAIN FOR BANKS AND BROKERS") == ()
    assert find(f"The bank said {word.lower()} twice, then fell silent") == ()
    assert find(f"Banks Weigh {word.title()} Against Long Term Plans") == ()
    if len(word) > 3:
        assert find(f"{word.title()} and its many uses in plain sentences") == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("$near", ("near",)),
        ("Fees of $ONE per trade", ("harmony",)),
        ("Near Protocol (NEAR) halts", ("near",)),
        ("Harmony (ONE) halts", ("harmony",)),
        ("Harmony ($ONE) halts", ("harmony",)),
        ("Harmony (TWO) halts", ()),
        ("NEAR/USDT opens", ("near",)),
        ("ONE-USD delisted", ("harmony",)),
        ("ONE-stop shop", ()),
        ("the NEAR token", ("near",)),
        ("the NEAR-term token", ()),
        ("BTC, ETH, NEAR and SAND", ("bitcoin", "ethereum", "near", "the-sandbox")),
        ("SAND, NEAR, BTC", ("the-sandbox", "near", "bitcoin")),
        ("SAND, NEAR", ()),
        ("price of NEAR doubled", ("near",)),
        ("ETH/BTC sinks", ("ethereum", "bitcoin")),
        ("BTC/USDT sinks", ("bitcoin",)),
        ("Stellar's network grows", ("stellar",)),
        ("Stellar’s network grows", ("stellar",)),
        ("Stellar, network operator", ()),
        ("gas price", ()),
        ("$COIN and $MSTR", ()),
        ("USD, EUR and JPY", ()),
        ("USDT and USDC", ("tether", "usd-coin")),
    ],
)
def test_evidence(text: str, meant: tuple[str, ...]) -> None:
    assert find(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Bitcoin's week", ("bitcoin",)),
        ("Bitcoins lost forever", ("bitcoin",)),
        ("Bitcoin Cash is not Bitcoin", ("bitcoin-cash", "bitcoin")),
        ("Bitcoin, Cash and Gold", ("bitcoin",)),
        ("Bitcoin. Cash is king", ("bitcoin",)),
        ("the bitcoin price", ("bitcoin",)),
        ("the tether broke", ()),
        ("Bitcoiner meets Coinbased", ()),
        ("Fetch.ai leaves", ("fetch-ai",)),
        ("Shiba-Inu fans", ("shiba-inu",)),
        ("BITCOIN FALLS AGAIN THIS WEEK", ("bitcoin",)),
    ],
)
def test_names(text: str, meant: tuple[str, ...]) -> None:
    assert find(text) == meant


def test_the_strongest_mention_comes_first() -> None:
    assert find("Solana rises", "Bitcoin fell, Bitcoin said, and Bitcoin again.") == ("solana", "bitcoin")
    assert find("Bitcoin and Solana", "Solana leads.") == ("solana", "bitcoin")


def test_only_the_beginning_is_read() -> None:
    assert find("x " * 260 + "Bitcoin") == ()
    assert find("x", "y " * 1100 + "Bitcoin") == ()


def test_learned_assets_need_a_cashtag_or_their_name() -> None:
    learned = [
        Asset("pain-coin", "PAIN", "Pain"),
        Asset("tesla-meme", "TSLAX", "Tesla"),
        Asset("glorb", "GLORB", "Glorbcoin"),
        Asset("ranked", "RNKD", "Ranked", rank=50),
        Asset("fake-bitcoin", "BTC", "Bitcoin", rank=4000),
        Asset("share", "COIN", "Coin Share"),
    ]
    mentions = Mentions([*(entry.asset for entry in load()), *learned])
    assert mentions.find("PAIN AND GLORB fall; Tesla sells") == ()
    assert mentions.find("PAIN token soars") == ()
    assert mentions.find("$PAIN soars") == ("pain-coin",)
    assert mentions.find("Pain (PAIN) soars") == ("pain-coin",)
    assert mentions.find("Glorbcoin soars") == ("glorb",)
    assert mentions.find("RNKD soars as Ranked grows") == ("ranked",)
    assert mentions.find("BTC and Bitcoin") == ("bitcoin",)
    assert mentions.find("$COIN slides") == ()


def test_rank_decides_whether_a_ticker_is_enough() -> None:
    asset = Asset("glorb", "GLORB", "Glorbcoin", rank=301)
    assert Mentions([asset]).find("GLORB rises") == ()
    assert Mentions([Asset("glorb", "GLORB", "Glorbcoin", rank=300)]).find("GLORB rises") == ("glorb",)


def test_ten_thousand_learned_assets_are_indexed() -> None:
    learned = [Asset(f"c{n}", f"C{n}X", f"Coin number {n}") for n in range(10_000)]
    mentions = Mentions([*(entry.asset for entry in load()), *learned])
    assert mentions.find("$C77X and Bitcoin") == ("c77", "bitcoin")


def test_the_word_list_is_read_with_its_marks() -> None:
    words = ambiguous_words()
    assert words["near"] == EVIDENCE
    assert words["gas"] == STRONG
    assert not OTHER_LISTINGS & {entry.asset.ticker for entry in load()}


@given(st.text(max_size=300), st.none() | st.text(max_size=300))
def test_any_text_is_read(title: str, summary: str | None) -> None:
    found = find(title, summary)
    assert len(set(found)) == len(found)
    assert find(title, summary) == found


@given(
    st.lists(
        st.sampled_from([*"NEAR $ ( ) / - , BTC One Bitcoin Cash 's ’ $$ .".split(" "), " "]), max_size=40
    )
)
def test_any_marks_between_handles_are_read(parts: list[str]) -> None:
    assert set(find("".join(parts))) <= {"near", "bitcoin", "bitcoin-cash", "harmony"}
