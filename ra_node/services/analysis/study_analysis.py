"""Analyses images, all hands in one forward pass, and makes the report of a study.

Independent of ledger and network: the worker and `ra-node analyse` use the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_header
from ra_node.dicom.reading.instance_equality import header_values
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.geometry import Point
from ra_node.domain.image_choice import one_result_a_hand
from ra_node.domain.laterality.evidence import Convention
from ra_node.domain.rating import DEFAULT_RATING, Rating, rated_within
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import (
    Explanation,
    HandFinding,
    HandRegion,
    HandVerdict,
    ImageFinding,
    JointStaging,
    Recognition,
    Staging,
    StudyReport,
)
from ra_node.domain.study import ImageHeader
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import Extraction, LeadMarkers, extract_from_dataset, extract_hands
from ra_node.imaging.heat_map_contours import explained
from ra_node.imaging.joint_crops import JointCrops
from ra_node.imaging.pixel_aspect import (
    UNSTRETCHED,
    Stretch,
    explanation_in_image,
    region_in_image,
    region_in_square,
    square_shape,
)
from ra_node.imaging.pixels import PixelLimits, Radiograph
from ra_node.imaging.preview import reduced
from ra_node.services.analysis.image_facts import facts_of


class ClassifierOutput(Protocol):
    """Output of the networks for one hand."""

    @property
    def recognition(self) -> Recognition: ...

    @property
    def staging(self) -> Staging: ...

    @property
    def heat(self) -> NDArray[np.float32] | None:
        """Heat map of the network that calls disease, in pixels of the crop; None without disease."""


class HandClassifier(Protocol):
    """The forward pass as this use case needs it."""

    def judge(self, crops: Sequence[NDArray[np.uint8]]) -> Sequence[ClassifierOutput]:
        """Run the networks on crops (side_px, side_px), each with one hand, in one batch."""

    def grade(self, hands: Sequence[JointCrops]) -> Sequence[NDArray[np.float64]]:
        """Probabilities (joints, 6) of each hand's joints by stage; called where the rules ask for it."""


@dataclass(frozen=True, slots=True)
class JointRules:
    """What the joint task of the bundle needs: the side of its crops, and its operating point."""

    side_px: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings for reading images: those of the site and of the bundle."""

    finder: HandFinder
    """The networks that find hands."""
    convention: Convention = "none"
    max_pixels: int = 120_000_000
    side_px: int = 224
    """Side of the input of the bundle's networks."""
    joints: JointRules | None = None
    """Joint crops and operating point; None where the bundle has no joint task."""
    markers: LeadMarkers | None = None
    """The reader of lead markers; None where the bundle has none or the site uses none."""


@dataclass(frozen=True, slots=True)
class Look:
    """One image after reading and hand detection, before the networks."""

    finding: ImageFinding
    crops: tuple[NDArray[np.uint8], ...] = ()
    display: NDArray[np.uint8] | None = None
    stretch: Stretch = UNSTRETCHED
    """Mapping from the pixels of the image to the square pixels of the crops."""
    joints: tuple[JointCrops, ...] = ()
    """Of the same hands as the crops; none without the joint task."""
    joint_threshold: float = 0.5
    pixel_sha256: str = ""
    """Digest of the decoded pixels, "" where there are none."""
    header: bytes = b""
    """The compared attributes (`instance_equality.header_values`), of which a keyed hash is kept."""


def look_at_file(path: Path, rules: Rules) -> Look:
    """Read one DICOM file and detect its hands; raises DatasetRefused without a readable header."""
    try:
        dataset = read_dataset(path)
    except DatasetRefused as error:
        return Look(refused(read_header(path), error.refusal))
    return look_at(dataset, rules)


def look_at(dataset: Dataset, rules: Rules) -> Look:
    """Detect the hands of one data set; any fault of it becomes a refusal in the finding."""
    header = read_header(dataset)
    limits = PixelLimits(area_px=rules.max_pixels)
    values = header_values(dataset)
    found = extract_from_dataset(dataset, header, rules.finder, rules.convention, limits, rules.markers)
    if isinstance(found, Refusal):
        return Look(refused(header, found), header=values)
    return replace(_look(found, header, rules), header=values)


def look_at_pixels(radiograph: Radiograph, header: ImageHeader, rules: Rules) -> Look:
    """Detect and crop the hands of a radiograph."""
    found = extract_hands(radiograph, header, rules.finder, rules.convention, rules.markers)
    return _look(found, header, rules)


