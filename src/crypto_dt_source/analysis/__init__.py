"""Sentiment of texts by models, and what models are there: the registry is `registry.Models`."""
