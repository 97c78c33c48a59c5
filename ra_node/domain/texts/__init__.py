"""Texts of reports, and safe display of foreign text."""
