"""What `ra-node hands` says about a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ra_node.cli.render_status import hands_line
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.view.pixel_view import PixelView, SeenView
from tests.dicom.builders import CUT_OFF, hand, image, refused_hand


def test_a_hand_that_would_not_be_rated_is_listed_with_its_reason() -> None:
    """What the picture alone shows: a cut-off hand, an oblique view; a plain hand has no refusal."""
    oblique = replace(hand(), outside=(Refusal(Reason.OTHER_VIEW, "Oblique."),))
    line = hands_line(Path("hand.dcm"), image(hand(), oblique, refused_hand()))
    assert [one["refusal"] for one in line["hands"]] == [None, "Oblique.", CUT_OFF.text]


def test_the_view_of_the_pixels_is_listed_where_the_bundle_tells_it() -> None:
    """A bundle without a view head gives null."""
    turned = replace(hand(), region=replace(hand().region, view=SeenView(PixelView.OBLIQUE, 0.8766)))
    listed = hands_line(Path("hand.dcm"), image(hand(), turned))["hands"]
    assert [(one["view"], one["view_probability"]) for one in listed] == [(None, None), ("oblique", 0.877)]
