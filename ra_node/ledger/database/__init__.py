"""Engine, tables, events, group commit."""
