"""Laterality: evidence in the header, and chirality from the joints."""
