"""Statistics of readers that page and training share."""
