"""Bundle in use."""
