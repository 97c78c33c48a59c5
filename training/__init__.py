"""Training, evaluation and export of the networks that the node runs."""
