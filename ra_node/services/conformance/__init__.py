"""Ra-node conformance."""
