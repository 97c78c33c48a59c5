"""Reads the letters of lead markers: a small network classifies candidate pieces.

Importing this module is fast; torch is imported by the first `MarkerReader`. Letters below the threshold are
dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from ra_node.domain.laterality.marker import MARKER_CLASSES, MarkerLetter, letter_of
from ra_node.domain.report import HandRegion
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import Bundle
from ra_node.inference.marker_reader.candidates import PATCH_PX, marker_candidates


class MarkerReader:
    """Holds the network on the CPU; raises Fatal for weights that do not fit."""

    def __init__(self, weights: Path, least_score: float) -> None:
        from ra_node.inference.marker_reader import network  # noqa: PLC0415  # see the module's docstring

        self._network = network.loaded(weights)
        self._probabilities = network.probabilities
        self._least_score = least_score

    def read(self, display: NDArray[np.uint8], regions: Sequence[HandRegion]) -> tuple[MarkerLetter, ...]:
        """Letters of display (rows, columns), bone bright, from the threshold on, largest first."""
        boxes, patches = marker_candidates(display, regions)
        if not boxes:
            return ()
        return letters_in(boxes, self._probabilities(self._network, patches), self._least_score)


def letters_in(
    boxes: Sequence[Box], chances: NDArray[np.float32], least_score: float
) -> tuple[MarkerLetter, ...]:
    """Letters from the threshold on by probabilities (N, classes), in the order of the pieces."""
    found = []
    for box, chance in zip(boxes, chances, strict=True):
        best = int(chance.argmax())
        if best > 0 and chance[best] >= least_score:
            letter, mirrored = letter_of(MARKER_CLASSES[best])
            found.append(MarkerLetter(letter, box, float(chance[best]), mirrored=mirrored))
    return tuple(found)


def load_marker_reader(bundle: Bundle) -> MarkerReader | None:
    """The marker reader of a bundle, None where it has none; raises Fatal for one that does not fit."""
    part = bundle.manifest.marker_reader
    if part is None:
        return None
    if part.side_px != PATCH_PX or part.classes != MARKER_CLASSES:
        found = f"{part.side_px} px and {', '.join(part.classes)}"
        raise Fatal(
            f"expected a marker reader of {PATCH_PX} px and {', '.join(MARKER_CLASSES)}, found {found}"
        )
    return MarkerReader(bundle.folder / part.weights.path, part.least_score)
