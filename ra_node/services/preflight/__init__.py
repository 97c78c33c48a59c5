"""Ra-node check."""
