"""The numbered steps that make the tables, oldest first."""

HEAD = "0008"
"""The last step; a ledger at this version needs nothing."""
