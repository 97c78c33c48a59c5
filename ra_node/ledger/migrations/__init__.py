"""The numbered steps that make the tables, oldest first."""

HEAD = "0011"
"""The newest migration."""
