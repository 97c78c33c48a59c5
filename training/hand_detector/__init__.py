"""Trains the CNN detector."""
