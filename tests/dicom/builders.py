"""Small sources and reports, each test states only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from ra_node.dicom.concept_codes import code_item
from ra_node.dicom.provenance import Producer
from ra_node.domain.bundle_identity import BundleIdentity, HeatMapCheck, Model
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side, SideFinding
from ra_node.domain.prior_comparison import comparable_hands
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import (
    Contour,
    Explanation,
    HandFinding,
    HandRegion,
    ImageFinding,
    Joint,
    JointShare,
    JointStaging,
    Prior,
    Recognition,
    Staging,
    StudyReport,
)

STUDY = "2.25.1001"
SERIES = "2.25.1002"
ROWS, COLUMNS = 300, 400
CREATED = datetime(2026, 11, 23, 9, 30, 15, tzinfo=timezone(timedelta(hours=8)))
CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"

PRODUCER = Producer(device_uid="2.25.77")


def image_uid(number: int) -> str:
    return f"2.25.200{number}"


def source(modality: str = "DX", number: int = 1, side: str = "B", **attributes: object) -> Dataset:
    """A valid DX or CR image of a phantom patient; an attribute given as None is left out."""
    made = _dx_attributes(side) if modality == "DX" else _cr_attributes(side)
    made.update(_shared_attributes(number))
    made.Modality = modality
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta = meta
    return made


def _shared_attributes(number: int) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPInstanceUID = image_uid(number)
    made.StudyInstanceUID = STUDY
    made.SeriesInstanceUID = SERIES
    made.PatientName = "Phantom^Hand"
    made.PatientID = "P-1"
    made.PatientBirthDate = "19600101"
    made.PatientSex = "F"
    made.PatientAge = "066Y"
    made.StudyDate = "20261123"
    made.StudyTime = "080000"
    made.StudyID = "S1"
    made.StudyDescription = "Both hands"
    made.AccessionNumber = "A1"
    made.ReferringPhysicianName = ""
    made.SeriesNumber = 1
    made.InstanceNumber = number
    made.Manufacturer = "Phantom works"
    made.AcquisitionDate = made.ContentDate = "20261123"
    made.AcquisitionTime = made.ContentTime = "080000"
    made.BodyPartExamined = "HAND"
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = ROWS, COLUMNS
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    made.PixelData = np.zeros((ROWS, COLUMNS), np.uint16).tobytes()
    made["PixelData"].VR = "OW"
    return made


def _dx_attributes(side: str) -> Dataset:
    made = Dataset()
    made.SOPClassUID = DX
    made.PresentationIntentType = "FOR PRESENTATION"
    made.ImageType = ["ORIGINAL", "PRIMARY", ""]
    made.ImageLaterality = side
    made.PatientOrientation = ["L", "F"]
    made.AnatomicRegionSequence = [code_item(Code("85562004", "SCT", "Hand"))]
    made.DetectorType = "SCINTILLATOR"
    made.ImagerPixelSpacing = [0.15, 0.15]
    made.PixelIntensityRelationship = "LOG"
    made.PixelIntensityRelationshipSign = -1
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = 0, 1, "US"
    made.PresentationLUTShape = "IDENTITY"
    made.LossyImageCompression = "00"
    made.BurnedInAnnotation = "NO"
    made.WindowCenter, made.WindowWidth = 2048, 4096
    made.AcquisitionContextSequence = []
    return made


def _cr_attributes(side: str) -> Dataset:
    made = Dataset()
    made.SOPClassUID = CR
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.ViewPosition = "PA"
    made.PlateType = ""
    if side != "B":
        made.ImageLaterality = side
    return made


def region(x0: int = 20, y0: int = 30, x1: int = 180, y1: int = 290) -> HandRegion:
    outline = (Point(x0, y1), Point(x0, y0 + 40), Point((x0 + x1) / 2, y0), Point(x1, y0 + 40), Point(x1, y1))
    return HandRegion(Box(x0, y0, x1, y1), outline, 0, 0.97)


RIGHT_REGION = region()
LEFT_REGION = region(220, 30, 380, 290)


def side(value: Side | None = Side.RIGHT, *, conflict: bool = False) -> SideFinding:
    if value is None:
        return SideFinding(None, "no header attribute names a side")
    return SideFinding(value, "PatientOrientation L\\F", conflict)


def staging(stage: int) -> Staging:
    values = [0.06] * 6
    values[stage] = 0.7
    return Staging(tuple(values))  # type: ignore[arg-type]


def hand(
    probability: float = 0.87,
    stage: int = 3,
    which: Side | None = Side.RIGHT,
    *,
    place: str = "image left",
    where: HandRegion = RIGHT_REGION,
    conflict: bool = False,
) -> HandFinding:
    return HandFinding(
        where, side(which, conflict=conflict), place, Recognition(probability, 0.5), staging(stage)
    )


JOINT_PLACES = {
    "ip_1": (35, 140), "pip_2": (60, 90), "pip_3": (90, 70), "pip_4": (120, 80), "pip_5": (150, 110),
    "mcp_1": (50, 180), "mcp_2": (75, 145), "mcp_3": (95, 140), "mcp_4": (115, 145), "mcp_5": (135, 155),
    "wrist_1": (80, 230), "wrist_2": (100, 240), "wrist_3": (120, 230),
}  # fmt: skip
"""In the right region of a picture; a left hand's lie 200 px further right."""


