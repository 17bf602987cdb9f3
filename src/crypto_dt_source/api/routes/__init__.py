"""One file a resource. A route asks, calls, wraps."""
