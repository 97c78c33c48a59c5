"""Where things lie on the overlay, asked of the layout before it is painted."""

from __future__ import annotations

from itertools import combinations

import pytest

from ra_node import __version__
from ra_node.dicom.overlay.elements import FINE_PX, ElementGroup, Words
from ra_node.dicom.overlay.fonts import OWN, drawable
from ra_node.dicom.overlay.image_tile import MOST_SCALE
from ra_node.dicom.overlay.layout import LONGEST_PX, MOST_IMAGES, shown_images
from ra_node.domain.geometry import Box
from ra_node.domain.report import HandVerdict, ImageFinding
from ra_node.domain.texts.model_sentences import used_models
from ra_node.domain.texts.report_sentences import hand_name, hand_sentence, presence, refusal_text
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import english
from ra_node.domain.texts.wording import percent_words
from tests.dicom.builders import NO_HAND, both_hands, hand, image, image_uid, refused_hand, report
from tests.dicom.overlay.layouts import case_layout, laid_out, said
from tests.dicom.overlay_cases import REPORTS

LEGIBLE_PX = 42
"""At a third of its size such a text is still 14 pixels high."""

LEGIBLE_SMALL_PX = 24
"""And such a one 8 pixels: enough to read who made the result and with what."""

TITLE = ("AI result", "not verified")
"""The lines in which the picture says it."""

VIEWPORT = (1275, 942)
"""Width and height of OHIF 3.13's only viewport in a window of 1600 x 1000 pixels."""

CINE_BAR = Box(555, 41, 720, 83)
"""Where it lays its cine bar, which opens with every secondary capture."""

UNDER_THE_BAR = {"much to say", "four hands"}
"""A notice of many lines, and a picture so wide that it begins in the middle of the bar."""

TAG = {
    "NOT RATED", "Right: hand cut off", "Left: hand cut off", "Left: poor exposure", "RIGHT", "LEFT",
    "SIDE ?", "Right: age outside the domain",
    "Left: age outside the domain", "MCP 2", "PIP 3", "wrist, middle",
}  # fmt: skip

every_case = pytest.mark.parametrize("case", REPORTS)


def apart(a: Box, b: Box) -> bool:
    return a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


def inside(inner: Box, outer: Box) -> bool:
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1


def find(layout: ElementGroup, text: str) -> list[Words]:
    return [words for words in layout.words if text in words.text]


@every_case
def test_everything_lies_on_the_picture(case):
    """Nothing runs out of the picture, however much there is to say."""
    layout = case_layout(case)
    canvas = Box(0, 0, layout.width_px, layout.height_px)
    boxes = [part.box for part in (*layout.words, *layout.frames, *layout.photos)]
    assert [box for box in boxes if not inside(box, canvas)] == []


@every_case
def test_no_text_lies_on_another(case):
    """Every word can be read."""
    pairs = combinations(case_layout(case).words, 2)
    assert [(a.text, b.text) for a, b in pairs if not apart(a.box, b.box)] == []


@every_case
def test_only_tags_of_hands_and_joints_lie_on_a_radiograph(case):
    """Panels, titles and banner stand beside the anatomy."""
    layout = case_layout(case)
    on_anatomy = [
        words.text
        for words in layout.words
        if any(not apart(words.box, photo.box) for photo in layout.photos)
    ]
    assert [text for text in on_anatomy if text not in TAG] == []


@every_case
def test_radiographs_lie_apart_and_keep_their_shape(case):
    """A radiograph is scaled equally both ways, at most to twice its size."""
    shown, layout = REPORTS[case], case_layout(case)
    sizes = {each.sop_instance_uid: (each.columns, each.rows) for each in shown.images}
    for photo in layout.photos:
        columns, rows = sizes[photo.sop_instance_uid]
        longer_px, longer = max((photo.box.width_px, columns), (photo.box.height_px, rows))
        scale = longer_px / longer
        assert scale <= MOST_SCALE
        assert photo.box.width_px == pytest.approx(scale * columns, abs=1)
        assert photo.box.height_px == pytest.approx(scale * rows, abs=1)
    assert all(apart(a.box, b.box) for a, b in combinations(layout.photos, 2))


