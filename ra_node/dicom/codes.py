"""The coded concepts that results are written in, each with its scheme (PS3.16).

Only SCT, DCM, UCUM, LN and RFC 5646: private schemes draw warnings from every validator.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.domain.laterality import Side

# Document and observer
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
ENGLISH = Code("en", "RFC5646", "English")
RADIOGRAPHIC_IMAGING = Code("363680008", "SCT", "Radiographic imaging")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")

# Anatomy
RIGHT_HAND = Code("78791008", "SCT", "Right hand")
LEFT_HAND = Code("85151006", "SCT", "Left hand")
HAND = Code("85562004", "SCT", "Hand")
LATERALITY = Code("272741003", "SCT", "Laterality")
RIGHT = Code("24028007", "SCT", "Right")
LEFT = Code("7771000", "SCT", "Left")

# Findings
RHEUMATOID_ARTHRITIS = Code("69896004", "SCT", "Rheumatoid arthritis")
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
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
COMMENT = Code("121106", "DCM", "Comment")
FINDING = Code("121071", "DCM", "Finding")


def hand_site(side: Side | None) -> Code:
    """The hand as a finding site; without a side it is just a hand, none is invented."""
    return {Side.RIGHT: RIGHT_HAND, Side.LEFT: LEFT_HAND, None: HAND}[side]


def side_code(side: Side) -> Code:
    """The value of the Laterality modifier (CID 244)."""
    return RIGHT if side is Side.RIGHT else LEFT


def code_item(code: Code) -> Dataset:
    """The code as an item of any code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item
