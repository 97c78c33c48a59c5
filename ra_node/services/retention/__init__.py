"""Retention, restore, adoption."""
