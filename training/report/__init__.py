"""Figures and page."""
