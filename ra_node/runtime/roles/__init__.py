"""The roles of a node, one process each."""
