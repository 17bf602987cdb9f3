"""Streams of venues, one module each."""
