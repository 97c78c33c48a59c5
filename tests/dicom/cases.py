"""The studies that every report must be able to answer, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import Recognition, ResearchOutput, StudyReport
from tests.dicom.builders import (
    AGE_UNKNOWN,
    CR,
    JOINT_BUNDLE,
    LEFT_REGION,
    NO_HAND,
    NO_PICTURE,
    OUTSIDE_AGES,
    both_hands,
    explained,
    hand,
    image,
    refused_hand,
    report,
    source,
    staging,
    with_joints,
)

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
OTHER_PART = Refusal(
    Reason.OTHER_BODY_PART, "Another part of the body: expected a hand, the image header says CHEST."
)


@dataclass(frozen=True)
class Case:
    """A report with the images it speaks of."""

    report: StudyReport
    sources: dict[str, Dataset] = field(default_factory=dict)


def _case(made: StudyReport, *sources: Dataset) -> Case:
    return Case(made, {str(dataset.SOPInstanceUID): dataset for dataset in sources})


def two_hands() -> Case:
    return _case(report(image(*both_hands())), source())


def explained_hands() -> Case:
    """Three joints stand out in one hand, which is only just positive, none in the other."""
    right = explained(hand(0.53), mcp_2=0.41, wrist_3=0.22, pip_3=0.17, pip_4=0.1)
    left = explained(hand(0.91, 4, Side.LEFT, place="image right", where=LEFT_REGION))
    return _case(report(image(right, left)), source())


def explained_without_side() -> Case:
    right = explained(hand(which=None), ip_1=0.3)
    left = explained(hand(0.9, 2, None, place="image right", where=LEFT_REGION), mcp_5=0.25)
    return _case(report(image(right, left)), source(PatientOrientation=None, side="U"))


def graded_joints() -> Case:
    """One hand with the stages of its joints, and one that its joints make inconclusive."""
    right = with_joints(hand(), mcp_2=3, pip_3=2, wrist_1=2, mcp_5=1)
    left = hand(0.02, 0, Side.LEFT, place="image right", where=LEFT_REGION)
    return _case(replace(report(image(right, with_joints(left, pip_4=2))), bundle=JOINT_BUNDLE), source())


def negative() -> Case:
    return _case(report(image(hand(0.021, 0, place=""))), source(side="R"))


def chinese_name() -> Case:
    """As Chinese modalities write it: GB 18030, the name in letters and in characters."""
    named = source(SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong=王^小东")
    return _case(report(image(explained(hand(), mcp_3=0.5), refused_hand())), named)


def one_hand_cr() -> Case:
    return _case(report(image(hand(place=""), sop_class=CR)), source("CR", side="R", Laterality="R"))


def two_images() -> Case:
    left = hand(0.082, 0, Side.LEFT, place="", where=LEFT_REGION)
    return _case(
        report(image(hand(place="")), image(left, number=2)), source(side="R"), source(number=2, side="L")
    )


def one_refused() -> Case:
    return _case(report(image(hand(), refused_hand())), source())


def both_refused() -> Case:
    return _case(report(image(refused_hand(Side.RIGHT, hand().region), refused_hand())), source())


def no_hands() -> Case:
    return _case(report(image(refusal=NO_HAND)), source())


def other_part() -> Case:
    return _case(report(image(refusal=OTHER_PART)), source(BodyPartExamined="CHEST"))


def not_an_image() -> Case:
    finding = image(sop_class=ENCAPSULATED_PDF, rows=0, columns=0, refusal=NO_PICTURE)
    return _case(report(finding), source())


def side_undetermined() -> Case:
    right, left = hand(which=None), hand(0.1, 0, None, place="image right", where=LEFT_REGION)
    return _case(report(image(right, left)), source(PatientOrientation=None, side="U"))


def side_conflict() -> Case:
    return _case(report(image(hand(conflict=True))), source(side="R"))


def disagreement() -> Case:
    return _case(report(image(hand(0.62, 0))), source(side="R"))


def age_unknown() -> Case:
    return _case(report(image(*(replace(one, outside=(AGE_UNKNOWN,)) for one in both_hands()))), source())


def not_rated() -> Case:
    made = refused_hand(Side.RIGHT, hand().region, OUTSIDE_AGES)
    output = ResearchOutput(Recognition(0.999, 0.5), staging(5))
    left = hand(0.082, 0, Side.LEFT, place="image right", where=LEFT_REGION)
    return _case(report(image(replace(made, research_output=output), left)), source())


def revision() -> Case:
    return _case(report(image(*both_hands()), version=2, predecessor_sr_uid="2.25.9"), source())


def remarked() -> Case:
    return _case(report(image(*both_hands(), remarks=("The image is inverted.",))), source())


def two_patients() -> Case:
    conflict = Refusal(Reason.PATIENT_CONFLICT, "Expected one patient in a study, found two (Patient ID).")
    images = (image(refusal=conflict), image(refusal=conflict, number=2))
    return _case(replace(report(*images), refusal=conflict), source(), source(number=2))


def many_refused() -> Case:
    refused = [image(refusal=OTHER_PART, number=n) for n in range(2, 24)]
    return _case(report(image(*both_hands()), *refused), *(source(number=n) for n in range(1, 24)))


CASES: dict[str, Callable[[], Case]] = {
    case.__name__: case
    for case in (
        two_hands, explained_hands, explained_without_side, graded_joints, negative, chinese_name,
        one_hand_cr, two_images, one_refused, both_refused, no_hands, other_part, not_an_image,
        side_undetermined, side_conflict, disagreement, age_unknown, not_rated, revision, remarked,
        two_patients, many_refused,
    )
}  # fmt: skip
