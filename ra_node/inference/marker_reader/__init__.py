"""Reads the letters of lead markers."""
