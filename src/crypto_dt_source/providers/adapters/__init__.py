"""One file per upstream API, each exporting `ADAPTER`. They do not know each other."""
