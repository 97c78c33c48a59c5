"""Atomic files, process map."""
