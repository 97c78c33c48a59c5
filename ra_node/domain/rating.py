"""Decides which hands the networks of a bundle may rate: those inside the domain that the bundle states.

Networks give an output for any image, with equal confidence for images unlike their training data: of 102
hands of adults without known rheumatoid arthritis, a bundle trained on children called 39 diseased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.patient.age import Age, age_in_study
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, ImageFinding, ResearchOutput

OutsideDomain = Literal["not rated", "remark"]
Ages = tuple[float, float]
"""Youngest and oldest age, in years, of the training data."""


@dataclass(frozen=True, slots=True)
class Rating:
    """Site settings for hands outside the domain of the bundle."""

    outside_domain: OutsideDomain = "not rated"
    research_output: bool = False
    """Write the raw output for hands that are not rated to a comment in the SR."""


DEFAULT_RATING = Rating()


def rated_within(
    images: Sequence[ImageFinding], bundle: BundleIdentity, rating: Rating
) -> tuple[ImageFinding, ...]:
    """Refuse the hands outside the bundle's domain, each with its reason, or only add a remark ("remark").

    An unknown age refuses nothing, because anonymised images have none. It is stated before the result.
    """
    age: tuple[Refusal, ...] = ()
    if bundle.ages is not None:
        seen = (image.facts.age for image in images if image.hands)
        age = age_outside(age_in_study(seen), bundle.ages)
    return tuple(
        replace(
            image,
            hands=tuple(_hand_within(hand, (*age, *_known(hand, bundle)), rating) for hand in image.hands),
        )
        for image in images
    )


def _known(hand: HandFinding, bundle: BundleIdentity) -> tuple[Refusal, ...]:
    """Out-of-domain findings in the pixels, as far as the domain of the bundle excludes them."""
    learnt = set()
    view = hand.region.view
    if set(bundle.views) - {"frontal"} if view is None else view.view in bundle.views:
        learnt.add(Reason.OTHER_VIEW)
    if bundle.casts:
        learnt.add(Reason.METAL_OR_CAST)
    return tuple(refusal for refusal in hand.outside if refusal.reason not in learnt)


def _hand_within(hand: HandFinding, outside: tuple[Refusal, ...], rating: Rating) -> HandFinding:
    if hand.refusal is not None:
        return hand
    refusing = [refusal for refusal in outside if refusal.reason is not Reason.AGE_UNKNOWN]
    if not refusing or rating.outside_domain == "remark":
        return replace(hand, outside=outside)
    output = None
    if rating.research_output and hand.recognition is not None:
        output = ResearchOutput(hand.recognition, hand.staging)
    return replace(
        hand,
        recognition=None,
        staging=None,
        explanation=None,
        joint_stages=(),
        outside=outside,
        refusal=refusing[0],
        research_output=output,
    )


def age_outside(age: Age, ages: Ages) -> tuple[Refusal, ...]:
    """Compare an age with the domain of a bundle: () inside, else one reason.

    Contradicting ages are outside where any of them is outside.
    """
    low, high = ages
    known = f"the networks were trained on ages {low:g} to {high:g}"
    claims_outside = [years for years in age.claims if not low <= years <= high]
    if age.years is None:
        why = f" ({age.note})" if age.note else ""
        text = f"The age is not known{why}; {known}."
        return (Refusal(Reason.OUTSIDE_AGES if claims_outside else Reason.AGE_UNKNOWN, text),)
    if low <= age.years <= high:
        return ()
    text = f"Age {_years(age.years, ages)} is outside the model's domain: {known}."
    return (Refusal(Reason.OUTSIDE_AGES, text),)


def _years(age: float, ages: Ages) -> str:
    """Whole years where they are outside, else with a decimal."""
    return f"{age:g}" if ages[0] <= int(age) <= ages[1] else f"{int(age)}"
