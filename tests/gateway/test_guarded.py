"""The way to added sources: by the outbound guard, GET alone, no key."""

from __future__ import annotations

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import Gateway, Guarded
from crypto_dt_source.gateway.outbound import Outbound, OutboundReply
from crypto_dt_source.model.errors import AddressRefused
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.entry_fields import checked, fields_of
from crypto_dt_source.providers.kit import Request

NOW = 1_790_000_000_000


class Recording(Outbound):
    """Answers everything, and says what it was asked for."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def get(self, url: str, headers: object = None) -> OutboundReply:
        self.asked.append((url, dict(headers or {})))  # type: ignore[call-overload]
        return OutboundReply(url, 200, {"etag": "1"}, b"{}", "93.184.216.34", NOW)


async def test_only_what_is_no_secret_goes_along() -> None:
    outbound = Recording(ManualClock(NOW))
    way = Guarded(outbound)
    request = Request("/t", (("a", "b c"),), headers=(("Accept", "x"), ("X-Key", "k")))
    reply = await way.send("quay", "https://quay.example.com", request, {"Authorization": "Bearer k"}, 5)
    assert outbound.asked == [("https://quay.example.com/t?a=b+c", {"Accept": "x"})]
    assert (reply.status, reply.body, reply.received_ms, reply.headers) == (200, b"{}", NOW, {"etag": "1"})
    await way.close()


@pytest.mark.parametrize(
    "request_", [Request("/", method="POST"), Request("/", body=b"{}")], ids=["post", "body"]
)
async def test_nothing_is_posted(request_: Request) -> None:
    outbound = Recording(ManualClock(NOW))
    with pytest.raises(AddressRefused):
        await Guarded(outbound).send("quay", "https://quay.example.com", request_, {}, 5)
    assert outbound.asked == []
    await outbound.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.8", "[::1]", "localhost", "db.internal"])
async def test_what_leads_inside_is_refused_at_the_call_too(host: str) -> None:
    way = Guarded(Outbound(ManualClock(NOW)))
    with pytest.raises(AddressRefused):
        await way.send("quay", f"https://{host}", Request("/t"), {}, 5)
    await way.close()


async def test_the_gateway_takes_entries_in_and_out() -> None:
    clock = ManualClock(NOW)
    outbound = Recording(clock)
    plain = Guarded(Recording(clock))
    fields = fields_of(catalog.load()["tzkt"])
    gateway = Gateway({}, plain, clock, keys={"ETHERSCAN_API_KEY": "k"}, guarded=Guarded(outbound))
    keyed = catalog.load()["etherscan"]
    assert gateway.add(keyed)
    assert (gateway.sources["etherscan"].key, gateway.sources["etherscan"].transport) == ("k", plain)
    assert not gateway.add(keyed, guarded=True), "a keyed entry without its key is not in use"
    assert "etherscan" not in gateway.sources
    own = checked("onchain", "quay", {**fields, "base_url": "https://quay.example.com"})
    assert gateway.add(own, guarded=True)
    meter = gateway.sources["quay"].meter
    meter.take(1, background=False)
    gateway.remove("quay")
    assert gateway.sources == {}
    assert gateway.add(own, guarded=True)
    assert gateway.sources["quay"].meter is meter, "whoever comes back is not given its limits anew"
    await gateway.close()
