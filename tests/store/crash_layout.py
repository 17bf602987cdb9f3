"""What crash_writer.py writes, for test_crash.py to know."""

START = 1_700_006_400_000
ROWS = 40
"""Rows of one batch in each table."""
