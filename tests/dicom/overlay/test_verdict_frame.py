"""The first frame: trusted or not, and why, in one band; radiographs large; one verdict a hand."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations, product

import cv2
import numpy as np
import pytest

from ra_node.dicom.overlay.elements import GROUND, SKY, WHITE, ElementGroup, Outline, Rectangle, Words
from ra_node.dicom.overlay.hand_strip import GREY, SUSPECTED, likely_range
from ra_node.dicom.overlay.layout import LONGEST_PX
from ra_node.dicom.overlay.paint import paint
from ra_node.dicom.overlay.status_band import STYLES
from ra_node.dicom.overlay.verdict_frame import lay_out_verdict, radiograph_share
from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandVerdict, Staging, StudyReport
from ra_node.domain.texts.report_trust import ReportTrust, trust_of
from tests.dicom.builders import (
    JOINT_BUNDLE,
    LEFT_REGION,
    NO_HAND,
    OUTSIDE_AGES,
    both_hands,
    hand,
    image,
    refused_hand,
    report,
    with_joints,
)
from tests.dicom.cases import OTHER_PART
from tests.dicom.overlay_cases import ENGLISH, REPORTS, displays

every_case = pytest.mark.parametrize("case", REPORTS)
UNUSUAL = {
    "images of unlike size", "no picture", "no image", "much to say", "refused at length", "four hands",
    "two images of two hands", "three images", "six images", "two hands, one above the other",
}  # fmt: skip
"""A strip of ten rows, no radiograph at all, a notice that fills lines, or four strips: other shares."""

LEGIBLE_CONTRAST = 4.5
"""What WCAG 2 asks of text that everybody can read."""


@cache
def frame(case: str) -> ElementGroup:
    return lay_out_verdict(REPORTS[case], displays(REPORTS[case]), ENGLISH)


def said(layout: ElementGroup) -> str:
    return " ".join(words.text for words in layout.words)


def apart(a: Box, b: Box) -> bool:
    return a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


@every_case
def test_everything_lies_on_the_frame_and_no_text_on_another(case):
    layout = frame(case)
    boxes = [part.box for part in (*layout.words, *layout.frames, *layout.photos)]
    assert [
        b for b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > layout.width_px or b.y1 > layout.height_px
    ] == []
    assert [(a.text, b.text) for a, b in combinations(layout.words, 2) if not apart(a.box, b.box)] == []


@pytest.mark.parametrize("case", [case for case in REPORTS if case not in UNUSUAL])
def test_radiographs_have_two_thirds_of_the_frame_and_its_whole_width(case):
    """They were 22 to 44 % before; from 70 % on in the studies of a hospital, whose images are larger."""
    layout = frame(case)
    assert radiograph_share(layout) >= 0.6
    rows = {photo.box.y0 for photo in layout.photos if photo.box.height_px > 200}
    for row in rows:
        across = [photo.box for photo in layout.photos if photo.box.y0 == row]
        assert min(box.x0 for box in across) == 0
        assert max(box.x1 for box in across) == layout.width_px


@pytest.mark.parametrize(("rows", "columns"), [(2500, 2000), (2000, 2500)])
@pytest.mark.parametrize("hands", [both_hands(), (hand(),), (hand(0.3, 4),), (refused_hand(),)])
def test_radiographs_have_seventy_percent(rows, columns, hands):
    assert (
        radiograph_share(lay_out_verdict(report(image(*hands, rows=rows, columns=columns)), {}, ENGLISH))
        >= 0.7
    )


def test_stages_are_beside_the_verdict_of_a_narrow_plate():
    """They were below it: 72 % of a plate of 2:1."""
    narrow = report(image(hand(0.97, 4), rows=2000, columns=1000))
    assert radiograph_share(lay_out_verdict(narrow, {}, ENGLISH)) >= 0.74


def test_probability_and_threshold_of_two_hands_are_on_one_line():
    layout = lay_out_verdict(report(image(*both_hands(), rows=1000, columns=1200)), {}, ENGLISH)
    figures = [words.text for words in layout.words if "threshold" in words.text]
    assert len(figures) == 2
    assert all(text.startswith("probability of RA") for text in figures)


@every_case
def test_no_tag_covers_a_corner_tick(case):
    layout = frame(case)
    ticks = [part for part in layout.parts if isinstance(part, Outline) and part.role == "hand"]
    tags = [words.box for words in layout.words if words.text in {"RIGHT", "LEFT", "SIDE ?"}]
    for tick, tag in product(ticks, tags):
        xs, ys = [p.x for p in tick.points], [p.y for p in tick.points]
        assert apart(Box(int(min(xs)), int(min(ys)), int(max(xs)), int(max(ys))), tag)


@every_case
def test_a_frame_is_bounded(case):
    """Two megapixels show every pixel of it."""
    layout = frame(case)
    assert max(layout.width_px, layout.height_px) <= LONGEST_PX + 160 * (case in UNUSUAL)


def test_three_hundred_images_make_a_frame_of_one_size():
    """One row of thumbnails, and the others in a line with their number and reasons."""
    refused = [image(refusal=OTHER_PART, number=n) for n in range(2, 301)]
    layout = lay_out_verdict(report(image(*both_hands(), rows=2000, columns=2500), *refused), {}, ENGLISH)
    assert max(layout.width_px, layout.height_px) <= LONGEST_PX
    small = len(layout.photos) - 1
    assert 4 <= small <= 6
    assert f"{299 - small} more images: {299 - small} other body part" in said(layout)


def test_four_images_of_two_rated_hands_have_a_frame():
    """In a row of four the boxes of the stages were given digits of -3 pixels, and the study no overlay."""
    images = (image(*both_hands(), number=n, rows=1000, columns=1250) for n in range(1, 5))
    shown = report(*images)
    layout = lay_out_verdict(shown, {}, ENGLISH, None)
    assert len(layout.photos) == 4
    assert max(layout.width_px, layout.height_px) <= LONGEST_PX


def test_a_thumbnail_has_its_series_and_reason():
    """The number under which the PACS shows it."""
    shown = report(image(hand()), image(refusal=OTHER_PART, number=2))
    numbers = {shown.images[1].sop_instance_uid: (3, 12)}
    text = said(lay_out_verdict(shown, {}, ENGLISH, numbers))
    assert "Series 3, image 12" in text or "Series 3, image 12" in text.replace("  ", " ")
    assert "other body part" in text
    assert "Image 2" in said(lay_out_verdict(shown, {}, ENGLISH))


CASES_OF_TRUST = {
    ReportTrust.NO_RESULT: report(image(refusal=NO_HAND)),
    ReportTrust.DOUBT: report(image(hand(conflict=True))),
    ReportTrust.RESEARCH: report(image(hand())),
    ReportTrust.RESULT: report(
        image(hand()), research_label="", bundle=replace(report(image(hand())).bundle, notice="")
    ),
}


@pytest.mark.parametrize("trust", ReportTrust)
def test_the_band_says_how_far_to_trust_it_in_its_first_words(trust):
    shown = CASES_OF_TRUST[trust]
    assert trust_of(shown) is trust
    layout = lay_out_verdict(shown, {}, ENGLISH)
    first = layout.words[0].text
    assert first.startswith(ENGLISH.language.say(f"trust.{trust}_title").upper())
    band = layout.frames[0]
    assert band.fill == STYLES[trust].fill
    assert band.box == Box(0, 0, layout.width_px, band.box.y1)


def test_no_result_begins_with_its_reason_and_the_strip_says_not_rated():
    shown = report(image(refused_hand(refusal=OUTSIDE_AGES)))
    layout = lay_out_verdict(shown, {}, ENGLISH)
    assert said(layout).startswith("NO AI RESULT  |  ")
    assert "Not rated" in said(layout)
    assert not any(text in said(layout) for text in ("RA suspected", "RA not seen", "probability"))


@every_case
def test_one_verdict_a_hand_and_the_likeliest_stage_marked(case):
    """A hand with a result has six numbered boxes, one of them filled; any other has none."""
    shown, layout = REPORTS[case], frame(case)
    text = said(layout)
    rated = [finding for finding in shown.hands if finding.rated and finding.staging is not None]
    filled = [
        frame
        for frame in layout.frames
        if frame.line == WHITE and frame.fill and frame.box.width_px == frame.box.height_px
    ]
    large = {photo.sop_instance_uid for photo in layout.photos if photo.box.width_px > 200}
    strips = [f for each in shown.images if each.sop_instance_uid in large for f in each.hands]
    assert len(filled) == len([f for f in strips if f in rated])
    for finding in strips:
        assert ENGLISH.say(f"verdict_{finding.verdict}") in text


def test_the_verdict_is_legible_at_a_quarter():
    """60 pixels are 15; the words of the band, the side and the stages at least 9."""
    layout = frame("two hands")
    sizes = {words.text: words.size_px for words in layout.words}
    assert sizes["RA suspected"] >= 60
    assert sizes["Right hand"] >= 40
    assert layout.words[0].size_px >= 36
    assert min(sizes[str(stage)] for stage in range(6)) >= 40


@pytest.mark.parametrize(
    "case", ["two hands", "one of two refused", "findings disagree", "no hand", "six images"]
)
def test_every_line_of_text_has_contrast_in_grey(case):
    shown, layout = REPORTS[case], frame(case)
    grey = cv2.cvtColor(paint(layout, displays(shown)), cv2.COLOR_RGB2GRAY)
    for words in layout.words:
        box = words.box
        pixels = grey[box.y0 : box.y1, box.x0 : box.x1]
        light, dark = (luminance((int(value),) * 3) for value in (pixels.max(), pixels.min()))
        assert (light + 0.05) / (dark + 0.05) >= LEGIBLE_CONTRAST, words.text


def luminance(ink):
    """Relative luminance (WCAG 2)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in ink)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


