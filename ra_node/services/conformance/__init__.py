"""Data of `ra-node conformance`."""
