"""CNN hand detector."""