BLINDNESS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900),
    ),
    "grey": ((0.2126, 0.7152, 0.0722),) * 3,
}  # fmt: skip
"""Machado et al. 2009, severity 1, on linear RGB; and a grey display."""

LEAST_DIFFERENCE = 15.0
"""CIE76; from about 2.3 on two colours side by side differ visibly."""


def seen(ink, kind):
    """The colour as CIELAB after the simulation."""
    linear = np.array(
        [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.array(ink) / 255]
    )
    simulated = np.clip(np.array(BLINDNESS[kind]) @ linear, 0, 1)
    xyz = np.array(((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))) @ simulated
    scaled = xyz / (0.9505, 1.0, 1.089)
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array((116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])))


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_four_bands_are_told_apart(kind):
    """In grey and by three kinds of colour blindness; the words differ as well."""
    for one, other in combinations([style.fill for style in STYLES.values()], 2):
        assert np.linalg.norm(seen(one, kind) - seen(other, kind)) >= LEAST_DIFFERENCE


@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_verdicts_are_told_apart(kind):
    """Suspected is a filled ground; of the others the line is solid or dashed and the words differ."""
    grounds = {"suspected": SUSPECTED, "not seen": GROUND, "inconclusive": GROUND, "not rated": GROUND}
    inks = {"suspected": GROUND, "not seen": SKY, "inconclusive": WHITE, "not rated": GREY}
    dashed = {"suspected": False, "not seen": False, "inconclusive": True, "not rated": True}
    for one, other in combinations(grounds, 2):
        ground = np.linalg.norm(seen(grounds[one], kind) - seen(grounds[other], kind))
        ink = np.linalg.norm(seen(inks[one], kind) - seen(inks[other], kind))
        assert ground >= LEAST_DIFFERENCE or ink >= LEAST_DIFFERENCE or dashed[one] != dashed[other]


