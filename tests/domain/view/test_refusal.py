"""A view that the pixels show is named, beside what the header says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ra_node.domain.geometry import Box
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.domain.texts.translations import load_language
from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.domain.view.refusal import against_header, view_refusal

HEADER = ImageHeader("1.2", "1.3", "1.4", "1.5", "1.6")
OBLIQUE = replace(HEADER, view_position="LLO")
BOX = Box(0, 0, 10, 20)
BY_HEADER = Refusal(
    Reason.OTHER_VIEW,
    "Expected a hand from back or front (PA or AP), found the oblique view, as View Position says.",
)


def region(view: SeenView | None) -> HandRegion:
    return HandRegion(BOX, BOX.corners(), 0, 0.99, view=view)


def test_a_frontal_hand_and_one_of_unknown_view_pass() -> None:
    assert view_refusal(None, HEADER) is None
    assert view_refusal(SeenView(PixelView.FRONTAL, 0.6), HEADER) is None


@pytest.mark.parametrize("view", [view for view in PixelView if view is not PixelView.FRONTAL])
def test_every_other_view_is_refused_by_name_in_every_language(view: PixelView) -> None:
    found = view_refusal(SeenView(view, 0.871), HEADER)
    assert found is not None
    assert found.reason is Reason.OTHER_VIEW
    assert "87 % probability" in found.text
    said = load_language("zh").told(found.text)
    assert said is not None
    assert "the " not in said


def test_a_header_that_says_frontal_is_named_where_the_pixels_show_another_view() -> None:
    header = replace(HEADER, view_position="PA")
    found = view_refusal(SeenView(PixelView.OBLIQUE, 0.93), header)
    assert found is not None
    assert found.text == (
        "Expected a hand from back or front (PA or AP), the image shows an oblique view (93 % probability);"
        " View Position says frontal (PA or AP)."
    )
    assert load_language("zh").told(found.text) is not None


def test_a_header_that_says_oblique_stays_right_and_is_contradicted_by_frontal_pixels() -> None:
    told = against_header(BY_HEADER, OBLIQUE, [region(SeenView(PixelView.FRONTAL, 0.98))])
    assert told.reason is Reason.OTHER_VIEW
    assert told.text.endswith("as View Position says; the image looks frontal (PA or AP).")
    assert load_language("zh").told(told.text) is not None


@pytest.mark.parametrize(
    "views",
    [
        [],
        [None],
        [SeenView(PixelView.FRONTAL, 0.7)],
        [SeenView(PixelView.OBLIQUE, 0.99)],
        [SeenView(PixelView.FRONTAL, 0.99), SeenView(PixelView.LATERAL, 0.99)],
    ],
)
def test_pixels_that_are_not_sure_say_nothing_against_a_header(views: list[SeenView | None]) -> None:
    assert against_header(BY_HEADER, OBLIQUE, [region(view) for view in views]) == BY_HEADER


def test_a_view_in_doubt_is_only_what_the_picture_may_show() -> None:
    """With a header that says frontal, too: a doubt is no contradiction."""
    found = view_refusal(SeenView(PixelView.PART, 0.26), replace(HEADER, view_position="PA"))
    assert found is not None
    assert found.text == (
        "Expected a hand that is surely seen from back or front (PA or AP),"
        " the image may show a part of a hand (26 % probability)."
    )
    assert load_language("zh").told(found.text) is not None
