"""Patients that were merged, or that a PACS names otherwise today, without an attribute of theirs."""