def explained(judged: HandFinding, **shares: float) -> HandFinding:
    """The hand with its joints located and so much of the heat at some of them, each with a line around."""
    aside = 200 if judged.region.box.x0 > 200 else 0
    joints = tuple(Joint(name, Point(x + aside, y), 0.99) for name, (x, y) in JOINT_PLACES.items())
    named = sorted(
        (JointShare(name, share) for name, share in shares.items()), key=lambda joint: -joint.share
    )
    contours = tuple(
        Contour(level, tuple(Point(x + aside + dx * size, y + dy * size) for dx, dy in _DIAMOND))
        for (x, y) in [JOINT_PLACES[joint.name] for joint in named] or [(100, 190)]
        for level, size in ((0.5, 14), (0.8, 7))
    )
    region_ = replace(judged.region, joints=joints)
    return replace(judged, region=region_, explanation=Explanation(tuple(named), contours))


def with_joints(judged: HandFinding, **stages: int) -> HandFinding:
    """The hand with its joints located and of stage 0, but those that are named."""
    aside = 200 if judged.region.box.x0 > 200 else 0
    joints = tuple(Joint(name, Point(x + aside, y), 0.99) for name, (x, y) in JOINT_PLACES.items())
    graded = tuple(joint_staging(joint, stages.get(joint.name, 0)) for joint in joints)
    return replace(judged, region=replace(judged.region, joints=joints), joint_stages=graded)


def joint_staging(joint: Joint, stage: int) -> JointStaging:
    x, y = joint.at.x, joint.at.y
    square = (Point(x - 12, y - 12), Point(x + 12, y - 12), Point(x + 12, y + 12), Point(x - 12, y + 12))
    return JointStaging(joint.name, joint.at, square, staging(stage).probabilities, 0.5)


_DIAMOND = ((0, -1), (1, 0), (0, 1), (-1, 0))


CUT_OFF = Refusal(Reason.HAND_CUT_OFF, "The fingertips lie outside the image.")
OUTSIDE_AGES = Refusal(
    Reason.OUTSIDE_AGES,
    "Age 66 is outside the model's domain: the networks were trained on ages 8.5 to 19.",
)
AGE_UNKNOWN = Refusal(
    Reason.AGE_UNKNOWN, "The age is not known; the networks were trained on ages 8.5 to 19."
)


def refused_hand(
    which: Side | None = Side.LEFT, where: HandRegion = LEFT_REGION, refusal: Refusal = CUT_OFF
) -> HandFinding:
    return HandFinding(where, side(which), "image right", refusal=refusal)


def both_hands() -> tuple[HandFinding, HandFinding]:
    return hand(), hand(0.082, 0, Side.LEFT, place="image right", where=LEFT_REGION)


def image(*hands: HandFinding, number: int = 1, sop_class: str = DX, **changes: object) -> ImageFinding:
    made = ImageFinding(image_uid(number), sop_class, SERIES, ROWS, COLUMNS, hands)
    return replace(made, **changes)  # type: ignore[arg-type]


NO_HAND = Refusal(Reason.NO_HAND, "No hand was found in this image.")
NO_PICTURE = Refusal(Reason.NO_PIXELS, "No image: expected pixel data, found none in the object.")


def model(task: str) -> Model:
    return Model(
        task=task,
        architecture="efficientnet_b2",
        name=f"hand {task}",
        version="1.0",
        weights_sha256="ab" * 32,
        device_uid="2.25.501" if task == "recognition" else "2.25.502",
        manufacturer="ra-node",
        auc=(0.95, 0.9, 0.98),
    )


BUNDLE = BundleIdentity(
    name="demo",
    version="1.0",
    sha256="cd" * 32,
    models=(model("recognition"), model("staging")),
    notice="Learnt from simulated lesions; not a medical device",
    heat_map=HeatMapCheck(53, 58, "held-out hands with a simulated lesion at one joint"),
)


JOINT_BUNDLE = replace(BUNDLE, models=(*BUNDLE.models, replace(model("joints"), device_uid="2.25.503")))


def report(*images: ImageFinding, **changes: object) -> StudyReport:
    made = StudyReport(STUDY, 1, CREATED, images, BUNDLE, research_label="For research use only")
    judged = any(hand.recognition is not None for hand in made.hands)
    if not judged and "refusal" not in changes:
        changes["refusal"] = next(
            (image.refusal for image in images if image.refusal is not None), None
        ) or Refusal(Reason.ANALYSIS_FAILED, "No hand could be judged.")
    return replace(made, **changes)  # type: ignore[arg-type]


COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
EARLIER = Prior(
    "2.25.3001",
    "2.25.3002",
    COMPREHENSIVE_3D,
    "2.25.3003",
    date(2026, 1, 5),
    "demo 0.9",
    "99" * 32,
    comparable_hands([hand(0.61, 2)]),
)
