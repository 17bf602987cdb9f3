"""What the service looks at when it examines itself: one file a part, all of them together in `every.py`."""
