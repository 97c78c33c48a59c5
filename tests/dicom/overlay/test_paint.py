"""The painted picture, looked at pixel by pixel."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.dicom.overlay.annotations import BOLD_PX, THIN_PX
from ra_node.dicom.overlay.elements import (
    AMBER,
    GROUND,
    HEAT,
    WHITE,
    ElementGroup,
    Outline,
    Photo,
    Rectangle,
    moved,
)
from ra_node.dicom.overlay.layout import lay_out
from ra_node.dicom.overlay.paint import DASH_PX, dashes, paint, render_overlay
from ra_node.domain.geometry import Box, Point
from tests.dicom.builders import both_hands, hand, image, image_uid, report
from tests.dicom.overlay_cases import ENGLISH, REPORTS, displays

LEGIBLE_CONTRAST = 4.5
"""What WCAG 2 asks of text that everybody can read."""


def luminance(grey):
    """Relative luminance of a grey value, 0 to 1 (sRGB)."""
    value = grey / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize("case", REPORTS)
def test_text_is_legible_on_a_grey_display(case):
    """Every line has contrast without its colour, on the ground that it was painted on."""
    shown = REPORTS[case]
    layout = lay_out(shown, displays(shown), ENGLISH)
    grey = cv2.cvtColor(paint(layout, displays(shown)), cv2.COLOR_RGB2GRAY)
    for words in layout.words:
        box = words.box
        pixels = grey[box.y0 : box.y1, box.x0 : box.x1]
        light, dark = luminance(int(pixels.max())), luminance(int(pixels.min()))
        assert (light + 0.05) / (dark + 0.05) >= LEGIBLE_CONTRAST, words.text


@pytest.mark.parametrize("case", ["two hands", "one of two refused", "six images", "no image"])
def test_the_same_report_gives_the_same_picture(case):
    """Rendering twice gives identical bytes, so a repeated job sends the same object."""
    shown = REPORTS[case]
    first, second = (render_overlay(shown, displays(shown)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    assert np.array_equal(first, second)


def test_the_radiograph_is_scaled_and_not_otherwise_changed():
    """Away from the outlines every pixel is grey and what plain scaling gives: contrast is untouched."""
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2500), np.uint8)
    shown = report(image(*both_hands(), rows=2000, columns=2500))
    layout = lay_out(shown, {image_uid(1): noise}, ENGLISH)
    box = layout.photos[0].box
    painted = paint(layout, {image_uid(1): noise})[box.y0 : box.y1, box.x0 : box.x1]
    expected = cv2.resize(noise, (box.width_px, box.height_px), interpolation=cv2.INTER_AREA)
    far = np.ones(expected.shape, bool)
    far[:4] = far[-4:] = False
    far[:, :4] = far[:, -4:] = False
    far[: box.height_px // 4, : box.width_px // 2] = False
    assert np.array_equal(painted[far], np.repeat(expected[far][:, np.newaxis], 3, axis=1))


@pytest.mark.parametrize("ground", [0, 255], ids=["on black", "on bone"])
def test_an_outline_is_visible_on_any_ground(ground):
    """A light line in a dark halo stands out on black and on white."""
    layout = ElementGroup(200, 200, (Outline((Point(50, 100), Point(150, 100)), closed=False),))
    canvas = ElementGroup(200, 200, (Rectangle(Box(0, 0, 200, 200), fill=(ground,) * 3),))
    assert int(np.ptp(column_through(layout, ground))) > 200
    assert np.all(paint(canvas, {}) == ground)


@pytest.mark.parametrize("ground", [0, 90, 180, 255], ids=["on black", "on flesh", "on bone", "on white"])
@pytest.mark.parametrize("line_px", [THIN_PX, BOLD_PX])
def test_lines_of_attention_are_visible_on_any_ground_in_grey(ground, line_px):
    """Thin as they are, a reader without colour sees them on flesh and on bone."""
    across = Outline((Point(50, 100), Point(150, 100)), HEAT, line_px=line_px, closed=False, halo_px=1)
    layout = ElementGroup(200, 200, (Photo("1", Box(0, 0, 200, 200)), across))
    painted = paint(layout, {"1": np.full((200, 200), ground, np.uint8)})
    grey = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)[90:110, 100]
    light, dark = luminance(int(grey.max())), luminance(int(grey.min()))
    assert (light + 0.05) / (dark + 0.05) >= LEGIBLE_CONTRAST


def column_through(layout, ground):
    """The grey values across the line, painted on a radiograph of one grey value."""
    photo = Photo("1", Box(0, 0, layout.width_px, layout.height_px))
    over = ElementGroup(layout.width_px, layout.height_px, (photo, *layout.parts))
    return paint(over, {"1": np.full((200, 200), ground, np.uint8)})[80:120, 100].max(axis=-1)


def test_an_image_without_display_leaves_its_place_dark():
    """Its pixels may be gone from memory; its result is still said."""
    shown = report(image(hand(), rows=400, columns=300))
    layout = lay_out(shown, {}, ENGLISH)
    picture = paint(layout, {})
    box = layout.photos[0].box
    assert tuple(picture[box.y1 - 8, box.x0 + 8]) == GROUND


def test_present_and_absent_differ_without_colour():
    """The answer is a filled bar or an empty one, so a grey display tells them apart at a glance."""
    greys = []
    for probability in (0.9, 0.1):
        shown = report(image(hand(probability, 3 if probability > 0.5 else 0)))
        layout = lay_out(shown, {}, ENGLISH)
        box = next(words.box for words in layout.words if words.text.startswith("RA:"))
        grey = cv2.cvtColor(paint(layout, {}), cv2.COLOR_RGB2GRAY)
        greys.append(float(np.median(grey[box.y0 : box.y1, box.x0 : box.x1])))
    assert greys[0] > 150
    assert greys[1] < 50


def test_a_dashed_frame_is_open_and_stays_inside_itself():
    """Dashes replace the line, on all four sides, and nothing is painted outside the box."""
    frame = Rectangle(Box(20, 30, 220, 180), line=WHITE, line_px=4, dashed=True)
    picture = paint(ElementGroup(240, 200, (frame,)), {})
    lit = np.all(picture == WHITE, axis=-1)
    rows, columns = np.nonzero(lit)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 30, 219, 179)
    for edge in (lit[30, 20:220], lit[179, 20:220], lit[30:180, 20], lit[30:180, 219]):
        assert 0.4 < edge.mean() < 0.8


def test_a_solid_frame_is_closed():
    """Only what is uncertain is dashed."""
    picture = paint(ElementGroup(240, 200, (Rectangle(Box(20, 30, 220, 180), line=AMBER, line_px=4),)), {})
    assert np.all(picture[30, 20:220] == AMBER)


corners = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda xy: Point(*xy)), min_size=2, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(corners)
def test_dashes_cover_their_share_of_a_line(points):
    """Dash and gap alternate along the whole line, around corners, whatever its shape."""
    length = sum(math.dist((a.x, a.y), (b.x, b.y)) for a, b in pairwise(points))
    inked = sum(math.dist((a.x, a.y), (b.x, b.y)) for stroke in dashes(points) for a, b in pairwise(stroke))
    whole, rest = divmod(length, sum(DASH_PX))
    assert inked == pytest.approx(whole * DASH_PX[0] + min(rest, DASH_PX[0]), abs=0.01)


@settings(max_examples=40, deadline=None)
@given(corners)
def test_no_dash_is_longer_than_a_dash(points):
    """A dash never runs on into the next one."""
    for stroke in dashes(points):
        parts = (math.dist((a.x, a.y), (b.x, b.y)) for a, b in pairwise(stroke))
        assert sum(parts) <= DASH_PX[0] + 0.01


def test_words_cover_nothing_but_their_letters():
    """The ink is the one asked for where a letter is solid; between letters the ground stays."""
    wedge = np.tile(np.linspace(0, 255, 400).astype(np.uint8), (120, 1))
    (words,) = moved(ENGLISH.line("III", 60, ink=AMBER, bold=True).parts, 150, 20)
    layout = ElementGroup(400, 120, (Photo("1", Box(0, 0, 400, 120)), words))
    painted = paint(layout, {"1": wedge})
    inked = np.all(painted == AMBER, axis=-1)
    kept = np.all(painted == wedge[:, :, np.newaxis], axis=-1)
    assert 500 < inked.sum() < 3000
    assert inked[:, :150].sum() == inked[:20].sum() == inked[100:].sum() == 0
    assert kept.mean() > 0.85


@pytest.mark.parametrize(("dx", "dy"), [(-20, 0), (0, -40), (60, 0), (0, 90), (500, 500)])
def test_words_that_run_out_of_the_picture_are_cut_off(dx, dy):
    """A font may draw beyond the box that it claims; a picture without these pixels is still painted."""
    whole = paint(ElementGroup(400, 400, moved(ENGLISH.line("WWW", 60).parts, 100, 100)), {})
    part = paint(ElementGroup(100, 100, moved(ENGLISH.line("WWW", 60).parts, dx, dy)), {})
    seen = whole[100 - dy :, 100 - dx :][:100, :100] if max(dx, dy) <= 100 else np.full(part.shape, GROUND)
    assert np.array_equal(part, seen)


def test_a_hand_of_the_development_radiographs_is_drawn(radiographs):
    """A real radiograph is read back from the picture nearly as it was."""
    display = cv2.imread(str(radiographs / "rsna" / "10138.png"), cv2.IMREAD_GRAYSCALE)
    shown = report(image(hand(), rows=display.shape[0], columns=display.shape[1]))
    layout = lay_out(shown, {image_uid(1): display}, ENGLISH)
    box = layout.photos[0].box
    painted = paint(layout, {image_uid(1): display})[box.y0 : box.y1, box.x0 : box.x1, 1]
    back = cv2.resize(painted, display.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.median(np.abs(back.astype(int) - display)) <= 2
