"""The `cdts` command."""
