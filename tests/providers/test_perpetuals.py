from __future__ import annotations

import pytest

from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.perpetuals import Contract, coin_of


@pytest.mark.parametrize(
    ("name", "coin", "units"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1000),
        ("10000SATS", "SATS", 10_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("SHIB1000", "SHIB", 1000),
        ("kPEPE", "PEPE", 1000),
        ("1000X", "X", 1000),
        ("1000CAT", "CAT", 1000),
        ("1INCH", "1INCH", 1),
        ("1MINCH", "INCH", 1_000_000),
        ("100ABC", "100ABC", 1),
        ("1000", "1000", 1),
        ("2000ABC", "2000ABC", 1),
        ("KAS", "KAS", 1),
        ("KPEPE", "KPEPE", 1),
        ("k", "K", 1),
        ("币安人生", "币安人生", 1),
        ("", "", 1),
    ],
)
def test_names_of_contracts(name: str, coin: str, units: int) -> None:
    assert coin_of(name) == (coin, units)


def test_prices_and_amounts_are_of_one_unit_of_the_coin() -> None:
    pepe = Contract(Pair("PEPE", "USDT"), 1000)
    assert pepe.price(0.0047) == pytest.approx(0.0000047)
    assert pepe.amount(12.5) == 12_500
    assert pepe.amount(0.0) == 0.0
    assert (pepe.amount(None), pepe.price(None), pepe.price(0.0), pepe.price(-1.0)) == (None,) * 4
    # What is worth the same stays the same.
    price, amount = pepe.price(0.0047), pepe.amount(12.5)
    assert price is not None
    assert amount is not None
    assert price * amount == pytest.approx(0.0047 * 12.5)
