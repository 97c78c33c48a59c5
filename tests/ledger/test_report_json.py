"""What was found is kept as JSON and comes back equal, also from the time before heat maps."""

from __future__ import annotations

import json
from dataclasses import replace

from ra_node.domain.geometry import Point
from ra_node.domain.report import Contour, Explanation, JointShare
from ra_node.ledger.report_json import finding_from_json, finding_to_json, report_from_json, report_to_json
from tests.dicom import builders as dicom

EXPLAINED = Explanation(
    (JointShare("mcp_2", 0.41), JointShare("wrist_1", 0.12)),
    (Contour(0.5, (Point(1.25, 2.0), Point(3.0, 2.5), Point(2.0, 4.0))),),
)


def test_a_finding_with_its_explanation_comes_back_equal():
    image = dicom.image(replace(dicom.hand(), explanation=EXPLAINED), dicom.refused_hand())
    assert finding_from_json(finding_to_json(image)) == image
    report = dicom.report(image)
    assert report_from_json(report_to_json(report)) == report


def test_a_finding_that_was_written_before_there_were_explanations_is_read():
    image = dicom.image(dicom.hand())
    written = json.loads(finding_to_json(image))
    for hand in written["hands"]:
        del hand["explanation"]
    assert finding_from_json(json.dumps(written)) == image
