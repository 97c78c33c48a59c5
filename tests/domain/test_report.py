"""The sentences of a report are true to it in every state of a hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.laterality import Side
from ra_node.domain.report import Reason, Recognition, Refusal, percents
from ra_node.domain.wording import hand_name, hand_sentence, summary_sentence
from tests.dicom.builders import NO_HAND, both_hands, hand, image, refused_hand, report

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


def test_a_disagreement_of_recognition_and_staging_is_said():
    assert hand_sentence(hand(0.62, 0)).endswith("stage 0; recognition and staging disagree.")
    assert hand_sentence(hand(0.3, 2)).endswith("stage 2; recognition and staging disagree.")


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
            (
                "Rheumatoid arthritis present in the one hand analysed: right hand (stage 0);"
                " recognition and staging disagree about right hand (stage 0)."
            ),
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
