"""The table of an archive run: one row per hand, and one with the reason per image or file without a hand.

No row holds a patient's name. Patient columns are present only where the command requests them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from ra_node import __version__
from ra_node.domain.refusal import Refusal
from ra_node.domain.report import HandFinding, HandVerdict, ImageFinding, StudyReport
from ra_node.domain.texts.printable import csv_cell


class RowOutcome(StrEnum):
    """Outcome of the hand, image, file or study of a row."""

    JUDGED = "judged"
    INCONCLUSIVE = "inconclusive"
    """The networks contradict each other; the row has what each says."""
    NOT_RATED = "not_rated"
    """The hand is outside the domain of the bundle; the row has no figure."""
    REFUSED = "refused"
    SKIPPED = "skipped"
    """A file that is no DICOM image, or a duplicate."""
    FAILED = "failed"
    """A study or file that could not be read or retrieved; retried at the next start."""


SKIPPED_FILE = "skipped_file"
UNREADABLE_FILE = "unreadable_file"
REPEATED_INSTANCE = "repeated_instance"
NOT_FETCHED = "not_fetched"
STUDY_FAILED = "study_failed"


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row; every value as text, "" where there is none.

    `refusal` is a code of `Reason`, or one of the five above. Probabilities have six digits.
    """

    outcome: RowOutcome
    study_uid: str = ""
    sop_uid: str = ""
    side: str = ""
    evidence: str = ""
    place: str = ""
    ra_probability: str = ""
    operating_point: str = ""
    call: str = ""
    stage: str = ""
    stage_0: str = ""
    stage_1: str = ""
    stage_2: str = ""
    stage_3: str = ""
    stage_4: str = ""
    stage_5: str = ""
    joints_stage: str = ""
    """The highest stage of the joints; like the joints below empty where the bundle has no such task."""
    ip_1: str = ""
    pip_2: str = ""
    pip_3: str = ""
    pip_4: str = ""
    pip_5: str = ""
    mcp_1: str = ""
    mcp_2: str = ""
    mcp_3: str = ""
    mcp_4: str = ""
    mcp_5: str = ""
    wrist_1: str = ""
    wrist_2: str = ""
    wrist_3: str = ""
    disagreement: str = ""
    caution: str = ""
    """Caveat that precedes the result, e.g. an unknown age."""
    refusal: str = ""
    refusal_text: str = ""
    bundle: str = ""
    bundle_version: str = ""
    bundle_sha256: str = ""
    notice: str = ""
    node_version: str = ""
    patient_key: str = ""
    patient_id: str = ""
    file: str = ""


Cells = dict[str, str]
"""The cells of a row by column."""

COLUMNS = tuple(field.name for field in fields(ResultRow))
PATIENT_COLUMNS = ("patient_key", "patient_id")


def rows_of(
    report: StudyReport, files: Mapping[str, str], patient: Mapping[str, str] | None = None
) -> Iterator[ResultRow]:
    """Rows of a report; `files` are the sources of instances, by SOP Instance UID.

    `patient` fills the requested `PATIENT_COLUMNS`.
    """
    common = {
        "study_uid": report.study_instance_uid,
        "bundle": report.bundle.name,
        "bundle_version": report.bundle.version,
        "bundle_sha256": report.bundle.sha256,
        "notice": ". ".join(filter(None, (report.research_label, report.bundle.notice))),
        "node_version": __version__,
        **(patient or {}),
    }
    for image in report.images:
        where = {"sop_uid": image.sop_instance_uid, "file": files.get(image.sop_instance_uid, "")}
        for hand in image.hands:
            yield _of_hand(hand, image, common | where)
        if not image.hands:
            yield ResultRow(RowOutcome.REFUSED, **common, **where, **_refusal(image.refusal))


def as_cells(row: ResultRow) -> Cells:
    """The cells of a row by column; none of them is a formula to a spreadsheet."""
    return {name: csv_cell(str(value)) for name, value in asdict(row).items()}


def _of_hand(hand: HandFinding, image: ImageFinding, common: Mapping[str, str]) -> ResultRow:
    seen = {"side": hand.side.side or "", "evidence": hand.side.evidence, "place": hand.place}
    refusal = hand.refusal or image.refusal
    if refusal is not None or hand.recognition is None or hand.staging is None:
        outcome = RowOutcome.NOT_RATED if hand.verdict is HandVerdict.NOT_RATED else RowOutcome.REFUSED
        return ResultRow(outcome, **common, **seen, **_refusal(refusal))
    recognition, staging = hand.recognition, hand.staging
    stages = {f"stage_{stage}": f"{p:.6f}" for stage, p in enumerate(staging.probabilities)}
    told = {"caution": " ".join(one.text for one in hand.outside)}
    return ResultRow(
        RowOutcome.JUDGED if hand.rated else RowOutcome.INCONCLUSIVE,
        **common,
        **seen,
        **stages,
        **told,
        **{joint.name: str(joint.stage) for joint in hand.joint_stages},
        joints_stage="" if hand.joint_stage is None else str(hand.joint_stage),
        ra_probability=f"{recognition.probability:.6f}",
        operating_point=f"{recognition.threshold:.6f}",
        call=str(hand.verdict),
        stage=str(staging.stage),
        disagreement="no" if hand.rated else "yes",
    )


def _refusal(refusal: Refusal | None) -> dict[str, str]:
    return {"refusal": refusal.reason, "refusal_text": refusal.text} if refusal else {}
