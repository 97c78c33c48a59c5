"""Archive run: retrospective analysis of an archive."""
