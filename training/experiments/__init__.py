"""Several runs set beside each other."""
