"""From stored pixels to hands and model input: numbers in, numbers out."""
