"""SCU: services that this node calls."""
