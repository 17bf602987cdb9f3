"""docs/add-a-provider.md works as it stands: its adapter and its entry, through the gateway, give records in normal form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import crypto_dt_source.providers.adapters as adapters
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import Gateway
from crypto_dt_source.model.ask import BookAsk, CandlesAsk, QuotesAsk
from crypto_dt_source.model.candle import Candle
from crypto_dt_source.model.errors import NotOffered, PayloadChanged, SymbolNotListed
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.kit import Reply, Request

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-provider.md"
NOW = 1_789_983_437_000
BTC = Pair("BTC", "USDT")


def block(name: str) -> str:
    """The page's code block of that name."""
    found = re.findall(rf"^```\w+ {name}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(found) == 1, name
    return str(found[0])


class Recorded:
    """A transport that answers with the page's bodies and keeps what was asked."""

    def __init__(self) -> None:
        self.bodies = {"/v1/tickers": block("tickers").encode(), "/v1/candles": block("candles").encode()}
        self.status = 200
        self.sent: list[tuple[str, Request]] = []

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.sent.append((base_url, request))
        return Reply(provider, self.status, self.bodies[request.path], NOW)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entry]:
    """The page's entry, with its adapter where adapters are looked for."""
    (tmp_path / "harbour.py").write_text(block("adapter"), encoding="utf-8")
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path)])
    ((name, raw),) = tomllib.loads(block("entry")).items()
    yield catalog.entry_of("exchange", name, raw)
    catalog.adapter.cache_clear()


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def gateway(entry: Entry, recorded: Recorded) -> Gateway:
    return Gateway({entry.id: entry}, recorded, ManualClock(NOW))


async def test_its_tickers_become_quotes(gateway: Gateway, recorded: Recorded) -> None:
    answer = await gateway.ask_one("harbour", QuotesAsk())
    assert answer.records == (
        Quote(
            "harbour", "XBT-USDT", "BTC", "USDT", 65000.5, 65000.0, 65001.0, 12.5, None, -1.25, None, None, NOW, NOW
        ),
    )  # fmt: skip
    assert (answer.rejected, [violation(r) for r in answer.records]) == ((), [None])
    assert recorded.sent[0] == ("https://api.harbour.example", Request("/v1/tickers"))


async def test_its_candles_are_turned_round_and_asked_for_as_the_page_says(
    gateway: Gateway, recorded: Recorded
) -> None:
    hour = 3_600_000
    start = NOW // hour * hour - hour
    answer = await gateway.ask_one("harbour", CandlesAsk(BTC, "1h", start, start + 2 * hour))
    assert answer.records == (
        Candle(start, 65000.0, 65020.0, 64950.0, 65010.0, 2.0, None, None, closed=True),
        Candle(start + hour, 65010.0, 65100.0, 64990.0, 65050.0, 3.5, None, None, closed=False),
    )
    assert [violation(record) for record in answer.records] == [None, None]
    target = recorded.sent[0][1].target()
    assert (
        target
        == f"/v1/candles?pair=XBT-USDT&step=60&from={start // 1000}&to={start // 1000 + 7199}&limit=500"
    )


async def test_what_it_does_not_have_is_not_sent(gateway: Gateway, recorded: Recorded) -> None:
    for ask in (CandlesAsk(BTC, "1w"), BookAsk(BTC)):
        with pytest.raises(NotOffered):
            await gateway.ask_one("harbour", ask)
    assert recorded.sent == []


async def test_its_errors_are_the_right_ones(gateway: Gateway, recorded: Recorded) -> None:
    recorded.status = 404
    with pytest.raises(SymbolNotListed):
        await gateway.ask_one("harbour", CandlesAsk(BTC, "1h"))
    recorded.status = 200
    recorded.bodies["/v1/tickers"] = b'{"ts": 1, "rows": [{"pair": "XBT-USDT", "last": "soon"}]}'
    with pytest.raises(PayloadChanged) as caught:
        await gateway.ask_one("harbour", QuotesAsk())
    assert caught.value.path == "$.rows[0].last"


def test_the_page_names_only_what_is_there() -> None:
    from crypto_dt_source.providers import kit

    named = re.search(
        r"Useful pieces of\n`providers/kit.py`:(.*?)\n\n", PAGE.read_text(encoding="utf-8"), re.S
    )
    assert named is not None
    words = set(re.findall(r"`(\w+)`", named.group(1)))
    assert len(words) >= 8
    assert {word for word in words if not hasattr(kit, word)} == set()
    fields = set(re.findall(r"^\| `([a-z_]+)`", PAGE.read_text(encoding="utf-8"), re.M))
    assert fields
    assert fields <= catalog._FIELDS
