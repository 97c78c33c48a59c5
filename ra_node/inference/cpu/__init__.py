"""OneDNN tuning, 97 -> 59 ms; optional by contract."""
