"""Writes to the disk that outlive a power cut."""
