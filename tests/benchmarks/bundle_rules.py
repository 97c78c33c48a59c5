"""The node's rules with a chosen bundle, in one thread: for benchmarks of what it finds."""

from __future__ import annotations

from pathlib import Path

import cv2

from ra_node.bootstrap.analysis import reading_rules
from ra_node.bootstrap.node_context import default_settings, with_bundle
from ra_node.services.analysis.study_analysis import Rules


def single_threaded_rules(bundle: Path | None) -> Rules:
    """Rules of the default configuration, with `bundle` in place of its bundle."""
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    settings = default_settings()
    return reading_rules(settings if bundle is None else with_bundle(settings, bundle))
