"""A run is one value."""
