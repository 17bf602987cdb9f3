"""How feeds are read: bytes to text, text to tags, tags to items, dates. `adapters/feed.py` makes articles of them."""
