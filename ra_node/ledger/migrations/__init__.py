"""The numbered steps that make the tables, oldest first."""

HEAD = "0013"
"""The newest migration."""
