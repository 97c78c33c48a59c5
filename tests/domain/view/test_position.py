"""From which side a hand was seen: codes before texts before View Position."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ra_node.domain.study import ImageHeader
from ra_node.domain.view.position import View, named_views, view_of

SILENT = ImageHeader("2.25.1", "2.25.9", "2.25.2", "2.25.3", "1.2.840.10008.1.2.1")
TEXTS = {
    "Hand PA": View.FRONTAL, "Hände dp": View.FRONTAL, "Main de face": View.FRONTAL, "双手正位": View.FRONTAL,
    "Hand oblique": View.OBLIQUE, "HAND OBL RT": View.OBLIQUE, "Hand schräg": View.OBLIQUE,
    "Zitherspieler bds": View.OBLIQUE, "Mano oblicua": View.OBLIQUE, "手 斜位": View.OBLIQUE,
    "Hand LAT": View.LATERAL, "Handgelenk seitlich": View.LATERAL, "Main profil": View.LATERAL,
    "Nørgaard": View.BALL_CATCHER, "NORGAARD VIEW": View.BALL_CATCHER, "ball-catchers": View.BALL_CATCHER,
}  # fmt: skip


@pytest.mark.parametrize(("text", "view"), TEXTS.items())
def test_a_text_names_its_view(text, view):
    assert named_views(text) == {view}
    assert view_of(replace(SILENT, image_texts=(text,)))[0] is view


@pytest.mark.parametrize("text", ["Hand bilateral", "Both hands", "Hand PA + oblique", "Hand 3 views", ""])
def test_a_text_that_names_no_single_view_says_nothing(text):
    """A description of the whole examination must not refuse its PA image."""
    assert view_of(replace(SILENT, image_texts=(text,)))[0] is View.UNKNOWN


def test_codes_are_believed_before_texts_and_texts_before_view_position():
    norgaard = "399157000 SCT"
    header = replace(SILENT, view_codes=(norgaard,), image_texts=("Hand PA",), view_position="PA")
    assert view_of(header) == (View.BALL_CATCHER, "the view code")
    header = replace(header, view_codes=(), image_texts=("Hand oblique",))
    assert view_of(header) == (View.OBLIQUE, "the description")
    header = replace(header, image_texts=())
    assert view_of(header) == (View.FRONTAL, "View Position")


def test_a_frontal_code_with_an_oblique_modifier_is_oblique():
    """View Modifier Code Sequence narrows the view (PS3.3 C.8.11.5)."""
    codes = ("272479007 SCT", "399182000 SCT")
    assert view_of(replace(SILENT, view_codes=codes))[0] is View.OBLIQUE
