"""Radiographs + labels -> dataset, split, leakage."""
