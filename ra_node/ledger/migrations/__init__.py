"""The numbered steps that make the tables, oldest first."""

HEAD = "0012"
"""The newest migration."""
