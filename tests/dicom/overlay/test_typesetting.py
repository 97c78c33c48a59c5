"""Lines of a paragraph: no word alone on the last line, and never more lines or wider ones than allowed."""

from __future__ import annotations

import pytest

from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.domain.texts.translations import load_language

# ruff: noqa: RUF001 - Chinese punctuation
TEXTS = {
    "en": "RESEARCH USE ONLY. Trained on simulated lesions, side undetermined in the left hand, check it",
    "zh": "仅供研究. 使用模拟病变训练，左手侧别未定，请在使用前核对图像",
}


def rows(text: str, language: str, width_px: int, size_px: int = 36) -> list[str]:
    pen = pen_of(load_language(language))
    words = pen.paragraph(text, size_px, width_px, lines=9, bold=True).words
    assert all(word.box.width_px <= width_px for word in words)
    return [word.text for word in words]


@pytest.mark.parametrize("language", TEXTS)
def test_the_last_line_is_at_least_a_third_of_the_widest(language):
    """An amber band ended in the word "hand" alone on its second line."""
    pen = pen_of(load_language(language))
    for width_px in range(500, 2000, 37):
        made = pen.paragraph(TEXTS[language], 36, width_px, lines=9, bold=True).words
        assert made[-1].box.width_px > max(word.box.width_px for word in made) / 3, made


@pytest.mark.parametrize("language", TEXTS)
def test_nothing_is_lost_and_no_line_added(language):
    text = TEXTS[language]
    for width_px in range(500, 2000, 111):
        made = rows(text, language, width_px)
        assert "".join("".join(made).split()) == "".join(text.split())
        assert len(made) <= 9


def test_a_word_wider_than_the_mean_line_is_not_broken():
    """The last line of a UID keeps its place."""
    uid = "2.25." + "7" * 39
    assert any(uid in row for row in rows(f"replaces the report {uid} of today", "en", 1000))
