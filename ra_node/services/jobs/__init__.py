"""What every job runner shares."""
