"""Outside the bundle's domain a hand is not rated, whatever the networks say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.caveats import Doubt, doubts_of
from ra_node.domain.patient.age import Age
from ra_node.domain.rating import Rating, rated_within
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandVerdict, ImageFacts, ImageFinding, ResearchOutput
from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.domain.view.refusal import view_refusal
from tests.dicom.builders import BUNDLE, explained, hand, image, refused_hand

CHILDREN = replace(BUNDLE, ages=(8.5, 19.0))
ADULTS = replace(BUNDLE, ages=(18.0, 90.0))
NOT_RATED, REMARK = Rating(), Rating("remark")
OBLIQUE = Refusal(Reason.OTHER_VIEW, "Oblique.")


def aged(*claims: float, number: int = 1) -> ImageFinding:
    years = claims[0] if len(claims) == 1 else None
    note = "the header gives the ages 12 and 45" if len(claims) > 1 else ""
    return image(explained(hand(), mcp_2=0.5), number=number, facts=ImageFacts(age=Age(years, claims, note)))


def only(found: tuple[ImageFinding, ...]):
    return found[0].hands[0]


@pytest.mark.parametrize(
    ("bundle", "years", "verdict"),
    [
        (CHILDREN, 8.5, HandVerdict.PRESENT),
        (CHILDREN, 19.0, HandVerdict.PRESENT),
        (CHILDREN, 8.4, HandVerdict.NOT_RATED),
        (CHILDREN, 19.1, HandVerdict.NOT_RATED),
        (CHILDREN, 66.0, HandVerdict.NOT_RATED),
        (ADULTS, 66.0, HandVerdict.PRESENT),
        (ADULTS, 17.9, HandVerdict.NOT_RATED),
        (ADULTS, 9.0, HandVerdict.NOT_RATED),
        (ADULTS, 95.0, HandVerdict.NOT_RATED),
        (BUNDLE, 66.0, HandVerdict.PRESENT),
    ],
)
def test_ages_outside_are_not_rated_by_bundles_of_children_and_of_adults_alike(
    bundle: BundleIdentity, years: float, verdict: HandVerdict
) -> None:
    """A bundle that states no ages rates every age."""
    assert only(rated_within([aged(years)], bundle, NOT_RATED)).verdict is verdict


def test_a_hand_that_is_not_rated_keeps_no_figure_and_no_heat() -> None:
    found = only(rated_within([aged(66)], CHILDREN, NOT_RATED))
    assert (found.recognition, found.staging, found.explanation, found.research_output) == (None,) * 4
    assert found.refusal is not None
    assert found.refusal.reason is Reason.OUTSIDE_AGES
    assert found.refusal.text == (
        "Age 66 is outside the model's domain: the networks were trained on ages 8.5 to 19."
    )


def test_an_age_just_outside_is_said_with_its_decimal() -> None:
    """ "Age 19 is outside 8.5 to 19" would be read as a mistake."""
    assert "Age 19.7 is" in only(rated_within([aged(19.7)], CHILDREN, NOT_RATED)).refusal.text
    assert "Age 8 is" in only(rated_within([aged(8.4)], CHILDREN, NOT_RATED)).refusal.text


def test_the_site_may_keep_the_output_for_research() -> None:
    judged = aged(66).hands[0]
    found = only(rated_within([aged(66)], CHILDREN, Rating(research_output=True)))
    assert found.research_output == ResearchOutput(judged.recognition, judged.staging)
    assert found.verdict is HandVerdict.NOT_RATED


def test_as_a_remark_a_hand_is_rated_with_its_reason_first_and_dashed_lines() -> None:
    found = only(rated_within([aged(66)], CHILDREN, REMARK))
    assert found.verdict is HandVerdict.PRESENT
    assert found.outside[0].reason is Reason.OUTSIDE_AGES
    assert Doubt.DOMAIN in doubts_of(found)


def test_an_unknown_age_is_told_and_refuses_nothing() -> None:
    """Anonymised images have no age; what a reader must know stands before the result."""
    found = only(rated_within([aged()], CHILDREN, NOT_RATED))
    assert found.verdict is HandVerdict.PRESENT
    assert [one.reason for one in found.outside] == [Reason.AGE_UNKNOWN]
    assert Doubt.AGE in doubts_of(found)
    assert only(rated_within([aged()], BUNDLE, NOT_RATED)).outside == ()


def test_ages_that_contradict_each_other_are_not_rated_where_any_is_outside() -> None:
    refused = only(rated_within([aged(12, 45)], CHILDREN, NOT_RATED))
    assert refused.verdict is HandVerdict.NOT_RATED
    assert "the header gives the ages 12 and 45" in refused.refusal.text
    told = only(rated_within([aged(12, 15)], CHILDREN, NOT_RATED))
    assert told.verdict is HandVerdict.PRESENT
    assert [one.reason for one in told.outside] == [Reason.AGE_UNKNOWN]


def test_one_image_of_an_adult_makes_a_study_of_an_adult() -> None:
    """The other image has no age, or that of a child."""
    for other in (aged(number=2), aged(12, number=2)):
        found = rated_within([aged(45), other], CHILDREN, NOT_RATED)
        assert {one.hands[0].verdict for one in found} == {HandVerdict.NOT_RATED}


def test_what_the_picture_shows_counts_unless_the_bundle_learnt_from_it() -> None:
    oblique = image(replace(hand(), outside=(OBLIQUE,)))
    plaster = image(replace(hand(), outside=(Refusal(Reason.METAL_OR_CAST, "Plaster."),)))
    assert only(rated_within([oblique], BUNDLE, NOT_RATED)).refusal == OBLIQUE
    learnt = replace(BUNDLE, views=("frontal", "oblique"), casts=True)
    for one in (oblique, plaster):
        assert only(rated_within([one], learnt, NOT_RATED)).verdict is HandVerdict.PRESENT
        assert only(rated_within([one], BUNDLE, REMARK)).verdict is HandVerdict.PRESENT


def test_an_earlier_refusal_stays() -> None:
    refused = refused_hand()
    assert only(rated_within([replace(aged(66), hands=(refused,))], CHILDREN, NOT_RATED)) == refused


@pytest.mark.parametrize(
    ("view", "views", "verdict"),
    [
        (PixelView.OBLIQUE, ("frontal",), HandVerdict.NOT_RATED),
        (PixelView.OBLIQUE, ("frontal", "oblique"), HandVerdict.PRESENT),
        (PixelView.LATERAL, ("frontal", "oblique"), HandVerdict.NOT_RATED),
        (PixelView.WRIST, ("frontal", "oblique", "lateral"), HandVerdict.NOT_RATED),
    ],
)
def test_a_view_of_the_pixels_is_rated_only_by_a_bundle_that_learnt_it(
    view: PixelView, views: tuple[str, ...], verdict: HandVerdict
) -> None:
    """A bundle that knows obliques does not know laterals, and none knows a wrist."""
    judged = aged(12).hands[0]
    region = replace(judged.region, view=SeenView(view, 0.97))
    seen = view_refusal(region.view)
    assert seen is not None
    found = replace(aged(12), hands=(replace(judged, region=region, outside=(seen,)),))
    assert only(rated_within([found], replace(BUNDLE, views=views), NOT_RATED)).verdict is verdict
