"""TID 1500 report."""
