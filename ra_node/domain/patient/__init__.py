"""Who the patient is, and how old, as far as headers tell."""
