"""The sentences of a report are true to it in every state of a hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandVerdict, Recognition
from ra_node.domain.texts.percents import coded_percents, whole_percents
from ra_node.domain.texts.report_sentences import hand_name, hand_sentence
from ra_node.domain.texts.summary_sentence import summary_sentence
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
        "Right hand: RA suspected, probability of RA 87 % (threshold 50 %), stage 3."
    )
    assert hand_sentence(hand(0.082, 0, None)) == (
        "Hand (image left), side undetermined: RA not seen, probability of RA 8 % (threshold 50 %), stage 0."
    )


def test_recognition_and_staging_that_contradict_each_other_give_one_verdict():
    """The verdict stands first; both figures explain it."""
    assert hand_sentence(hand(0.62, 0)) == (
        "Right hand: RA inconclusive, probability of RA 62 % (threshold 50 %),"
        " but stage 0 is likeliest. Please review this hand."
    )
    assert "probability of RA 30 % (threshold 50 %), but stage 2" in hand_sentence(hand(0.3, 2))
    assert [hand(*said).verdict for said in ((0.62, 0), (0.3, 2), (0.62, 1), (0.3, 0))] == [
        HandVerdict.INCONCLUSIVE,
        HandVerdict.INCONCLUSIVE,
        HandVerdict.PRESENT,
        HandVerdict.ABSENT,
    ]


def test_a_hand_outside_the_domain_is_not_rated_and_its_reason_is_said():
    """Not analysed is what could not be looked at; not rated is what the networks do not know."""
    assert hand_sentence(refused_hand(refusal=OUTSIDE_AGES)) == (
        "Left hand not rated: Patient is 66; the model was trained on ages 8.5 to 19."
    )
    assert refused_hand(refusal=OUTSIDE_AGES).verdict is HandVerdict.NOT_RATED
    assert refused_hand().verdict is HandVerdict.NOT_ANALYSED


def test_what_must_be_known_first_is_said_first():
    told = replace(hand(), outside=(AGE_UNKNOWN,))
    assert hand_sentence(told).startswith("Age unknown; the model was trained on ages 8.5 to 19. Right")
    said = summary_sentence(report(image(told, replace(told, side=side(Side.LEFT)))))
    assert said.startswith("Age unknown; the model was trained on ages 8.5 to 19. RA suspected")


def test_a_refused_hand_is_said_with_its_reason_and_without_result():
    assert hand_sentence(refused_hand()) == ("Left hand not rated: The fingertips lie outside the image.")
    assert hand_sentence(refused_hand(None)).startswith("Hand (image right), side undetermined, not rated: ")


@given(probabilities, probabilities)
def test_the_percentages_never_contradict_the_result(probability, threshold):
    """50.0 % absent at an operating point of 50.0 % would be read as a mistake."""
    recognition = Recognition(probability, threshold)
    shown, point = (
        coded_percents(probability, threshold)[0],
        float(coded_percents(probability, threshold)[1]),
    )
    if abs(probability - threshold) > 1e-5:
        assert (shown >= point) == recognition.positive
    assert shown == pytest.approx(100 * probability, abs=1.001)
    assert point == pytest.approx(100 * threshold, abs=0.051)


def test_close_percentages_get_the_decimals_that_they_need():
    assert whole_percents(0.49996, 0.5) == ("49.996", "50.000")
    assert whole_percents(0.5, 0.5) == ("50", "50")


@pytest.mark.parametrize(
    ("share", "said", "coded"),
    [
        (0.0, "<1", 1),
        (0.004, "<1", 1),
        (0.0126, "1", 1),
        (0.87, "87", 87),
        (0.991, "99", 99),
        (0.9999, ">99", 99),
    ],
)
def test_no_figure_claims_what_some_hundred_hands_cannot_show(share, said, coded):
    """Whole percent, "< 1" and "> 99" in words, 1 and 99 as numbers."""
    assert whole_percents(share, 0.5)[0] == said
    assert coded_percents(share, 0.5)[0] == coded


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            (image(*both_hands()),),
            ("RA suspected in 1 of 2 hands rated: right hand (stage 3); not seen in left hand (stage 0)."),
        ),
        ((image(hand()),), "RA suspected in the one hand rated: right hand (stage 3)."),
        (
            (image(hand(0.1, 0), hand(0.2, 0, Side.LEFT)),),
            "RA not seen in either hand: right hand (stage 0), left hand (stage 0).",
        ),
        (
            (image(hand(), hand(1, 5, Side.LEFT)),),
            ("RA suspected in both hands: right hand (stage 3), left hand (stage 5)."),
        ),
        (
            (image(hand(), refused_hand()), image(refusal=NO_HAND, number=2)),
            (
                "RA suspected in the one hand rated: right hand (stage 3);"
                " 1 hand not rated; 1 image not rated."
            ),
        ),
        (
            (image(hand(0.62, 0)),),
            ("RA inconclusive in the one hand rated: right hand."),
        ),
        (
            (image(hand(0.62, 0), hand(0.1, 0, Side.LEFT)),),
            "RA inconclusive in right hand; not seen in left hand (stage 0).",
        ),
        (
            (image(hand(), refused_hand(refusal=OUTSIDE_AGES)),),
            "RA suspected in the one hand rated: right hand (stage 3); 1 hand not rated.",
        ),
        (
            (image(hand(conflict=True)),),
            (
                "RA suspected in the one hand rated: right hand (stage 3);"
                " laterality conflict for right hand (stage 3)."
            ),
        ),
        (
            (image(refusal=NO_HAND),),
            "No AI result: No hand was found in this image.",
        ),
    ],
)
def test_the_summary_counts_every_hand_and_image(images, sentence):
    assert summary_sentence(report(*images)) == sentence


def test_a_study_without_images_is_summed_up_by_its_refusal():
    nothing = report(refusal=Refusal(Reason.NOT_A_RADIOGRAPH, "The study holds no radiograph."))
    assert summary_sentence(nothing) == ("No AI result: The study holds no radiograph.")
