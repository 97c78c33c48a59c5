"""Pixels to hands and model input; numpy arrays only."""
