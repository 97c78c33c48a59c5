"""Hand detectors for tests: that of the demonstration bundle, and one that sees nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ra_node.domain.report import HandRegion
from ra_node.inference.bundles.bundle import read_bundle
from ra_node.inference.hand_detector.detector import Finder, load_finder
from ra_node.services.analysis.study_analysis import Rules
from training.data.detector import KeptDetector, bundle_detector

DEMO = Path(__file__).resolve().parents[1] / "config" / "bundles" / "demo"


class NoHands:
    """A detector that sees no hand in any image."""

    def find(self, values: NDArray[np.float32]) -> Sequence[HandRegion]:
        return ()


BLIND = Rules(NoHands())
"""How images are read where no test looks at their hands."""


@cache
def demo_finder() -> Finder:
    """The detector of the demonstration bundle, loaded once; two threads would wait for each other."""
    torch.set_num_threads(1)
    return load_finder(read_bundle(DEMO))


def demo_rules() -> Rules:
    """How a node with the demonstration bundle reads images."""
    return Rules(demo_finder())


@cache
def demo_detector() -> KeptDetector:
    """The same detector as the training side takes it out of a bundle."""
    return bundle_detector(DEMO)
