"""A measurement group for each diseased joint (TID 1410): its site, stage, probability and square.

Joint and finger are coded as far as PS3.16 has codes (CID 7304: wrist joint, finger joint; thumb) and named
in words in the tracking identifier and the comment. Joints of a hand that is not rated have no group.
"""

from __future__ import annotations

from collections.abc import Iterator

from ra_node.dicom import concept_codes
from ra_node.dicom.sr.content_item import Item, code, finding_site
from ra_node.dicom.sr.group_parts import (
    algorithm_of,
    measurement_group,
    probability_of,
    region_of,
    tracking_of,
)
from ra_node.domain.geometry import Box
from ra_node.domain.report import HandFinding, ImageFinding, JointStaging, StudyReport
from ra_node.domain.texts.joint_sentences import joint_name, joint_sentence
from ra_node.domain.texts.report_sentences import hand_name

JOINTS_TASK = "joints"


def joint_groups(report: StudyReport, image: ImageFinding, hand: HandFinding, number: int) -> Iterator[Item]:
    """The joints of one hand of image `number` with stage 1 or more, in the order of `JOINTS`.

    The others are counted in the sentence of the hand: viewers draw every group over the radiograph.
    """
    for joint in hand.joint_stages:
        if joint.stage == 0:
            continue
        yield _joint_group(report, image, hand, joint, number)


def _joint_group(
    report: StudyReport, image: ImageFinding, hand: HandFinding, joint: JointStaging, number: int
) -> Item:
    box = hand.region.box
    what = f"hand {box.x0} {box.y0} {box.x1} {box.y1} {joint.name}"
    side = hand.side.side
    return measurement_group(
        tracking_of(f"{hand_name(hand)}, {joint_name(joint.name)}, image {number}", image, what),
        site=finding_site(
            concept_codes.joint_site(joint.name), None if side is None else concept_codes.side_code(side)
        ),
        results=[
            code(
                concept_codes.STAGE,
                concept_codes.STAGE_CODES[joint.stage],
                children=algorithm_of(report, JOINTS_TASK),
            ),
            probability_of(report, JOINTS_TASK, joint.probability, joint.threshold),
        ],
        comments=[joint_sentence(hand, joint)],
        region=region_of(image, joint.square, _box_of(joint)),
    )


def _box_of(joint: JointStaging) -> Box:
    x, y = [point.x for point in joint.square], [point.y for point in joint.square]
    return Box(int(min(x)), int(min(y)), int(max(x)) + 1, int(max(y)) + 1)
