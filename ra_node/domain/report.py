"""The result of a study, from which SR, overlay and text are rendered.

A report is a complete, immutable value: renderers add no decision of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.laterality.evidence import Side, SideFinding
from ra_node.domain.patient.age import Age
from ra_node.domain.refusal import OUTSIDE_DOMAIN, Refusal
from ra_node.domain.statistics.prevalence import Posterior
from ra_node.domain.view.pixel_view import SeenView

STAGES = (0, 1, 2, 3, 4, 5)
"""Stage 0 is a normal hand; 1 to 5 are the stages of Peng et al. 2024."""


class HandVerdict(StrEnum):
    """The verdict on a hand, for every rendering. The value is a stable code for scripts."""

    PRESENT = "present"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    """Recognition and staging contradict each other, or a joint is diseased where both say normal.

    Of 140 simulated hands of 20 patients held out for all tasks, no joint reached its operating point in 11
    hands that the whole hand called diseased, all of them rightly: that is a doubt and no contradiction. A
    joint did so in 2 of 2 diseased hands that the whole hand missed, and in 1 of 40 healthy ones.
    """
    NOT_RATED = "not_rated"
    """The hand is outside the domain of the bundle."""
    NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True, slots=True)
class Recognition:
    """Probability of rheumatoid arthritis, calibrated, against its operating point."""

    probability: float
    threshold: float
    at_prevalence: Posterior | None = None
    """The probability restated for the site's own prevalence; calls and doubts do not depend on it."""

    @property
    def positive(self) -> bool:
        return self.probability >= self.threshold


@dataclass(frozen=True, slots=True)
class Staging:
    """Probabilities of stage 0 to 5; they sum to 1."""

    probabilities: tuple[float, float, float, float, float, float]

    @property
    def stage(self) -> int:
        return max(STAGES, key=lambda stage: self.probabilities[stage])


@dataclass(frozen=True, slots=True)
class JointStaging:
    """The stage of one joint: its name out of `JOINTS`, and the square of its crop in image pixels.

    `probabilities` are those of stage 0 to 5, calibrated by kind of joint. A joint whose probability of
    disease is below `threshold` is of stage 0, any other of its likeliest stage from 1 on.
    """

    name: str
    at: Point
    square: tuple[Point, Point, Point, Point]
    probabilities: tuple[float, float, float, float, float, float]
    threshold: float

    @property
    def probability(self) -> float:
        """Of disease at this joint."""
        return min(1.0, max(0.0, 1 - self.probabilities[0]))

    @property
    def stage(self) -> int:
        if self.probability < self.threshold:
            return 0
        return max(STAGES[1:], key=lambda stage: self.probabilities[stage])


def explaining_task(recognition: Recognition, staging: Staging) -> Literal["staging", "recognition"] | None:
    """The task that a heat map explains: a task that calls disease, staging first; None without one.

    On tuning hands with a lesion at one joint staging's map found the joint more often (35 of 38 hands)
    than recognition's (22) or both together (33).
    """
    if staging.stage > 0:
        return "staging"
    return "recognition" if recognition.positive else None


@dataclass(frozen=True, slots=True)
class JointShare:
    """Share of the heat map at one joint: its name in `JOINTS`, and 0..1 of all heat."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Contour:
    """A closed contour of the heat map, without its repeated first point, in image pixels.

    Inside it the heat map is at least `level` (0..1) of its maximum in this hand.
    """

    level: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explanation of a hand: joints by share, largest first, and contours of the heat map.

    Joints are empty where the bundle's detector gives none, or where no joint stands out.
    """

    joints: tuple[JointShare, ...]
    contours: tuple[Contour, ...]


@dataclass(frozen=True, slots=True)
class Joint:
    """A detected joint: its name in `ra_node.domain.joints.JOINTS`, and a score in 0..1."""

    name: str
    at: Point
    score: float


@dataclass(frozen=True, slots=True)
class HandRegion:
    """Location of a hand in its image.

    `outline` is the closed polygon of the hand without its repeated first point, inside the image, at most
    200 points. `score` in 0..1 is that of the detector. `joints` are the detected ones; none without a hand
    detector in the bundle.
    """

    box: Box
    outline: tuple[Point, ...]
    rotation: Rotation
    score: float
    joints: tuple[Joint, ...] = ()
    view: SeenView | None = None
    """None where the bundle's detector does not tell views."""


@dataclass(frozen=True, slots=True)
class ResearchOutput:
    """Raw output for a hand that is not rated: no result, kept only with `research_output = true`."""

    recognition: Recognition
    staging: Staging | None


@dataclass(frozen=True, slots=True)
class HandFinding:
    """One hand of one image: rated (recognition and staging set) or refused."""

    region: HandRegion
    side: SideFinding
    place: str
    """Position of a hand without side: "image left", "image right", "image top",
    "image bottom", or "" for the only hand of an image."""
    recognition: Recognition | None = None
    staging: Staging | None = None
    refusal: Refusal | None = None
    explanation: Explanation | None = None
    """Heat map of the network that calls disease; None for a hand that is refused, that neither network calls
    diseased, or that was analysed before heat maps existed."""
    outside: tuple[Refusal, ...] = ()
    """Out-of-domain reasons; for a rated hand the caveats that precede the result."""
    research_output: ResearchOutput | None = None
    joint_stages: tuple[JointStaging, ...] = ()
    """By the joint task, in the order of `JOINTS`; none where the bundle has no such task or saw no joint."""

    @property
    def joint_stage(self) -> int | None:
        """The highest stage of the joints; None without any."""
        return max((joint.stage for joint in self.joint_stages), default=None)

    @property
    def verdict(self) -> HandVerdict:
        if self.refusal is not None:
            return (
                HandVerdict.NOT_RATED if self.refusal.reason in OUTSIDE_DOMAIN else HandVerdict.NOT_ANALYSED
            )
        if self.recognition is None:
            return HandVerdict.NOT_ANALYSED
        if self.staging is not None and self.recognition.positive != (self.staging.stage > 0):
            return HandVerdict.INCONCLUSIVE
        if self.joint_stage and not self.recognition.positive:
            return HandVerdict.INCONCLUSIVE
        return HandVerdict.PRESENT if self.recognition.positive else HandVerdict.ABSENT

    @property
    def joints_contradict(self) -> bool:
        """Whether the hand is inconclusive for its joints alone: recognition and staging agree."""
        agree = self.staging is None or (
            self.recognition is not None and self.recognition.positive == (self.staging.stage > 0)
        )
        return agree and self.verdict is HandVerdict.INCONCLUSIVE

    @property
    def rated(self) -> bool:
        """Whether the verdict is RA present or absent."""
        return self.verdict in (HandVerdict.PRESENT, HandVerdict.ABSENT)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Attributes for the choice between several images of a hand.

    `pixels` is a hash of the values, `acquired_at` digits that sort; "" and None mean unknown.
    """

    pixels: str = ""
    for_processing: bool = False
    frontal: bool = False
    """The header states a PA or AP view."""
    acquired_at: str = ""
    instance_number: int = 0
    age: Age = field(default_factory=Age)


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """One image: its hands, or the reason why there are none."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    rows: int
    columns: int
    hands: tuple[HandFinding, ...] = ()
    refusal: Refusal | None = None
    remarks: tuple[str, ...] = ()
    facts: ImageFacts = ImageFacts()


@dataclass(frozen=True, slots=True)
class EarlierHand:
    """Earlier result of a hand with known side; `stage` is None without one."""

    side: Side
    recognition: Recognition
    stage: int | None
    joints: tuple[tuple[str, int], ...] = ()
    """The stage of each joint by its name out of `JOINTS`; none where that report has none."""


@dataclass(frozen=True, slots=True)
class Prior:
    """The patient's last earlier report of this node: reference, date and results."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_date: date
    bundle: str
    """Name and version of the bundle that made it."""
    bundle_sha256: str
    hands: tuple[EarlierHand, ...]


class WithdrawalCause(StrEnum):
    """Why results are taken back; the titles of a rejection note (PS3.16 CID 7011)."""

    QUALITY = "quality"
    PATIENT_SAFETY = "patient_safety"


@dataclass(frozen=True, slots=True)
class DeliveredObject:
    """An object of an earlier version that a destination holds, as it knows it."""

    peer: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The withdrawal of the earlier versions of a report, and what a rejection note names of them."""

    cause: WithdrawalCause
    rejected: tuple[DeliveredObject, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The report of one study, version 1 or a revision."""

    study_instance_uid: str
    version: int
    created_at: datetime
    images: tuple[ImageFinding, ...]
    bundle: BundleIdentity
    refusal: Refusal | None = None
    """Set when no hand of the study was rated, and none is inconclusive."""
    predecessor_sr_uid: str | None = None
    research_label: str = ""
    study_date: date | None = None
    """Study date, set where there is a `prior`."""
    prior: Prior | None = None
    made_of: str = ""
    """SHA-256 of the content of the report without its time; the UIDs of its objects derive from it."""
    withdrawal: Withdrawal | None = None
    """Set in the version that takes the earlier ones back."""

    @property
    def hands(self) -> tuple[HandFinding, ...]:
        return tuple(hand for image in self.images for hand in image.hands)


def without_heat_maps(report: StudyReport) -> StudyReport:
    """The same report without the heat map of any hand whose joints have stages, for the overlay."""
    images = tuple(
        replace(
            image,
            hands=tuple(
                replace(hand, explanation=None) if hand.joint_stages else hand for hand in image.hands
            ),
        )
        for image in report.images
    )
    return replace(report, images=images)
