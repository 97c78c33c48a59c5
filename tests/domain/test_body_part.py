"""Free texts name a hand or another part of the body in many languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.body_part import names_hand, other_part, words_of

HANDS = (
    "HAND PA", "Both hands", "Hände beidseits dp", "Haende bds.", "Handgelenk_links", "Mains bilatérales",
    "Poignet droit", "Mano derecha", "Ambas manos", "Mani e polsi", "Mãos PA", "Punho", "Handen beiderzijds",
    "双手正位", "手部 DR", "両手 正面", "кисть правая", "양손", "RX MUÑECA", "WRIST/2 views", "hænder",
)  # fmt: skip
OTHERS = {
    "Foot AP": "foot", "Füße beidseits": "foot", "Pied gauche face": "foot", "Vorfuß re": "foot",
    "Rodilla": "knee", "Knie beidseits stehend": "knee", "Torace PA": "chest", "胸部正位": "chest",
    "Hüfte rechts": "hip or pelvis", "Épaule": "shoulder", "Ellenbogen": "elbow", "足 正面": "foot",
    "Becken a.p.": "hip or pelvis", "Wirbelsäule": "spine",
}  # fmt: skip


@pytest.mark.parametrize("text", HANDS)
def test_a_hand_is_read_in_many_languages(text):
    assert names_hand(text)
    assert other_part(text) == ""


@pytest.mark.parametrize(("text", "part"), OTHERS.items())
def test_another_part_is_named_in_english(text, part):
    assert other_part(text) == part


@pytest.mark.parametrize(
    "text", ["", "PA", "DX standard", "Rheuma", "Handy", "Scheibe", "Study 7", "Hände und Füße"]
)
def test_what_names_no_other_part_speaks_against_nothing(text):
    """Neither unknown words nor parts of words count, and a text that names a hand too is for the hand."""
    assert other_part(text) == ""


@given(st.text())
def test_no_text_is_both(text):
    """Nothing that a console may hold breaks the reading, and no text is for and against a hand."""
    words_of(text)
    assert not (names_hand(text) and other_part(text))