def marks(layout: ElementGroup) -> list[Outline]:
    return [outline for outline in layout.outlines if outline.role == "hand"]


def test_the_radiograph_is_untouched_but_for_ticks_side_and_numbers():
    """Four ticks a hand at the corners of its box, and nothing across the hand."""
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2500), np.uint8)
    shown = report(image(*both_hands(), rows=2000, columns=2500))
    layout = lay_out_verdict(shown, {shown.images[0].sop_instance_uid: noise}, ENGLISH)
    assert len(marks(layout)) == 8
    painted = paint(layout, {shown.images[0].sop_instance_uid: noise})
    box = layout.photos[0].box
    plain = cv2.resize(noise, (box.width_px, box.height_px), interpolation=cv2.INTER_AREA)
    changed = np.any(painted[box.y0 : box.y1, box.x0 : box.x1] != plain[:, :, np.newaxis], axis=-1)
    assert changed.mean() < 0.02
    for finding in shown.hands:
        mask = np.zeros(changed.shape, np.uint8)
        scale = box.width_px / 2500
        points = np.array([[p.x * scale, p.y * scale] for p in finding.region.outline])
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], (1,))
        inside = cv2.erode(mask, np.ones((15, 15), np.uint8)).astype(bool)
        assert not changed[inside].any()


