"""The five networks, their bundles, and the forward pass."""
