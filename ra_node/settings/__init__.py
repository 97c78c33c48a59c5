"""Node.toml."""
