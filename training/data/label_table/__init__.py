"""Reads the table of labels by two readers, and says how well they agree."""
