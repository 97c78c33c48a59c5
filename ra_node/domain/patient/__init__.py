"""Patient identity and age from headers."""
