"""The metadata every table shares, and the columns they are made of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, MetaData, SmallInteger, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Only a column declared INTEGER PRIMARY KEY numbers itself on SQLite; PostgreSQL gets the narrow type.
small_number = SmallInteger().with_variant(Integer(), "sqlite")
big_number = BigInteger().with_variant(Integer(), "sqlite")


def provider_number(name: str = "provider", *, nullable: bool = False) -> Column[int]:
    """A provider, by its number."""
    return Column(name, SmallInteger, ForeignKey("providers.number"), nullable=nullable)


def asset_number() -> Column[int]:
    """An asset, by its number."""
    return Column("asset", Integer, ForeignKey("assets.number"), nullable=False)


def ms(name: str, *, nullable: bool = False) -> Column[int]:
    """A time in ms UTC."""
    return Column(name, BigInteger, nullable=nullable)


def real(name: str, *, nullable: bool = True) -> Column[float]:
    """A float64."""
    return Column(name, Double, nullable=nullable)


def word(name: str, *, nullable: bool = True) -> Column[str]:
    """Text of any length."""
    return Column(name, Text, nullable=nullable)
