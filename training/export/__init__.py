"""Bundle and model card."""
