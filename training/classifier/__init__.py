"""Trains the five networks."""