@every_case
def test_what_matters_is_legible_at_a_third(case):
    """Banner, notice, side, answer, probability and stage are large enough."""
    shown, layout = REPORTS[case], case_layout(case)
    key = [*TITLE]
    for each in shown_images(shown):
        for finding in each.hands:
            key.append(hand_name(finding).upper().split()[0])
            if finding.verdict is HandVerdict.INCONCLUSIVE:
                key.append("RA: INCONCLUSIVE")
            if finding.recognition is not None and finding.rated:
                key += [
                    f"RA: {presence(finding.recognition).upper()}",
                    percent_words(finding.recognition, english())[0],
                ]
            if finding.staging is not None and finding.rated:
                key.append(f"STAGE {finding.staging.stage}")
    small = [text for text in key if not any(w.size_px >= LEGIBLE_PX for w in find(layout, text))]
    assert small == []


@every_case
def test_every_picture_says_what_it_is(case):
    """Banner, label, notice, summary, model, versions and time are on every picture."""
    shown, text = REPORTS[case], said(case_layout(case))
    assert " ".join(TITLE) in text
    assert " ".join(summary_sentence(shown).split()[:25]) in text
    assert shown.bundle.notice.split()[0] in text
    assert shown.bundle.sha256[:12] in text
    assert f"ra-node {__version__}" in text
    assert "2026-11-23 01:30:15 UTC" in text
    for model in used_models(shown):
        assert f"{model.name} {model.version}" in text


@every_case
def test_every_hand_is_told(case):
    """A hand shown has a panel with its name; a hand of an image not shown has its sentence."""
    shown, text = REPORTS[case], said(case_layout(case))
    pictured = shown_images(shown)
    for each in shown.images:
        for finding in each.hands:
            words = hand_name(finding).upper() if each in pictured else hand_sentence(finding)
            assert drawable(OWN, words) in text


@every_case
def test_every_refusal_is_told_in_words(case):
    """Whoever has no result reads the reason."""
    shown, text = REPORTS[case], said(case_layout(case))
    reasons = [each.refusal for each in shown.images] + [finding.refusal for finding in shown.hands]
    for refusal in reasons:
        assert refusal is None or " ".join(refusal_text(refusal).split()[:12]) in text


@every_case
def test_lines_are_dashed_for_hands_to_be_read_with_care(case):
    """Refused, undetermined, conflicting, disagreeing, unsure or borderline hands are told by the line."""
    shown, layout = REPORTS[case], case_layout(case)
    careful = [
        finding.refusal is not None
        or finding.recognition is None
        or finding.side.side is None
        or finding.side.conflict
        or finding.verdict is HandVerdict.INCONCLUSIVE
        or finding.region.score < 0.5
        or bool(finding.outside)
        or abs(finding.recognition.probability - finding.recognition.threshold) < 0.05
        for each in shown_images(shown)
        for finding in each.hands
    ]
    assert [outline.dashed for outline in layout.outlines if outline.role == "hand"] == careful


def test_the_panel_of_a_hand_stands_under_that_hand():
    """The order of panels is that of the hands in the image, whatever the order of the report."""
    right, left = both_hands()
    for hands in ((right, left), (left, right)):
        layout = laid_out(report(image(*hands)))
        (first,), (second,) = find(layout, "RIGHT HAND"), find(layout, "LEFT HAND")
        assert first.box.x0 < second.box.x0


def test_a_line_leads_from_each_of_two_hands_to_its_panel():
    """It starts at the edge of the radiograph level with the hand and ends at the hand's own panel."""
    layout = laid_out(report(image(*both_hands())))
    (photo,) = layout.photos
    links = [outline for outline in layout.outlines if len(outline.points) == 4 and not outline.closed]
    titles = [find(layout, "RIGHT HAND")[0].box, find(layout, "LEFT HAND")[0].box]
    for link, finding, title in zip(links, both_hands(), titles, strict=True):
        level = photo.box.x0 + finding.region.box.centre.x * photo.box.width_px / 400
        assert link.points[0].x == pytest.approx(level, abs=1)
        assert 0 < link.points[0].y - photo.box.y1 < 10
        assert abs(link.points[-1].x - title.centre.x) < 500
        assert photo.box.y1 < link.points[-1].y < title.y0


def test_outlines_lie_where_the_hands_are():
    """An outline is the region of the report in the scale of its radiograph, inside the picture."""
    layout = laid_out(report(image(*both_hands())))
    (photo,) = layout.photos
    closed = [outline for outline in layout.outlines if outline.role == "hand"]
    scale = photo.box.width_px / 400
    for outline, finding in zip(closed, both_hands(), strict=True):
        for drawn, point in zip(outline.points, finding.region.outline, strict=True):
            assert drawn.x == pytest.approx(photo.box.x0 + scale * point.x, abs=1)
            assert drawn.y == pytest.approx(photo.box.y0 + scale * point.y, abs=1)


