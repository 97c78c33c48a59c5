"""We are called."""
