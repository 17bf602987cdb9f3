"""The nouns of the service: frozen records of the standard library, no I/O, no framework."""
