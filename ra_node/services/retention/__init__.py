"""Files that may go, backups put back."""
