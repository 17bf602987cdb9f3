"""What the tests of sources of on-chain data share: asks in short form, and what is true of each of their adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from crypto_dt_source.model.ask import Capability, ChainStatsAsk, GasAsk
from crypto_dt_source.model.errors import PayloadChanged, UpstreamError
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.onchain import ChainStats, GasFee
from crypto_dt_source.providers.kit import Adapter, Endpoint, Reply, Request

NOW = 1_790_000_000_000


class ChainDesk:
    """One adapter, asked about `chain`."""

    def __init__(self, adapter: Adapter, chain: str) -> None:
        self.adapter = adapter
        self.chain = chain

    def reply(self, body: Any, status: int = 200, at: int = NOW) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Reply(self.adapter.name, status, raw, at)

    def endpoint(self, capability: Capability) -> Endpoint:
        return self.adapter.endpoints[capability]

    def gas(self, body: Any, chain: str = "") -> GasFee:
        """The one fee in a body, in normal form."""
        (fee,) = self.endpoint(Capability.GAS).parse(self.reply(body), GasAsk(chain or self.chain))
        assert isinstance(fee, GasFee)
        assert violation(fee, NOW) is None
        return fee

    def stats(self, *bodies: Any, chain: str = "") -> ChainStats:
        """The one record of all pages, in normal form; each page alone reads without error."""
        ask, endpoint = ChainStatsAsk(chain or self.chain), self.endpoint(Capability.CHAIN_STATS)
        replies = [self.reply(body, at=NOW + place) for place, body in enumerate(bodies)]
        alone = [record for reply in replies for record in endpoint.parse(reply, ask)]
        assert len(alone) == len(replies)
        (record,) = alone if endpoint.merge is None else endpoint.merge(replies, ask)
        assert isinstance(record, ChainStats)
        assert record.received_ms == NOW + len(bodies) - 1
        assert violation(record, NOW) is None
        return record

    def ask_gas(self, chain: str = "") -> Request:
        return self.endpoint(Capability.GAS).request(GasAsk(chain or self.chain))

    def ask_stats(self, chain: str = "") -> Request:
        return self.endpoint(Capability.CHAIN_STATS).request(ChainStatsAsk(chain or self.chain))

    def following(self, body: Any, previous: Request, chain: str = "") -> Request | None:
        after = self.endpoint(Capability.CHAIN_STATS).next
        assert after is not None
        return after(self.reply(body), ChainStatsAsk(chain or self.chain), previous)

    def refused(self, capability: Capability, body: Any) -> UpstreamError:
        """What a body raises."""
        ask = GasAsk(self.chain) if capability is Capability.GAS else ChainStatsAsk(self.chain)
        with pytest.raises(UpstreamError) as caught:
            list(self.endpoint(capability).parse(self.reply(body), ask))
        return caught.value

    def drifted(self, capability: Capability, body: Any, value: str) -> str:
        """`body` is read; cut short, HTML or nothing it raises PayloadChanged, and so with `value` turned into an
        object, the path of which is returned."""
        ask = GasAsk(self.chain) if capability is Capability.GAS else ChainStatsAsk(self.chain)
        text = json.dumps(body)
        assert list(self.endpoint(capability).parse(self.reply(text.encode()), ask))
        for damaged in (text[: len(text) // 2], text[:-1], "<html><body>down</body></html>", ""):
            error = self.refused(capability, damaged.encode())
            assert isinstance(error, PayloadChanged)
            assert error.path == "$"
        assert text.count(value) >= 1
        error = self.refused(capability, text.replace(value, '{"no":"number"}', 1).encode())
        assert isinstance(error, PayloadChanged)
        return error.path


def told(stats: ChainStats) -> Mapping[str, Any]:
    """The figures a record has, without who, where and when it was received."""
    left_out = ("provider", "chain", "received_ms")
    return {k: v for k, v in stats._asdict().items() if v is not None and k not in left_out}
