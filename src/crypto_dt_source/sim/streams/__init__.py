"""Sockets of simulated venues, one module each."""
