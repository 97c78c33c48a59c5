"""The sentences of a report are true to it in every state of a hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import HandVerdict, Reason, Recognition, Refusal, percents
from ra_node.domain.texts.report_sentences import hand_name, hand_sentence, summary_sentence
from tests.dicom.builders import (
    AGE_UNKNOWN,
    NO_HAND,
    OUTSIDE_AGES,
    both_hands,
    hand,
    image,
    refused_hand,
    report,
    side,
)

probabilities = st.floats(0, 1)


def test_a_hand_is_named_by_its_side_or_by_its_place():
    assert hand_name(hand(which=Side.RIGHT)) == "Right hand"
    assert hand_name(hand(which=Side.LEFT)) == "Left hand"
    assert hand_name(hand(which=None)) == "Hand (image left), side undetermined"
    assert hand_name(hand(which=None, place="")) == "Hand, side undetermined"


def test_a_judged_hand_is_said_with_probability_operating_point_and_stage():
    assert hand_sentence(hand()) == (
        "Right hand: rheumatoid arthritis present (probability 87.0 %, operating point 50.0 %), stage 3."
    )
    assert hand_sentence(hand(0.082, 0, None)) == (
        "Hand (image left), side undetermined: rheumatoid arthritis absent"
        " (probability 8.2 %, operating point 50.0 %), stage 0."
    )


def test_recognition_and_staging_that_contradict_each_other_give_one_verdict():
    """The verdict stands first; both figures explain it."""
    assert hand_sentence(hand(0.62, 0)) == (
        "Right hand: rheumatoid arthritis inconclusive, recognition and staging contradict each other:"
        " recognition says present (probability 62.0 %, operating point 50.0 %), staging says stage 0."
    )
    assert "recognition says absent (probability 30.0 %" in hand_sentence(hand(0.3, 2))
    assert [hand(*said).verdict for said in ((0.62, 0), (0.3, 2), (0.62, 1), (0.3, 0))] == [
        HandVerdict.INCONCLUSIVE,
        HandVerdict.INCONCLUSIVE,
        HandVerdict.PRESENT,
        HandVerdict.ABSENT,
    ]


def test_a_hand_outside_the_domain_is_not_rated_and_its_reason_is_said():
    """Not analysed is what could not be looked at; not rated is what the networks do not know."""
    assert hand_sentence(refused_hand(refusal=OUTSIDE_AGES)) == (
        "Left hand not rated: Age 66 is outside the model's domain:"
        " the networks were trained on ages 8.5 to 19."
    )
    assert refused_hand(refusal=OUTSIDE_AGES).verdict is HandVerdict.NOT_RATED
    assert refused_hand().verdict is HandVerdict.NOT_ANALYSED


def test_what_must_be_known_first_is_said_first():
    told = replace(hand(), outside=(AGE_UNKNOWN,))
    assert hand_sentence(told).startswith(
        "The age is not known; the networks were trained on ages 8.5 to 19. Right"
    )
    said = summary_sentence(report(image(told, replace(told, side=side(Side.LEFT)))))
    assert said.startswith(
        "The age is not known; the networks were trained on ages 8.5 to 19. Rheumatoid arthritis"
    )


def test_a_refused_hand_is_said_with_its_reason_and_without_result():
    assert hand_sentence(refused_hand()) == ("Left hand not analysed: The fingertips lie outside the image.")
    assert hand_sentence(refused_hand(None)).startswith(
        "Hand (image right), side undetermined, not analysed: "
    )


@given(probabilities, probabilities)
def test_the_percentages_never_contradict_the_result(probability, threshold):
    """50.0 % absent at an operating point of 50.0 % would be read as a mistake."""
    recognition = Recognition(probability, threshold)
    shown, point = (float(text) for text in percents(recognition))
    if abs(probability - threshold) > 1e-6:
        assert (shown >= point) == recognition.positive
    assert shown == pytest.approx(100 * probability, abs=0.051)
    assert point == pytest.approx(100 * threshold, abs=0.051)


def test_close_percentages_get_the_decimals_that_they_need():
    assert percents(Recognition(0.49996, 0.5)) == ("49.996", "50.000")
    assert percents(Recognition(0.5, 0.5)) == ("50.0", "50.0")


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            (image(*both_hands()),),
            (
                "Rheumatoid arthritis present in 1 of 2 hands analysed: right hand (stage 3);"
                " absent in left hand (stage 0)."
            ),
        ),
        ((image(hand()),), "Rheumatoid arthritis present in the one hand analysed: right hand (stage 3)."),
        (
            (image(hand(0.1, 0), hand(0.2, 0, Side.LEFT)),),
            "Rheumatoid arthritis absent in both hands analysed: right hand (stage 0), left hand (stage 0).",
        ),
        (
            (image(hand(), hand(1, 5, Side.LEFT)),),
            (
                "Rheumatoid arthritis present in both hands analysed: right hand (stage 3),"
                " left hand (stage 5)."
            ),
        ),
        (
            (image(hand(), refused_hand()), image(refusal=NO_HAND, number=2)),
            (
                "Rheumatoid arthritis present in the one hand analysed: right hand (stage 3);"
                " 1 hand not analysed; 1 image not analysed."
            ),
        ),
        (
            (image(hand(0.62, 0)),),
            ("Rheumatoid arthritis inconclusive in the one hand analysed: right hand."),
        ),
        (
            (image(hand(0.62, 0), hand(0.1, 0, Side.LEFT)),),
            "Rheumatoid arthritis inconclusive in right hand; absent in left hand (stage 0).",
        ),
        (
            (image(hand(), refused_hand(refusal=OUTSIDE_AGES)),),
            "Rheumatoid arthritis present in the one hand analysed: right hand (stage 3); 1 hand not rated.",
        ),
        (
            (image(hand(conflict=True)),),
            (
                "Rheumatoid arthritis present in the one hand analysed: right hand (stage 3);"
                " evidence of the side conflicts for right hand (stage 3)."
            ),
        ),
        (
            (image(refusal=NO_HAND),),
            "No hand of this study was analysed: No hand was found in this image.",
        ),
    ],
)
def test_the_summary_counts_every_hand_and_image(images, sentence):
    assert summary_sentence(report(*images)) == sentence


def test_a_study_without_images_is_summed_up_by_its_refusal():
    nothing = report(refusal=Refusal(Reason.NOT_A_RADIOGRAPH, "The study holds no radiograph."))
    assert summary_sentence(nothing) == ("No hand of this study was analysed: The study holds no radiograph.")