def test_joint_numbers_stand_beside_the_hand():
    """A number hides no part of a hand and its line ends at the skin."""
    right = with_joints(hand(), mcp_2=3, pip_3=2, wrist_1=2, mcp_5=1)
    left = with_joints(hand(0.02, 0, Side.LEFT, where=LEFT_REGION))
    shown = replace(report(image(right, left, rows=300, columns=400)), bundle=JOINT_BUNDLE)
    layout = lay_out_verdict(shown, {}, ENGLISH)
    photo = layout.photos[0].box
    numbers = [w for w in layout.words if not apart(w.box, photo) and w.text.isdigit()]
    assert 1 <= len(numbers) <= 4
    for words in numbers:
        mask = np.zeros((photo.height_px, photo.width_px), np.uint8)
        for finding in shown.hands:
            points = [
                [p.x * photo.width_px / 400, p.y * photo.height_px / 300] for p in finding.region.outline
            ]
            cv2.fillPoly(mask, [np.round(points).astype(np.int32)], (1,))
        b = words.box
        assert not mask[
            b.y0 - photo.y0 + 2 : b.y1 - photo.y0 - 2, b.x0 - photo.x0 + 2 : b.x1 - photo.x0 - 2
        ].any()


def test_the_range_is_the_shortest_that_holds_eighty_percent():
    """Around the likeliest stage, without gaps."""
    assert likely_range(Staging((0.0, 0.1, 0.6, 0.3, 0.0, 0.0))) == (2, 3)
    assert likely_range(Staging((0.9, 0.1, 0.0, 0.0, 0.0, 0.0))) == (0, 0)
    assert likely_range(Staging((0.3, 0.0, 0.4, 0.0, 0.0, 0.3))) == (0, 5)


def test_a_revision_says_in_the_band_what_it_replaces():
    assert "Revision 3, replaces version 2" in said(frame("revision"))


def test_the_footer_has_model_hash_and_time():
    text = said(frame("two hands"))
    assert "demo 1.0 (cdcdcdcdcdcd)" in text
    assert "2026-11-23 01:30 UTC" in text
    assert "Not for diagnosis or measurement" in text


def test_a_reduced_report_without_pixels_has_its_verdicts():
    """Places of radiographs stay dark."""
    shown: StudyReport = REPORTS["two hands"]
    layout = lay_out_verdict(shown, {}, ENGLISH)
    box = layout.photos[0].box
    assert tuple(paint(layout, {})[box.centre.y.__int__(), box.x0 + box.width_px // 2]) == GROUND
    assert isinstance(layout.words[0], Words)
    assert isinstance(layout.frames[0], Rectangle)
    assert shown.hands[0].verdict is HandVerdict.PRESENT


def test_a_withdrawn_result_says_so_in_the_band_and_across_the_radiograph():
    """Nobody may take the picture for a result."""
    gone = Refusal(Reason.WITHDRAWN, "Withdrawn on 2026-11-30 for quality reasons: model error.")
    layout = lay_out_verdict(report(image(refusal=gone), refusal=gone), {}, ENGLISH)
    assert layout.words[0].text.startswith("AI RESULT WITHDRAWN")
    photo = layout.photos[0].box
    assert any(not apart(words.box, photo) for words in layout.words if words.text == "WITHDRAWN")
