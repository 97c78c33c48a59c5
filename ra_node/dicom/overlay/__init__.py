"""Secondary-capture overlay."""
