"""Checks of `ra-node check`."""
