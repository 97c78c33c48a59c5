"""oneDNN tuning, 97 -> 59 ms."""
