"""Identifier of the preprocessing from a detected hand to the model input.

It is in the domain because two independent packages use it: imaging implements the preprocessing, and
inference refuses a bundle that was trained with another.
"""

PREPROCESSING_ID = "upright-square-masked-p1-p99.5-v2"
"""Must change with every change of the output of `ra_node.imaging.model_input`."""

JOINT_CROPS_ID = "joint-squares-along-finger-p1-p99.5-v1"
"""Must change with every change of the output of `ra_node.imaging.joint_crops`."""
