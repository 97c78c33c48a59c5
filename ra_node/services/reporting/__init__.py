"""StudyReport to objects on disk."""
