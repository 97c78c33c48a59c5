"""Table of labels by two readers, and their agreement."""
