"""One module a resource: cache → pool → rows. They take the Runtime and answer records with provenance."""
