"""We call."""
