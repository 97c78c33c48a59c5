"""Judgements and their heat come to the hands that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from ra_node.domain.geometry import Box
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.patient.age import Age
from ra_node.domain.rating import Rating
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion, HandVerdict, ImageFacts, JointStaging
from ra_node.domain.study import NO_HEADER
from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.imaging.joint_crops import JointCrops, joint_crops
from ra_node.imaging.pixels import Radiograph
from ra_node.services.analysis.study_analysis import (
    JointRules,
    Look,
    Rules,
    judge_looks,
    look_at,
    look_at_pixels,
    make_report,
)
from tests.dicom import builders as dicom
from tests.imaging.test_joint_crops import hand as joint_hand
from tests.services.builders import JUDGEMENT, FakeJudgement


class HotJudge:
    """Sees disease in the second crop only."""

    def judge(self, crops: Sequence[np.ndarray]) -> list[FakeJudgement]:
        heat = np.zeros((224, 224), np.float32)
        heat[100:120, 100:120] = 1
        return [replace(JUDGEMENT, heat=heat if at == 1 else None) for at in range(len(crops))]


class GradingJudge(HotJudge):
    """Says that joint n of each hand is of stage n modulo 6."""

    def grade(self, hands: Sequence[JointCrops]) -> list[np.ndarray]:
        return [np.eye(6)[hand.kinds % 6] for hand in hands]


class OneHand:
    """A hand detector that sees the hand of the joint crops' tests, in pixels of the square grid."""

    def find(self, values: np.ndarray) -> list[HandRegion]:
        return [joint_hand(2.0)]


def graded(look: Look) -> tuple[JointStaging, ...]:
    [finding] = judge_looks([look], GradingJudge())
    return finding.hands[0].joint_stages


def looked(rules: Rules, aspects: tuple[float, ...] = (1.0,), shape: tuple[int, int] = (800, 720)) -> Look:
    rows, columns = np.indices(shape) / np.max(shape)
    values = (600 + 900 * np.sin(9 * rows) * np.cos(8 * columns)).astype(np.float32)
    radiograph = Radiograph(values, np.zeros(shape, np.uint8))
    return look_at_pixels(radiograph, replace(NO_HEADER, pixel_aspects=aspects), rules)


def test_joints_are_graded_at_the_operating_point_of_the_bundle_and_only_where_it_has_the_task():
    found = graded(looked(Rules(OneHand(), joints=JointRules(64, 0.7))))
    assert [joint.name for joint in found] == list(JOINTS)
    assert [joint.stage for joint in found] == [at % 6 for at in range(13)]
    assert {joint.threshold for joint in found} == {0.7}
    assert looked(Rules(OneHand())).joints == ()


def test_joints_of_oblong_pixels_lie_in_the_pixels_of_the_image():
    """Pixels half as high as wide: the square grid that joints are cut from has twice the columns."""
    plain = graded(looked(Rules(OneHand(), joints=JointRules(64, 0.5))))
    oblong = graded(looked(Rules(OneHand(), joints=JointRules(64, 0.5)), (0.5, 0.5), (800, 360)))
    for one, other in zip(plain, oblong, strict=True):
        assert (other.at.x, other.at.y) == pytest.approx((one.at.x / 2, one.at.y))
        assert [p.x for p in other.square] == pytest.approx([p.x / 2 for p in one.square])


def test_the_joints_of_each_hand_come_to_it_past_a_refused_one():
    crops = joint_crops(np.zeros((800, 720), np.float32), joint_hand(2.0), 64)
    fewer = JointCrops(crops.frames[:3], crops.images[:3])
    crop = np.zeros((224, 224), np.uint8)
    first = Look(dicom.image(dicom.refused_hand(), dicom.hand()), (crop,), joints=(fewer,))
    second = Look(dicom.image(dicom.hand(), number=2), (crop,), joints=(crops,))
    one, two = judge_looks([first, second], GradingJudge())
    assert [len(hand.joint_stages) for hand in (*one.hands, *two.hands)] == [0, 3, 13]


