"""Where things lie on the overlay, asked of the layout before it is painted."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest

from ra_node import __version__
from ra_node.dicom.overlay_layout import MOST_IMAGES, lay_out, shown_images
from ra_node.dicom.overlay_margins import BANNER
from ra_node.dicom.overlay_parts import Block, Words, drawable
from ra_node.dicom.overlay_tile import MOST_SCALE
from ra_node.domain.geometry import Box
from ra_node.domain.report import ImageFinding, StudyReport, percents
from ra_node.domain.wording import hand_name, hand_sentence, presence, summary_sentence
from tests.dicom.builders import NO_HAND, both_hands, hand, image, image_uid, refused_hand, report
from tests.dicom.overlay_cases import REPORTS, displays

LEGIBLE_PX = 56
"""At a quarter of its size such a text is still 14 pixels high."""

TAG = ("NOT ANALYSED", "hand cut off", "poor exposure")

every_case = pytest.mark.parametrize("case", REPORTS)


def laid_out(shown: StudyReport) -> Block:
    return lay_out(shown, displays(shown))


@cache
def case_layout(case: str) -> Block:
    return laid_out(REPORTS[case])


def said(layout: Block) -> str:
    """All text in the order of reading within its block, line breaks as blanks."""
    return " ".join(words.text for words in layout.words)


def apart(a: Box, b: Box) -> bool:
    return a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


def inside(inner: Box, outer: Box) -> bool:
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1


def find(layout: Block, text: str) -> list[Words]:
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
def test_only_tags_of_refused_hands_lie_on_a_radiograph(case):
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
        scale = max(photo.box.width_px / columns, photo.box.height_px / rows)
        assert scale <= MOST_SCALE
        assert photo.box.width_px == pytest.approx(scale * columns, abs=1)
        assert photo.box.height_px == pytest.approx(scale * rows, abs=1)
    assert all(apart(a.box, b.box) for a, b in combinations(layout.photos, 2))


@every_case
def test_what_matters_is_legible_at_a_quarter(case):
    """Banner, notice, side, answer, probability and stage are large enough."""
    shown, layout = REPORTS[case], case_layout(case)
    key = [BANNER]
    for each in shown_images(shown):
        for finding in each.hands:
            key.append(hand_name(finding).upper().split()[0])
            if finding.recognition is not None:
                key += [
                    f"RA: {presence(finding.recognition).upper()}",
                    f"{percents(finding.recognition)[0]} %",
                ]
            if finding.staging is not None:
                key.append(f"STAGE {finding.staging.stage}")
    small = [text for text in key if not any(w.size_px >= LEGIBLE_PX for w in find(layout, text))]
    assert small == []


@every_case
def test_every_picture_says_what_it_is(case):
    """Banner, label, notice, summary, model, versions and time are on every picture."""
    shown, text = REPORTS[case], said(case_layout(case))
    assert BANNER in text
    assert " ".join(summary_sentence(shown).split()[:25]) in text
    assert shown.bundle.notice.split()[0] in text
    assert shown.bundle.sha256[:12] in text
    assert f"ra-node {__version__}" in text
    assert "2026-11-23 01:30:15 UTC" in text
    for model in shown.bundle.models:
        assert f"{model.name} {model.version}" in text


@every_case
def test_every_hand_is_told(case):
    """A hand shown has a panel with its name; a hand of an image not shown has its sentence."""
    shown, text = REPORTS[case], said(case_layout(case))
    pictured = shown_images(shown)
    for each in shown.images:
        for finding in each.hands:
            words = hand_name(finding).upper() if each in pictured else hand_sentence(finding)
            assert drawable(words) in text


@every_case
def test_every_refusal_is_told_in_words(case):
    """Whoever has no result reads the reason."""
    shown, text = REPORTS[case], said(case_layout(case))
    reasons = [each.refusal for each in shown.images] + [finding.refusal for finding in shown.hands]
    for refusal in reasons:
        assert refusal is None or " ".join(refusal.text.split()[:12]) in text


@every_case
def test_lines_are_dashed_for_hands_to_be_read_with_care(case):
    """Refused, undetermined, conflicting, disagreeing or unsure hands are told by the line as well."""
    shown, layout = REPORTS[case], case_layout(case)
    careful = [
        finding.refusal is not None
        or finding.recognition is None
        or finding.side.side is None
        or finding.side.conflict
        or finding.disagreement
        or finding.region.score < 0.5
        for each in shown_images(shown)
        for finding in each.hands
    ]
    assert [outline.dashed for outline in layout.outlines if outline.closed] == careful


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
    links = [outline for outline in layout.outlines if not outline.closed]
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
    closed = [outline for outline in layout.outlines if outline.closed]
    for outline, finding in zip(closed, both_hands(), strict=True):
        for drawn, point in zip(outline.points, finding.region.outline, strict=True):
            assert drawn.x == pytest.approx(photo.box.x0 + 2 * point.x, abs=1)
            assert drawn.y == pytest.approx(photo.box.y0 + 2 * point.y, abs=1)


def test_a_region_without_outline_shows_its_box():
    """A finder that gives only a box is shown as it is."""
    bare = hand()
    bare_region = type(bare.region)(bare.region.box, (), 0, 0.9)
    layout = laid_out(report(image(type(bare)(bare_region, bare.side, "", bare.recognition, bare.staging))))
    assert [len(outline.points) for outline in layout.outlines] == [4]


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
    assert f"Image 1: not analysed. {NO_HAND.text}" in said(laid_out(report(*images)))


def test_a_revision_says_what_it_replaces():
    """The reader sees above and below that an earlier result is void."""
    layout = laid_out(REPORTS["revision"])
    words = find(layout, "Revision 3, replaces version 2")
    assert len(words) == 2
    assert words[0].size_px >= LEGIBLE_PX
    assert "2.25." + "7" * 39 in said(layout)


def test_a_label_that_the_notice_holds_is_not_said_twice():
    """The same warning twice is read less, not more."""
    shown = report(image(hand()), research_label="not a medical device")
    assert said(laid_out(shown)).count("not a medical device") == 1


def test_a_two_hand_picture_has_the_shape_of_a_page():
    """A five-megapixel radiograph is shown large, and the whole is neither a tower nor a ribbon."""
    shown = report(image(*both_hands(), rows=2000, columns=2500))
    layout = laid_out(shown)
    assert 1600 <= layout.photos[0].box.width_px <= 2000
    assert 0.5 < layout.width_px / layout.height_px < 2
