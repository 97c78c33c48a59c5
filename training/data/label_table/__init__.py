"""Reads the cells of a label table."""
