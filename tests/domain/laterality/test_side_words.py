"""Texts name one side of a hand, or none: whole words, near a hand, in the languages of the sites."""

import pytest

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.laterality.side_words import side_in_text


@pytest.mark.parametrize(
    "text",
    [
        "HAND RT PA", "XR HAND RIGHT", "Hand re.", "Hand rechts dp", "rechte Hand", "RHAND", "HANDRT",
        "HAND_R",
        "HAND R", "Hand PA R", "hand (R)", "MAIN D", "Main droite face", "MANO D", "MANO DCHA", "mano dx",
        "Mano Destra", "Mão direita", "右手正位", "手 右", "오른손", "Правая кисть", "prawa ręka",
        "Höger hand",
        "Højre hånd", "RIGHT", "Right PA", "XR HAND MINIMUM 3 VIEWS RIGHT", "Right hand and left knee",
    ],
)  # fmt: skip
def test_a_text_that_names_the_right_hand_is_understood(text):
    """In every language whose words for the hand the node knows."""
    assert side_in_text(text) is Side.RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "HAND LT PA", "Hand li", "Hand links", "LHAND", "HAND L", "MAIN G", "MANO I", "MANO IZQ", "mano sx",
        "左手", "Mano sinistra", "LEFT", "XR FINGER LT", "Lewa ręka", "Mão esquerda", "Hand L PA",
    ],
)  # fmt: skip
def test_a_text_that_names_the_left_hand_is_understood(text):
    assert side_in_text(text) is Side.LEFT


@pytest.mark.parametrize(
    "text",
    [
        "", "HANDS", "Both hands", "Hände bds.", "HAND R/L", "Hands R+L", "XR HANDS RIGHT AND LEFT",
        "bilateral hands",
        "双手正位", "左右手", "両手", "Hands right > left",
    ],
)  # fmt: skip
def test_a_text_about_both_hands_is_evidence_for_neither(text):
    assert side_in_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "RT planning hand", "radiotherapy RT", "left click", "copyright hand", "L", "RT", "LT", "HAND AP/L",
        "Hand LAT", "Right knee", "left knee, hand", "hand trauma, right knee pain", "左胸", "Hand re-check",
        "Mano e polso", "Aufnahme der Hand", "MANO AP", "ALT HAND", "main et poignet",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_side_is_none(text):
    """Radiotherapy, lateral views, other parts of the body, articles of another language."""
    assert side_in_text(text) is None
