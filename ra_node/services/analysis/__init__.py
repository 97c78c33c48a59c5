"""Images to StudyReport."""
