"""Measurements: each prints a ratio against a peer or a limit of the same run; none is a test."""
