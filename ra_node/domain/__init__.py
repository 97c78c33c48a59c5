"""Domain values and rules: pure Python, no library."""
