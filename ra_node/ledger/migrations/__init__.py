"""The numbered steps that make the tables, oldest first."""

HEAD = "0009"
"""The newest migration."""
