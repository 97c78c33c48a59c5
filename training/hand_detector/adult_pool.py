"""Pictures of adults for training the hand detector: the tuning part of the folder `adults`.

The hands have no marked joints: pseudo-labels come from a detector trained on children, where it finds a
single hand with a high score; limbs, feet and fingers are negatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import HandRegion
from ra_node.domain.view.pixel_view import PixelView
from ra_node.imaging.pixels import read_png
from ra_node.inference.hand_detector.detector import Finder
from training.data.adult_hands import AdultPicture, read_adults
from training.hand_detector.picture_pool import Grey, Picture, as_bytes, shrunk

_NO_HAND = frozenset({PixelView.FINGER, PixelView.FOOT, PixelView.OTHER})
_WRONG = frozenset({"c0-97"})
"""Pictures with wrong pseudo-labels, by eye."""
_LEAST_SCORE = 0.93
"""Least mean score of the joints of a pseudo-labelled hand."""


def adult_pictures(folder: Path, finder: Finder) -> Iterator[Picture]:
    """The pictures of the tuning part with certainly one whole hand, or none."""
    for one in read_adults(folder):
        if one.part == "tuning" and one.name not in _WRONG:
            picture = _picture(folder, one, finder)
            if picture is not None:
                yield picture


def _picture(folder: Path, one: AdultPicture, finder: Finder) -> Picture | None:
    values = read_png(folder / one.file).values
    image, scale = shrunk(values)
    if one.hands == 0 and one.view in _NO_HAND:
        empty = np.zeros(image.shape, np.uint8)
        return Picture(one.name, as_bytes(image), np.zeros((0, len(JOINTS), 2), np.float32), empty, ())
    regions = finder.find(values)
    if one.hands != 1 or len(regions) != 1 or one.view is PixelView.LATERAL:
        return None
    region = regions[0]
    if region.score < _LEAST_SCORE or len(region.joints) < len(JOINTS):
        return None
    joints = np.array([[[joint.at.x, joint.at.y] for joint in region.joints]]) * scale
    outlined = one.view is PixelView.FRONTAL
    return Picture(
        one.name, as_bytes(image), joints.astype(np.float32), _mask(region, scale, image.shape), (outlined,)
    )


def _mask(region: HandRegion, scale: float, shape: tuple[int, ...]) -> Grey:
    mask = np.zeros(shape, np.uint8)
    corners = np.array([(point.x, point.y) for point in region.outline]) * scale - 0.5
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask
