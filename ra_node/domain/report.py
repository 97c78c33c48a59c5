"""The one result of a study, from which SR, overlay and text are all made.

A report is a complete, immutable value: whoever renders it adds no judgement of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.laterality.evidence import Side, SideFinding
from ra_node.domain.patient.age import Age

STAGES = (0, 1, 2, 3, 4, 5)
"""Stage 0 is a normal hand; 1 to 5 are the stages of Peng et al. 2024."""


class Reason(StrEnum):
    """Why a hand, an image or a study has no result. The value is a stable code for scripts."""

    NO_HAND = "no_hand"
    TOO_MANY_HANDS = "too_many_hands"
    HAND_CUT_OFF = "hand_cut_off"
    POOR_EXPOSURE = "poor_exposure"
    UNREADABLE_PIXELS = "unreadable_pixels"
    NO_PIXELS = "no_pixels"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    NOT_A_RADIOGRAPH = "not_a_radiograph"
    NOT_FOR_PRESENTATION = "not_for_presentation"
    OTHER_BODY_PART = "other_body_part"
    OTHER_VIEW = "other_view"
    SAME_PICTURE = "same_picture"
    OTHER_IMAGE_COUNTS = "other_image_counts"
    SECOND_VIEW = "second_view"
    INVERTED = "inverted"
    METAL_OR_CAST = "metal_or_cast"
    OUTSIDE_AGES = "outside_ages"
    PATIENT_CONFLICT = "patient_conflict"
    AGE_UNKNOWN = "age_unknown"
    HAND_INCOMPLETE = "hand_incomplete"
    AI_MADE = "ai_made"
    FILE_DAMAGED = "file_damaged"
    """The kept file is missing, or is not what was received."""
    ANALYSIS_FAILED = "analysis_failed"


OUTSIDE_DOMAIN = frozenset(
    {Reason.OUTSIDE_AGES, Reason.HAND_INCOMPLETE, Reason.OTHER_VIEW, Reason.METAL_OR_CAST}
)
"""Reasons for which a hand that was found is not rated: the networks of the bundle know nothing like it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with one sentence that a radiologist understands (expected and found)."""

    reason: Reason
    text: str


class HandVerdict(StrEnum):
    """The one answer about a hand, for every rendering. The value is a stable code for scripts."""

    PRESENT = "present"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    """Recognition and staging contradict each other."""
    NOT_RATED = "not_rated"
    """The hand lies outside the domain of the bundle."""
    NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True, slots=True)
class Recognition:
    """Probability of rheumatoid arthritis, calibrated, against its operating point."""

    probability: float
    threshold: float

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


def explaining_task(recognition: Recognition, staging: Staging) -> Literal["staging", "recognition"] | None:
    """The task that a hand's heat map explains: the one that says disease, staging first; None without.

    On tuning hands with a lesion at one joint staging's map found the joint more often (35 of 38 hands)
    than recognition's (22) or both together (33).
    """
    if staging.stage > 0:
        return "staging"
    return "recognition" if recognition.positive else None


@dataclass(frozen=True, slots=True)
class JointShare:
    """How much of a hand's heat lies at one joint: its name out of `JOINTS`, and 0..1 of all heat."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Contour:
    """A closed line around where a network looked, without its repeated first point, in image pixels.

    Inside it the heat map is at least `level` (0..1) of its maximum in this hand.
    """

    level: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What carried the decision about a hand: joints by share, largest first, and contours of the heat map.

    Joints are empty where the bundle's finder names none, or where no joint stands out.
    """

    joints: tuple[JointShare, ...]
    contours: tuple[Contour, ...]


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint that was seen: its name out of `ra_node.domain.joints.JOINTS`, and a score in 0..1."""

    name: str
    at: Point
    score: float


@dataclass(frozen=True, slots=True)
class HandRegion:
    """Where a hand lies in its image.

    `outline` is the closed polygon of the hand without its repeated first point, inside the image,
    at most 200 points. `score` in 0..1 says how sure the finder is. `joints` are those that were seen; none
    where the bundle has no finder that names them.
    """

    box: Box
    outline: tuple[Point, ...]
    rotation: Rotation
    score: float
    joints: tuple[Joint, ...] = ()


@dataclass(frozen=True, slots=True)
class ResearchOutput:
    """What the networks said of a hand that is not rated: no result, kept only where the site asks for it."""

    recognition: Recognition
    staging: Staging | None


