"""Consensus price: pure functions over quotes. `docs/pricing.md` describes the method."""
