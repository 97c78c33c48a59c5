"""Coded concepts of the results, with their schemes (PS3.16).

Public schemes only: validators warn about private ones.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.domain.laterality.evidence import Side

# Document and observer
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
ENGLISH = Code("en", "RFC5646", "English")
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")

PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported")
DEVICE = Code("121007", "DCM", "Device")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")

# Image library (TID 1600)
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
SOURCE = Code("260753009", "SCT", "Source")
MODALITY = Code("121139", "DCM", "Modality")
IMAGE_LATERALITY = Code("111027", "DCM", "Image Laterality")
PIXEL_DATA_ROWS = Code("110910", "DCM", "Pixel Data Rows")
PIXEL_DATA_COLUMNS = Code("110911", "DCM", "Pixel Data Columns")
PATIENT_ORIENTATION_ROW = Code("111044", "DCM", "Patient Orientation Row")
PATIENT_ORIENTATION_COLUMN = Code("111043", "DCM", "Patient Orientation Column")
HORIZONTAL_PIXEL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing")
VERTICAL_PIXEL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing")

# Anatomy
RIGHT_HAND = Code("78791008", "SCT", "Right hand")
LEFT_HAND = Code("85151006", "SCT", "Left hand")
HAND = Code("85562004", "SCT", "Hand")
LATERALITY = Code("272741003", "SCT", "Laterality")
RIGHT = Code("24028007", "SCT", "Right")
LEFT = Code("7771000", "SCT", "Left")
BILATERAL = Code("51440002", "SCT", "Bilateral")
LATERALITY_CODES = {"R": RIGHT, "L": LEFT, "B": BILATERAL}
"""CID 244 by the values of ImageLaterality (0020,0062)."""

WRIST_JOINT = Code("74670003", "SCT", "Wrist joint")
FINGER_JOINT = Code("125682004", "SCT", "Finger joint")
THUMB = Code("76505004", "SCT", "Thumb")
METACARPOPHALANGEAL_JOINT = Code("70420003", "SCT", "Metacarpophalangeal joint")
"""The others are in CID 4031 and 7304; this one is plain SNOMED CT, because PS3.16 lists no such joint."""

# Explanation of an artificial intelligence (CID 217)
VISUAL_EXPLANATION = Code("130401", "DCM", "Visual explanation")
GRADIENT_WEIGHTED_CLASS_ACTIVATION = Code("130403", "DCM", "Gradient-weighted class activation")

# Findings
RHEUMATOID_ARTHRITIS = Code("69896004", "SCT", "Rheumatoid arthritis")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
INCONCLUSIVE = Code("419984006", "SCT", "Inconclusive")
STAGE = Code("258214002", "SCT", "Stage")
STAGE_CODES = (
    Code("261613009", "SCT", "Stage 0"),
    Code("258215001", "SCT", "Stage 1"),
    Code("258219007", "SCT", "Stage 2"),
    Code("258224005", "SCT", "Stage 3"),
    Code("258228008", "SCT", "Stage 4"),
    Code("261617005", "SCT", "Stage 5"),
)
PROBABILITY = Code("122157", "DCM", "Probability")
PERCENT = Code("%", "UCUM", "Percent")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MILLIMETER = Code("mm", "UCUM", "mm")
SUMMARY = Code("121111", "DCM", "Summary")
COMMENT = Code("121106", "DCM", "Comment")
FINDING = Code("121071", "DCM", "Finding")

_MODALITIES = {
    "CR": "Computed Radiography",
    "DX": "Digital Radiography",
    "RG": "Radiographic imaging",
    "CT": "Computed Tomography",
    "MR": "Magnetic Resonance",
    "US": "Ultrasound",
}


def hand_site(side: Side | None) -> Code:
    """The hand as finding site; without laterality where the side is undetermined."""
    return {Side.RIGHT: RIGHT_HAND, Side.LEFT: LEFT_HAND, None: HAND}[side]


def joint_site(name: str) -> Code:
    """A joint of `JOINTS` as finding site, by the nearest public code; the ray number is in the text.

    No public code is certain for the IP joint of the thumb, so the thumb is used.
    """
    kind = name.partition("_")[0]
    return {"wrist": WRIST_JOINT, "mcp": METACARPOPHALANGEAL_JOINT, "pip": FINGER_JOINT, "ip": THUMB}[kind]


def side_code(side: Side) -> Code:
    """The value of the Laterality modifier (CID 244)."""
    return RIGHT if side is Side.RIGHT else LEFT


def modality_code(modality: str) -> Code:
    """The modality as a code of CID 29; Other for everything except radiographs."""
    meaning = _MODALITIES.get(modality)
    return Code("OT", "DCM", "Other") if meaning is None else Code(modality, "DCM", meaning)


def code_item(code: Code) -> Dataset:
    """The code as an item of any code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item
