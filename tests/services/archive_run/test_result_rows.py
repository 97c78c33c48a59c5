"""The table has a row a hand, says why another has none, and holds no name of a patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import Recognition, Staging
from ra_node.services.analysis.study_analysis import make_report
from ra_node.services.archive_run.result_rows import COLUMNS, ResultRow, RowOutcome, as_cells, rows_of
from tests.dicom import builders as dicom

JUDGED = {"recognition": Recognition(0.7, 0.5), "staging": Staging((0.1, 0.1, 0.6, 0.1, 0.05, 0.05))}
AT = datetime(2026, 1, 2, tzinfo=UTC)


def report_of(*hands, refusal=None):
    image = replace(dicom.image(*hands), refusal=refusal)
    return make_report("1.2.3", 1, [image], dicom.BUNDLE, created_at=AT, research_label="Research")


def rows(*hands, refusal=None):
    report = report_of(*hands, refusal=refusal)
    return [as_cells(row) for row in rows_of(report, {report.images[0].sop_instance_uid: "a.dcm"})]


def test_each_judged_hand_has_all_that_was_said_of_it():
    first, second = (replace(hand, refusal=None, **JUDGED) for hand in dicom.both_hands())
    right, left = rows(first, second)
    assert (right["side"], left["side"]) == ("R", "L")
    assert right["outcome"] == "judged"
    assert (right["call"], right["ra_probability"], right["operating_point"]) == (
        "present",
        "0.700000",
        "0.500000",
    )
    assert (right["stage"], right["stage_2"], right["disagreement"]) == ("2", "0.600000", "no")
    assert right["file"] == "a.dcm"
    assert right["bundle_sha256"] == dicom.BUNDLE.sha256


def test_each_joint_has_a_column_that_is_empty_without_the_joint_task():
    """A hand that its joints contradict is inconclusive, and the row shows both sides."""
    graded = dicom.with_joints(dicom.hand(0.02, 0), mcp_2=3, wrist_1=1)
    [row] = rows(graded)
    assert {name: row[name] for name in JOINTS} == {
        name: {"mcp_2": "3", "wrist_1": "1"}.get(name, "0") for name in JOINTS
    }
    assert (row["joints_stage"], row["stage"]) == ("3", "0")
    assert (row["outcome"], row["disagreement"]) == ("inconclusive", "yes")
    [plain] = rows(dicom.hand())
    assert {plain[name] for name in (*JOINTS, "joints_stage")} == {""}


def test_a_refused_hand_has_its_code_and_sentence_and_no_number():
    why = Refusal(Reason.HAND_CUT_OFF, "The wrist is missing.")
    hand, other = dicom.both_hands()
    refused, judged = rows(replace(hand, refusal=why), replace(other, refusal=None, **JUDGED))
    assert (refused["outcome"], refused["refusal"]) == ("refused", "hand_cut_off")
    assert refused["refusal_text"] == "The wrist is missing."
    assert refused["ra_probability"] == refused["call"] == refused["stage"] == ""
    assert judged["outcome"] == "judged"


def test_an_image_without_hands_has_a_row_with_its_reason():
    (row,) = rows(refusal=Refusal(Reason.OTHER_BODY_PART, "Expected a hand, found CHEST."))
    assert (row["outcome"], row["refusal"], row["side"]) == ("refused", "other_body_part", "")


def test_no_cell_is_a_formula_to_a_spreadsheet():
    cells = as_cells(ResultRow(RowOutcome.SKIPPED, file="=cmd|' /C calc'!A0", refusal_text="@SUM(1)"))
    assert cells["file"].startswith("'=")
    assert cells["refusal_text"].startswith("'@")


def test_no_column_is_made_for_a_name():
    assert not [column for column in COLUMNS if "name" in column]