def test_a_region_without_outline_shows_its_box():
    """A finder that gives only a box is shown as it is."""
    bare = hand()
    bare_region = type(bare.region)(bare.region.box, (), 0, 0.9)
    layout = laid_out(report(image(type(bare)(bare_region, bare.side, "", bare.recognition, bare.staging))))
    assert [len(each.points) for each in layout.outlines if each.role == "hand"] == [4]


def test_at_most_four_images_are_shown_and_the_rest_is_listed():
    """Images with a result come before those without."""
    images: list[ImageFinding] = [
        image(refusal=NO_HAND),
        image(refused_hand(), number=2),
        *(image(hand(), number=n) for n in (3, 4, 5)),
    ]
    shown = shown_images(report(*images))
    assert [each.sop_instance_uid for each in shown] == [image_uid(n) for n in (2, 3, 4, 5)]
    assert len(shown_images(report(*images, *images))) == MOST_IMAGES
    assert f"Image 1: not rated. {NO_HAND.text}" in said(laid_out(report(*images)))


def test_a_revision_says_what_it_replaces():
    """The reader sees above and below that an earlier result is void."""
    layout = laid_out(REPORTS["revision"])
    words = find(layout, "Revision 3, replaces version 2")
    assert len(words) == 2
    assert words[0].size_px >= LEGIBLE_PX
    assert "2.25." + "7" * 39 in said(layout)


def under_the_cine_bar(layout: ElementGroup) -> Box:
    """The part of a picture that the bar hides where the viewer fits the picture into its viewport."""
    width, height = VIEWPORT
    scale = min(width / layout.width_px, height / layout.height_px)
    left, top = (width - scale * layout.width_px) / 2, (height - scale * layout.height_px) / 2
    x0, x1 = (round((x - left) / scale) for x in (CINE_BAR.x0, CINE_BAR.x1))
    y0, y1 = (round((y - top) / scale) for y in (CINE_BAR.y0, CINE_BAR.y1))
    return Box(x0, y0, x1, y1)


@pytest.mark.parametrize("case", [case for case in REPORTS if case not in UNDER_THE_BAR])
def test_what_a_viewer_lays_over_the_top_hides_no_word(case):
    """Notice, title and summary stay legible as soon as the picture is on the screen."""
    layout = case_layout(case)
    bar = under_the_cine_bar(layout)
    assert [words.text for words in layout.words if not apart(words.box, bar)] == []


def test_label_and_notice_are_the_first_words():
    """Above the title, as sentences on as few lines as they need, in the words of the site and the bundle."""
    first, *_ = case_layout("two hands").words
    assert first.text == "For research use only. Learnt from simulated lesions; not a medical device."


def test_a_label_that_the_notice_holds_is_not_said_twice():
    """The same warning twice is read less, not more."""
    shown = report(image(hand()), research_label="not a medical device")
    assert said(laid_out(shown)).count("not a medical device") == 1


def test_a_two_hand_picture_has_the_shape_of_a_page():
    """A five-megapixel radiograph is shown large, and the whole is neither a tower nor a ribbon."""
    shown = report(image(*both_hands(), rows=2000, columns=2500))
    layout = laid_out(shown)
    assert 975 <= layout.photos[0].box.width_px <= 1276
    assert 0.5 < layout.width_px / layout.height_px < 2


@every_case
def test_a_reading_station_shows_it_whole(case):
    """Two megapixels show every pixel of it; radiographs shrink for the words, down to a limit."""
    layout = case_layout(case)
    least = all(photo.box.height_px <= 0.56 * 1170 for photo in layout.photos)
    assert max(layout.width_px, layout.height_px) <= LONGEST_PX or (layout.photos and least)


@every_case
def test_no_word_is_too_small_at_a_third(case):
    """Not even who made the result and with what."""
    assert FINE_PX >= LEGIBLE_SMALL_PX
    assert [w.text for w in case_layout(case).words if w.size_px < LEGIBLE_SMALL_PX] == []


@every_case
def test_every_radiograph_is_shown_large_enough(case):
    """However many words there are, a hand is never a stamp."""
    assert [
        photo for photo in case_layout(case).photos if max(photo.box.width_px, photo.box.height_px) < 255
    ] == []


def test_a_remark_on_every_image_is_said_once():
    """Repeated warnings are read less."""
    remark = "Age 66 is outside the model's domain: the networks were trained on ages 8.5 to 19."
    shown = report(image(hand(), remarks=(remark,)), image(hand(), number=2, remarks=(remark, "Only here.")))
    text = said(laid_out(shown))
    assert text.count("Patient is 66") == 1
    assert text.count("Only here.") == 1
