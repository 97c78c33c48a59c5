"""One use case a file; the only rooms that know several others."""
