"""Hands without a network (goes: see README.md)."""
