"""The numbered steps that make the tables, oldest first."""

HEAD = "0008"
"""The newest migration."""
