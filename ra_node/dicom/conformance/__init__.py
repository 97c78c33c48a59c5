"""PS3.2 statement, from tables."""
