"""Received files."""
