"""Sentences that people read, and foreign text that they may see."""
