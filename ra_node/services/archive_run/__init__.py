"""Retrospective run over an archive."""