def _look(found: Extraction, header: ImageHeader, rules: Rules) -> Look:
    """The crops of an extraction, and its finding in the pixels of the received image."""
    hands, display, (rows, columns) = found.hands, found.radiograph.display, found.shape
    if not found.stretch.is_none:
        display = np.asarray(cv2.resize(display, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)
        hands = tuple(
            replace(hand, region=region_in_image(hand.region, found.stretch, found.shape)) for hand in hands
        )
    finding = replace(
        refused(header, found.refusal),
        rows=rows,
        columns=columns,
        hands=hands,
        remarks=(*found.remarks, *_remarks(hands)),
        facts=facts_of(header, found.radiograph.values),
    )
    digest = found.radiograph.digest
    look = Look(finding, found.crops(rules.side_px), reduced(display), found.stretch, pixel_sha256=digest)
    if rules.joints is None:
        return look
    return replace(look, joints=found.joints(rules.joints.side_px), joint_threshold=rules.joints.threshold)


def judge_looks(looks: Sequence[Look], judge: HandClassifier) -> list[ImageFinding]:
    """Run the networks on every unrefused hand of all images in one forward pass, and add the results."""
    judgements = iter(judge.judge([crop for look in looks for crop in look.crops]))
    cut = [hand for look in looks for hand in look.joints]
    graded = iter(zip(cut, judge.grade(cut), strict=True) if cut else ())
    return [
        replace(
            look.finding,
            hands=tuple(
                hand
                if hand.refusal
                else _judged(hand, next(judgements), look, next(graded) if look.joints else None)
                for hand in look.finding.hands
            ),
        )
        for look in looks
    ]


def make_report(
    study_uid: str,
    version: int,
    images: Sequence[ImageFinding],
    bundle: BundleIdentity,
    *,
    created_at: datetime,
    predecessor: str | None = None,
    research_label: str = "",
    conflict: Refusal | None = None,
    remark: str = "",
    rating: Rating = DEFAULT_RATING,
) -> StudyReport:
    """Combine the findings of a study to one result per hand, or to the reason why there is none.

    With a `conflict` (see `one_patient`) every image is refused for it. `remark` is of the whole study.
    """
    if conflict is not None:
        refused = [replace(image, hands=(), refusal=conflict, remarks=()) for image in images]
        return StudyReport(
            study_uid, version, created_at, tuple(refused), bundle, conflict, predecessor, research_label
        )
    counted = _remarked(one_result_a_hand(rated_within(images, bundle, rating)), remark)
    return reason_for_study(
        StudyReport(study_uid, version, created_at, counted, bundle, None, predecessor, research_label)
    )


def reason_for_study(report: StudyReport) -> StudyReport:
    """The report, with a reason where no hand was rated."""
    if any(hand.refusal is None for hand in report.hands):
        return report
    return replace(report, refusal=_reason_for_study(report))


def failed_finding(header: ImageHeader, why: str) -> ImageFinding:
    """The finding of an image whose analysis failed for good; `why` is for the report."""
    text = f"The analysis of this image failed: {why}"
    return refused(header, Refusal(Reason.ANALYSIS_FAILED, text))


def _remarked(images: tuple[ImageFinding, ...], remark: str) -> tuple[ImageFinding, ...]:
    """Add a remark of the study to its first image, whose patient and order the report has."""
    if not remark or not images:
        return images
    return (replace(images[0], remarks=(*images[0].remarks, remark)), *images[1:])


def refused(header: ImageHeader, refusal: Refusal | None) -> ImageFinding:
    """The finding of an image without hands."""
    return ImageFinding(
        header.sop_instance_uid,
        header.sop_class_uid,
        header.series_instance_uid,
        header.rows,
        header.columns,
        refusal=refusal,
    )


def _remarks(hands: Sequence[HandFinding]) -> tuple[str, ...]:
    conflicts = {hand.side.evidence for hand in hands if hand.side.conflict}
    return tuple(f"Side not determined: {evidence}" for evidence in sorted(conflicts))


def _judged(
    hand: HandFinding,
    judgement: ClassifierOutput,
    look: Look,
    graded: tuple[JointCrops, NDArray[np.float64]] | None,
) -> HandFinding:
    """Add a result; an inconclusive one has no heat map, which would support one of the two models."""
    heat = judgement.heat
    judged = replace(
        hand,
        recognition=judgement.recognition,
        staging=judgement.staging,
        joint_stages=() if graded is None else _joint_stages(*graded, look),
    )
    if heat is None or judged.verdict is HandVerdict.INCONCLUSIVE:
        return judged
    return replace(judged, explanation=_explained(heat, hand.region, look))


def _joint_stages(
    cut: JointCrops, probabilities: NDArray[np.float64], look: Look
) -> tuple[JointStaging, ...]:
    """The joints of a hand in the pixels of its image."""
    stretch = look.stretch

    def in_image(point: Point) -> Point:
        return Point(point.x / stretch.x, point.y / stretch.y)

    made = []
    for frame, row in zip(cut.frames, probabilities, strict=True):
        a, b, c, d = (in_image(corner) for corner in frame.corners())
        p0, p1, p2, p3, p4, p5 = (float(p) for p in row)
        shares = (p0, p1, p2, p3, p4, p5)
        at = in_image(frame.centre)
        made.append(JointStaging(frame.name, at, (a, b, c, d), shares, look.joint_threshold))
    return tuple(made)


def _explained(heat: NDArray[np.float32], region: HandRegion, look: Look) -> Explanation:
    shape, stretch = (look.finding.rows, look.finding.columns), look.stretch
    if stretch.is_none:
        return explained(heat, region, shape)
    found = explained(heat, region_in_square(region, stretch, shape), square_shape(stretch, shape))
    return explanation_in_image(found, stretch)


_OTHER_COUNTS = frozenset({Reason.SECOND_VIEW, Reason.OTHER_IMAGE_COUNTS})
"""Reasons that refer to another hand, whose reason is more specific."""


def _reason_for_study(report: StudyReport) -> Refusal:
    """The common reason of the detected hands, else that of hands and images."""
    hands = [hand.refusal for hand in report.hands if hand.refusal]
    own = [refusal for refusal in hands if refusal.reason not in _OTHER_COUNTS]
    refusals = [image.refusal for image in report.images if image.refusal] + hands
    for same in (own, refusals):
        if len(set(same)) == 1:
            return same[0]
    reasons = sorted({refusal.reason for refusal in refusals})
    text = "No hand in the image could be rated; each has its reason."
    if len(report.images) > 1:
        text = f"None of {len(report.images)} images has a hand that could be rated; each has its reason."
    return Refusal(Reason(reasons[0]) if len(reasons) == 1 else Reason.NO_HAND, text)
