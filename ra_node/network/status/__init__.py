"""DIMSE status tables."""