@dataclass(frozen=True, slots=True)
class HandFinding:
    """One hand of one image: judged (recognition and staging set) or refused."""

    region: HandRegion
    side: SideFinding
    place: str
    """Where the hand lies when the side is unknown: "image left", "image right", "image top",
    "image bottom", or "" for the only hand of an image."""
    recognition: Recognition | None = None
    staging: Staging | None = None
    refusal: Refusal | None = None
    explanation: Explanation | None = None
    """Where the network that says disease saw it; None for a hand that is refused, or that neither network
    calls diseased (a map of no disease would point at nothing), or that was judged before maps were made."""
    outside: tuple[Refusal, ...] = ()
    """Why the networks may not know this hand; of a rated hand, what a reader must know first."""
    research_output: ResearchOutput | None = None

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
        return HandVerdict.PRESENT if self.recognition.positive else HandVerdict.ABSENT

    @property
    def rated(self) -> bool:
        """Whether rheumatoid arthritis is said to be present or absent in this hand."""
        return self.verdict in (HandVerdict.PRESENT, HandVerdict.ABSENT)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What decides between several images of the same hand.

    `pixels` is a hash of the values, `acquired_at` digits that sort; "" and None stand for unknown.
    """

    pixels: str = ""
    for_processing: bool = False
    frontal: bool = False
    """The header says that the hand was seen from back or front."""
    acquired_at: str = ""
    instance_number: int = 0
    age: Age = field(default_factory=Age)


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """One image: its hands, or why there are none."""

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
class Model:
    """The algorithm that judged one task, as it is named in SR, overlay and card.

    `device_uid` derives from the hash of the weights: it changes with them and only then.
    """

    task: str
    architecture: str
    name: str
    version: str
    weights_sha256: str
    device_uid: str
    manufacturer: str
    auc: tuple[float, float, float] | None = None
    """Area under the ROC curve and its 95 % interval (low, high)."""
    measured_on: str = "held-out hands"


@dataclass(frozen=True, slots=True)
class HeatMapCheck:
    """In how many hands with a simulated lesion at one joint, which had a map, that joint had most heat."""

    found: int
    hands: int
    measured_on: str


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """What a report says about the bundle that made it."""

    name: str
    version: str
    sha256: str
    models: tuple[Model, ...]
    notice: str
    """What must be said wherever the model speaks, e.g. "simulated lesions, not a medical device";
    empty for a bundle trained on real disease."""
    ages: tuple[float, float] | None = None
    """Youngest and oldest age in years that the networks learnt from; None where the bundle does not say."""
    views: tuple[str, ...] = ("frontal",)
    """The views that the networks learnt from."""
    casts: bool = False
    """Whether they learnt from hands in plaster and with metal."""
    heat_map: HeatMapCheck | None = None
    """How often its heat maps were right; None where nobody has measured it."""


@dataclass(frozen=True, slots=True)
class EarlierHand:
    """What an earlier report said of a hand whose side it knew; `stage` is None where it had none."""

    side: Side
    recognition: Recognition
    stage: int | None


@dataclass(frozen=True, slots=True)
class Prior:
    """The patient's last earlier report of this node: where it is, of which day, and what it said."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_date: date
    bundle: str
    """Name and version of the bundle that made it."""
    bundle_sha256: str
    hands: tuple[EarlierHand, ...]


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The answer to one study, version 1 or a revision of an earlier one."""

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
    """The day of the study, known where there is a `prior` to compare with."""
    prior: Prior | None = None
    made_of: str = ""
    """SHA-256 of all that the report is made of but its moment; the UIDs of its objects derive from it."""

    @property
    def hands(self) -> tuple[HandFinding, ...]:
        return tuple(hand for image in self.images for hand in image.hands)


def percents(recognition: Recognition) -> tuple[str, str]:
    """Probability and operating point in percent, as every rendering writes them.

    One decimal, and as many more as it takes that rounding does not turn the comparison round.
    """
    for digits in (1, 2, 3, 4):
        probability, threshold = (
            round(100 * value, digits) for value in (recognition.probability, recognition.threshold)
        )
        if (probability >= threshold) == recognition.positive:
            break
    return f"{probability:.{digits}f}", f"{threshold:.{digits}f}"
