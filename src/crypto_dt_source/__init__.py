"""Self-hosted server of cryptocurrency data: every number names its upstream, its time and its age."""

__version__ = "0.1.0"