def test_each_hand_gets_its_own_explanation_past_a_refused_one():
    """The first hand of the first image has no crop; the heat of the second crop is the third hand's."""
    first = Look(dicom.image(dicom.refused_hand(), dicom.hand()), (np.zeros((224, 224), np.uint8),))
    second = Look(dicom.image(dicom.hand(), number=2), (np.zeros((224, 224), np.uint8),))
    one, two = judge_looks([first, second], HotJudge())
    assert [hand.explanation is None for hand in one.hands] == [True, True]
    assert one.hands[0].recognition is None
    told = two.hands[0].explanation
    assert told is not None
    box = two.hands[0].region.box
    for line in told.contours:
        assert all(box.x0 < point.x < box.x1 and box.y0 < point.y < box.y1 for point in line.points)
    assert told.contours


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (1, "No hand in the image could be rated; each has its reason."),
        (2, "None of 2 images has a hand that could be rated; each has its reason."),
    ],
)
def test_a_study_without_a_judged_hand_says_so_in_its_own_number(images, words):
    """The sentence that a radiologist reads first where both hands were refused."""
    other = Refusal(Reason.HAND_CUT_OFF, "The thumb lies outside the image.")
    refused = [dicom.refused_hand(Side.RIGHT, dicom.RIGHT_REGION, other), dicom.refused_hand()]
    found = [dicom.image(*refused, number=number) for number in range(1, images + 1)]
    made = make_report("1.2.3", 1, found, dicom.BUNDLE, created_at=dicom.CREATED)
    assert made.refusal is not None
    assert made.refusal.text == words


def test_a_study_whose_hands_have_one_reason_says_that_reason():
    """Two hands of an adult, and a lateral image that its header refuses: the age comes first."""
    hands = [
        dicom.refused_hand(Side.RIGHT, dicom.RIGHT_REGION, dicom.OUTSIDE_AGES),
        dicom.refused_hand(refusal=dicom.OUTSIDE_AGES),
    ]
    lateral = dicom.image(refusal=Refusal(Reason.OTHER_VIEW, "Lateral."), number=2)
    found = [dicom.image(*hands), lateral]
    made = make_report("1.2.3", 1, found, dicom.BUNDLE, created_at=dicom.CREATED)
    assert made.refusal == dicom.OUTSIDE_AGES


def test_a_report_rates_by_the_domain_of_its_bundle():
    """The hands of an adult, judged by networks that learnt from children, come out without a figure."""
    adult = dicom.image(*dicom.both_hands(), facts=ImageFacts(age=Age(66.0, (66.0,))))
    children = replace(dicom.BUNDLE, ages=(8.5, 19.0))
    made = make_report("1.2.3", 1, [adult], children, created_at=dicom.CREATED)
    assert made.refusal == dicom.OUTSIDE_AGES
    assert {one.verdict for one in made.hands} == {HandVerdict.NOT_RATED}
    assert {one.recognition for one in made.hands} == {None}
    told = make_report("1.2.3", 1, [adult], children, created_at=dicom.CREATED, rating=Rating("remark"))
    assert told.refusal is None
    assert [one.outside for one in told.hands] == [(dicom.OUTSIDE_AGES,)] * 2


class SeesView:
    """A detector that sees one hand in every image, in one view."""

    def __init__(self, view: SeenView) -> None:
        self.view = view

    def find(self, values: np.ndarray) -> list[HandRegion]:
        box = Box(40, 30, 160, 270)
        return [HandRegion(box, box.corners(), 0, 0.99, view=self.view)]


def textured(**header: str) -> Dataset:
    """A readable image with enough contrast in the middle."""
    made = dicom.source(**header)
    pixels = np.random.default_rng(0).integers(0, 40, (300, 200)).astype(np.uint8)
    pixels[30:270, 40:160] += 150
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.WindowCenter, made.WindowWidth = 128, 256
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB"
    return made


@pytest.mark.parametrize(
    ("view", "end"),
    [
        (SeenView(PixelView.FRONTAL, 0.97), "as View Position says; the image looks frontal (PA or AP)."),
        (SeenView(PixelView.OBLIQUE, 0.97), "as View Position says."),
        (SeenView(PixelView.FRONTAL, 0.7), "as View Position says."),
    ],
)
def test_a_view_that_the_header_refuses_is_refused_whatever_the_pixels_show(view: SeenView, end: str) -> None:
    """Pixels that surely look frontal are told beside it; they never rate the hand."""
    look = look_at(textured(ViewPosition="LLO"), Rules(finder=SeesView(view)))
    assert (look.finding.hands, look.crops) == ((), ())
    assert look.finding.refusal is not None
    assert look.finding.refusal.reason is Reason.OTHER_VIEW
    assert look.finding.refusal.text.endswith(end)
