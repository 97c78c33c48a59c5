"""The numbered steps that make the tables, oldest first."""

HEAD = "0010"
"""The newest migration."""
