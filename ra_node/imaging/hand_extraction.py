"""Pipeline from a radiograph to the hands for the networks, shared by training and node.

Header, pixels, square pixels, bone bright, detector, quality, side, one view a hand; `Extraction.crops`
then applies `hand_crop`. With two separate pipelines 60 of 60 real hands were cut differently for training
(30 % of all pixels of the crops).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.domain.eligibility import header_refusal
from ra_node.domain.geometry import Box
from ra_node.domain.image_choice import one_view_a_hand, used_view, without_oblique
from ra_node.domain.laterality.chirality import exposures_of, pairing_of
from ra_node.domain.laterality.evidence import (
    Convention,
    MarkerSide,
    Pairing,
    SideFinding,
    SideHeader,
    places_of,
    sides_of,
)
from ra_node.domain.laterality.marker import MarkerLetter, MarkerLetters, marker_side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.domain.view.refusal import against_header
from ra_node.imaging.greyscale_inversion import find_in_tones
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.joint_crops import JointCrops, joint_crops
from ra_node.imaging.model_input import hand_crop
from ra_node.imaging.out_of_domain import out_of_domain
from ra_node.imaging.pixel_aspect import UNSTRETCHED, Stretch, squared, true_aspect
from ra_node.imaging.pixels import DEFAULT_LIMITS, PixelLimits, PixelsRefused, Radiograph, read_radiograph
from ra_node.imaging.quality import hands_quality

_NO_SIDE = SideFinding(None, "")
_ORDERS = "the exposures show the hands in different orders"


class LetterReader(Protocol):
    """The network that reads lead markers."""

    def read(self, display: NDArray[np.uint8], regions: Sequence[HandRegion]) -> Sequence[MarkerLetter]:
        """The certain letters of display (rows, columns), bone bright, outside the regions."""


@dataclass(frozen=True, slots=True)
class LeadMarkers:
    """The reader of lead markers and the letters that the site uses."""

    reader: LetterReader
    letters: tuple[MarkerLetters, ...] = ("RL",)

    def side(
        self,
        display: NDArray[np.uint8],
        regions: Sequence[HandRegion],
        hands: Sequence[HandRegion],
        pairing: Pairing,
    ) -> MarkerSide | None:
        """Side of the first of `hands` by certain letters outside all `regions`; None without one.

        `hands` holds one region a hand. Of two hands each must have been exposed once.
        """
        if not (len(hands) == 1 or len(hands) == len(regions) == 2):
            return None
        return marker_side(self.reader.read(display, regions), hands, pairing, self.letters)


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """One image with its hands.

    `radiograph` is the image used for detection, with square pixels and bone bright; regions are in its
    pixels. `refusal` is the reason why there are no hands. `stretch` maps back to the pixels of the image,
    whose size was `shape` (rows, columns).
    """

    radiograph: Radiograph
    hands: tuple[HandFinding, ...]
    refusal: Refusal | None
    shape: tuple[int, int]
    stretch: Stretch = UNSTRETCHED
    remarks: tuple[str, ...] = ()

    def crops(self, side_px: int) -> tuple[NDArray[np.uint8], ...]:
        """Model input (side_px, side_px) of each hand that is not refused, in the order of the hands."""
        return tuple(
            hand_crop(self.radiograph.values, hand.region, side_px)
            for hand in self.hands
            if hand.refusal is None
        )

    def joints(self, side_px: int) -> tuple[JointCrops, ...]:
        """The joints of each hand that is not refused, (side_px, side_px) each, in the order of the hands."""
        return tuple(
            joint_crops(self.radiograph.values, hand.region, side_px)
            for hand in self.hands
            if hand.refusal is None
        )


def extract_from_dataset(
    dataset: Dataset,
    header: ImageHeader,
    finder: HandFinder,
    convention: Convention = "none",
    limits: PixelLimits = DEFAULT_LIMITS,
    markers: LeadMarkers | None = None,
) -> Extraction | Refusal:
    """Read a DICOM image and detect its hands, or return the reason why it is refused.

    An image of another view by its header is analysed as well: the reason states where the pixels disagree.
    """
    refusal = header_refusal(header)
    if refusal is not None and refusal.reason is not Reason.OTHER_VIEW:
        return refusal
    try:
        radiograph = read_radiograph(dataset, limits)
    except PixelsRefused as error:
        return refusal or error.refusal
    if not np.isfinite(radiograph.values).all():
        return refusal or Refusal(Reason.UNREADABLE_PIXELS, "Expected finite pixel values, found others.")
    found = extract_hands(radiograph, header, finder, convention, markers)
    if refusal is None:
        return found
    return against_header(refusal, header, [hand.region for hand in found.hands])


def extract_hands(
    radiograph: Radiograph,
    header: ImageHeader,
    finder: HandFinder,
    convention: Convention = "none",
    markers: LeadMarkers | None = None,
) -> Extraction:
    """Detect the hands of a radiograph, with their sides and their refusals."""
    rows, columns = radiograph.values.shape
    aspect, about_shape = true_aspect(header.pixel_aspects)
    square, stretch = squared(radiograph, aspect)
    bright, found, about_tones = find_in_tones(square, finder)
    hands = _with_sides(found.hands, bright, header, convention, markers)
    remarks = (*radiograph.remarks, *about_shape, *about_tones)
    return Extraction(bright, hands, found.refusal, (rows, columns), stretch, remarks)


def _with_sides(
    regions: Sequence[HandRegion],
    radiograph: Radiograph,
    header: ImageHeader,
    convention: Convention,
    markers: LeadMarkers | None,
) -> tuple[HandFinding, ...]:
    """The hands with their sides; of several exposures of one hand only one is not refused."""
    places = places_of([region.box for region in regions])
    refusals = hands_quality(radiograph.values, regions)
    outside = out_of_domain(radiograph.values, regions, header)
    hands = [
        HandFinding(region, _NO_SIDE, place, refusal=refusal, outside=reasons)
        for region, place, refusal, reasons in zip(regions, places, refusals, outside, strict=True)
    ]
    exposures = exposures_of(regions) or tuple((n,) for n in range(len(regions)))
    used = [used_view(hands, numbers) for numbers in exposures]
    pairing = _pairing([regions[n] for n in used], len(regions))
    boxes = [[regions[n].box for n in numbers] for numbers in exposures]
    marker = None
    if markers is not None:
        marker = markers.side(radiograph.display, regions, [regions[n] for n in used], pairing)
    sides = _sides(boxes, header.side, convention, pairing, marker)
    for numbers, side in zip(exposures, sides, strict=True):
        for n in numbers:
            hands[n] = replace(hands[n], side=side)
    return without_oblique(one_view_a_hand(hands, used), pairing)


def _pairing(used: Sequence[HandRegion], exposures: int) -> Pairing:
    """Pairing of an image's hands by the positions of their thumbs."""
    if len(used) == 2:
        return pairing_of(used)
    return Pairing.SAME_HAND if len(used) < exposures else Pairing.TWO_HANDS


def _sides(
    boxes: Sequence[Sequence[Box]],
    header: SideHeader,
    convention: Convention,
    pairing: Pairing,
    marker: MarkerSide | None,
) -> list[SideFinding]:
    """The side of each hand, whose exposures lie at `boxes`; all evidence of two hands must agree."""
    if len(boxes) == 1:
        return [sides_of(boxes[0][:2], header, convention, pairing, marker)[0]]
    if len(boxes) != 2:
        return list(sides_of([places[0] for places in boxes], header, convention, pairing))
    pairs = [sides_of(pair, header, convention, pairing, marker) for pair in product(*boxes)]
    known = [pair for pair in pairs if pair[0].side is not None] or pairs
    if len({pair[0].side for pair in known}) > 1:
        return [SideFinding(None, _ORDERS, conflict=True)] * 2
    return list(known[0])
