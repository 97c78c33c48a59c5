"""The five networks and their heads."""
