"""Infrastructure of all job runners."""
