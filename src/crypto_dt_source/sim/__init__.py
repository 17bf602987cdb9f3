"""The fake internet: an ASGI app that speaks every provider's REST format over one moving, seeded market."""
