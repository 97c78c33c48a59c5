"""Reads an earlier report of this node from its tree, for the comparison."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom import concept_codes
from ra_node.dicom.provenance import BUNDLE_SOFTWARE
from ra_node.dicom.reading.patient_identity import Subject, subject_known
from ra_node.dicom.sop_common import series_uid_of
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.patient.identity import differences
from ra_node.domain.report import EarlierHand, Prior, Recognition
from ra_node.domain.texts.joint_sentences import joint_name

_SITES = {concept_codes.RIGHT_HAND.value: Side.RIGHT, concept_codes.LEFT_HAND.value: Side.LEFT}
_STAGES = {code.value: stage for stage, code in enumerate(concept_codes.STAGE_CODES)}
_BUNDLE = re.compile(r"SHA-256 ([0-9a-f]{64})")
_OPERATING_POINT = re.compile(r"operating point ([0-9.]+) %")
_TRACKING = Code("112039", "DCM", "Tracking Identifier")
_JOINT = re.compile(r"(Right|Left) hand, (.+), image [0-9]+")
_NAMED_SIDES = {"Right": Side.RIGHT, "Left": Side.LEFT}
_CONFLICT = "evidence conflicts"


def read_prior(report: Dataset, subject: Subject) -> Prior | None:
    """Read a report of this product about the same patient; None for any other object.

    Our reports are recognised by the Series Instance UID, which derives from their SOP Instance UID. A bundle
    that the report does not name is "", which differs from every other. Raises pydicom's exceptions for a
    damaged tree.
    """
    about = subject_known([report])
    ours = str(report.SeriesInstanceUID) == series_uid_of(str(report.SOPInstanceUID))
    if not ours or about is None or about.identity != subject.identity:
        return None
    if differences((about.person, subject.person), accession=False):
        return None
    versions = list(report.get("SoftwareVersions") or [])
    return Prior(
        str(report.StudyInstanceUID),
        str(report.SeriesInstanceUID),
        str(report.SOPClassUID),
        str(report.SOPInstanceUID),
        datetime.strptime(about.study_at[:8], "%Y%m%d").date(),  # noqa: DTZ007 - a day has no zone
        str(versions[-1]).removeprefix(f"{BUNDLE_SOFTWARE} ") if len(versions) > 1 else "",
        _bundle_hash(report),
        _hands(report),
    )


def _bundle_hash(report: Dataset) -> str:
    for item in _walk(report):
        found = _BUNDLE.search(str(item.get("TextValue") or ""))
        if found is not None:
            return found.group(1)
    return ""


def _hands(report: Dataset) -> tuple[EarlierHand, ...]:
    """Rated hands with a known side, at most one per side, as in `comparable_hands`."""
    groups = [item for item in _walk(report) if _is(item, concept_codes.MEASUREMENT_GROUP)]
    joints = _joints(groups)
    hands = [
        replace(hand, joints=tuple({**_healthy_joints(group), **joints.get(hand.side, {})}.items()))
        for group in groups
        if (hand := _hand(group)) is not None
    ]
    count = Counter(side for group in groups for side in _judged_sides(group))
    return tuple(hand for hand in hands if count[hand.side] == 1)


def _joints(groups: Sequence[Dataset]) -> dict[Side, dict[str, int]]:
    """The stages of joints by side and name; a joint that is there twice is of two hands of one side."""
    found: dict[Side, dict[str, int]] = {}
    for group in groups:
        stage = named = None
        for item in group.get("ContentSequence", []):
            if item.ValueType == "CODE" and _is(item, concept_codes.STAGE):
                stage = _STAGES.get(item.ConceptCodeSequence[0].CodeValue)
            elif item.ValueType == "TEXT" and _is(item, _TRACKING):
                named = _JOINT.fullmatch(str(item.TextValue))
        if named is not None and stage is not None and named[2] in _joint_names():
            found.setdefault(_NAMED_SIDES[named[1]], {})[_joint_names()[named[2]]] = stage
    return found


def _healthy_joints(group: Dataset) -> dict[str, int]:
    """Stage 0 for every joint that the sentence of a hand does not name as not seen; {} without the sentence.

    Only joints of stage 1 and more have groups of their own, which replace these.
    """
    texts = (str(item.get("TextValue") or "") for item in group.get("ContentSequence", []))
    said = next((text for text in texts if text.startswith("Joints: ")), None)
    if said is None:
        return {}
    missing = said.partition("; not seen: ")[2]
    return {name: 0 for said_name, name in _joint_names().items() if said_name not in missing}


@cache
def _joint_names() -> dict[str, str]:
    """Joints by their names in reports, which are always English."""
    return {joint_name(name): name for name in JOINTS}


def _judged_sides(group: Dataset) -> list[Side]:
    """The side of a group with a statement about RA, including inconclusive."""
    content = group.get("ContentSequence", [])
    if not any(_is(item, concept_codes.RHEUMATOID_ARTHRITIS) for item in content):
        return []
    named = (item.ConceptCodeSequence[0].CodeValue for item in content if item.ValueType == "CODE")
    return [_SITES[value] for value in named if value in _SITES]


def _hand(group: Dataset) -> EarlierHand | None:
    side = stage = probability = None
    threshold = 0.5
    for item in group.get("ContentSequence", []):
        if item.ValueType == "CODE" and item.ConceptCodeSequence[0].CodeValue in _SITES:
            side = _SITES[item.ConceptCodeSequence[0].CodeValue]
        elif item.ValueType == "CODE" and _is(item, concept_codes.STAGE):
            stage = _STAGES.get(item.ConceptCodeSequence[0].CodeValue)
        elif item.ValueType == "NUM" and _is(item, concept_codes.PROBABILITY):
            probability = _share(item.MeasuredValueSequence[0].NumericValue)
            threshold = _threshold(item)
        elif _CONFLICT in str(item.get("TextValue") or ""):
            return None
    if side is None or probability is None:
        return None
    return EarlierHand(side, Recognition(probability, threshold), stage)


def _threshold(probability: Dataset) -> float:
    """The operating point, from the algorithm parameters (TID 4019)."""
    for item in _walk(probability):
        found = _OPERATING_POINT.search(str(item.get("TextValue") or ""))
        if found is not None:
            return _share(found.group(1))
    raise ValueError("expected the operating point among the parameters of the algorithm, found none")


def _share(percent: object) -> float:
    """Percent of the report as a share, without rounding noise."""
    return round(float(str(percent)) / 100, 8)


def _is(item: Dataset, name: Code) -> bool:
    names = item.get("ConceptNameCodeSequence")
    return bool(names) and names[0].CodeValue == name.value


def _walk(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", []):
        yield from _walk(child)
