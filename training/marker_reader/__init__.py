"""Training of the marker reader: rendered letters, pieces of real radiographs, evaluation, export."""
