"""Reads one image for a reader study: its hands, the model's answers, spacing and display window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_header
from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Refusal
from ra_node.domain.report import HandRegion
from ra_node.domain.study import NO_HEADER, ImageHeader
from ra_node.imaging.hand_extraction import Extraction, extract_from_dataset, extract_hands
from ra_node.imaging.pixels import PNG_SIGNATURE, PixelLimits, PixelsRefused, read_png
from ra_node.services.analysis.study_analysis import HandClassifier, Rules
from ra_node.services.reader_studies.adjudication import ModelAnswer


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A hand drawn by a lead: x0, y0, x1, y1 as shares (0..1) of the image, side, and where fingers point.

    `no_text` is his confirmation that no name, date or institution lies in the box, which readers see whole.
    """

    box: tuple[float, float, float, float]
    side: str
    rotation: int = 0
    no_text: bool = False


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What cuts and judges: reading rules, hash of the detector, and the networks where they are needed."""

    rules: Rules
    detector: str
    judge: HandClassifier | None


def read_image_hands(path: Path, rules: Rules) -> tuple[Extraction, ImageHeader, Dataset | None] | Refusal:
    """Read an image and detect its hands as the node does."""
    try:
        with path.open("rb") as stream:
            is_png = stream.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
        if is_png:
            found = extract_hands(read_png(path), NO_HEADER, rules.finder, rules.convention, rules.markers)
            return found, NO_HEADER, None
        dataset = read_dataset(path)
        header = read_header(dataset)
    except (DatasetRefused, PixelsRefused) as error:
        return error.refusal
    limits = PixelLimits(area_px=rules.max_pixels)
    made = extract_from_dataset(dataset, header, rules.finder, rules.convention, limits, rules.markers)
    return made if isinstance(made, Refusal) else (made, header, dataset)


def model_answers(extraction: Extraction, model: LoadedModel) -> Sequence[ModelAnswer | None]:
    """The model's answer for each hand that is not refused; None without the networks."""
    count = sum(hand.refusal is None for hand in extraction.hands)
    if model.judge is None or not count:
        return [None] * count
    judged = model.judge.judge(extraction.crops(model.rules.side_px))
    joints: list[dict[str, int]] = [{} for _ in judged]
    if model.rules.joints is not None:
        crops = extraction.joints(model.rules.joints.side_px)
        threshold = model.rules.joints.threshold
        for found, hand, shares in zip(joints, crops, model.judge.grade(crops), strict=True):
            found.update(
                (frame.name, int(1 + np.argmax(row[1:])) if 1 - row[0] >= threshold else 0)
                for frame, row in zip(hand.frames, shares, strict=True)
            )
    return [
        ModelAnswer(one.staging.stage, one.recognition.probability, one.recognition.threshold, found)
        for one, found in zip(judged, joints, strict=True)
    ]


def region_in(values: NDArray[np.float32], box: Box, rules: Rules) -> HandRegion | None:
    """The hand that the detector sees in a drawn box; None where it sees none or several."""
    part = np.ascontiguousarray(values[box.y0 : box.y1, box.x0 : box.x1])
    regions = list(rules.finder.find(part))
    if len(regions) != 1:
        return None
    one = regions[0]
    moved = Box(one.box.x0 + box.x0, one.box.y0 + box.y0, one.box.x1 + box.x0, one.box.y1 + box.y0)
    outline = tuple(replace(point, x=point.x + box.x0, y=point.y + box.y0) for point in one.outline)
    joints = tuple(
        replace(joint, at=replace(joint.at, x=joint.at.x + box.x0, y=joint.at.y + box.y0))
        for joint in one.joints
    )
    return replace(one, box=moved, outline=outline, joints=joints)


def region_of_box(box: Box, rotation: int) -> HandRegion:
    """A drawn box as the hand itself: its corners are the outline, and it has no joints."""
    turn = rotation if rotation in (0, 90, 180, 270) else 0
    return HandRegion(box, box.corners(), turn, 0.0)  # type: ignore[arg-type]  # checked above


def display_window(words: NDArray[np.uint16], place: HandRegion) -> tuple[int, int]:
    """Words that a display shows as black and white at first."""
    mask = np.zeros(words.shape, np.uint8)
    corners = np.rint([(point.x - 0.5, point.y - 0.5) for point in place.outline]).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1)
    inside = words[mask > 0]
    low, high = np.percentile(inside if inside.size else words, (1, 99.5))
    return int(low), max(int(high), int(low) + 1)


def pixel_spacing_mm(dataset: Dataset | None, extraction: Extraction) -> tuple[float, float] | None:
    """Spacing (x, y) of the square grid in mm by the header; None where it gives none."""
    if dataset is None:
        return None
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            down, across = (float(value) for value in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if 0.01 <= down <= 2 and 0.01 <= across <= 2:
            return across / extraction.stretch.x, down / extraction.stretch.y
    return None
