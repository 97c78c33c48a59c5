"""Takes results back: one study, or all of a bundle since a day."""
