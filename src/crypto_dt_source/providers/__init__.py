"""Who has what, and how to read it. Pure: nothing here does I/O beyond reading the packaged catalogue."""
