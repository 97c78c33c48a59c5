"""The name of the recipe that turns a found hand into what a network sees.

It stands in the domain because two rooms that never meet must agree on it: imaging carries the
recipe out, and inference refuses a bundle that was trained on another.
"""

PREPROCESSING_ID = "upright-square-masked-p1-p99.5-v2"
"""Changes with every change of the numbers that `ra_node.imaging.model_input` gives."""
