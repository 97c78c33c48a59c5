"""The numbered steps that make the tables, oldest first."""

HEAD = "0014"
"""The newest migration."""
