# ruff: noqa: RUF001 - Chinese sentences end in Chinese punctuation
"""What every sentence is made with: its full stop, its spaces, its percents, its translation."""

from __future__ import annotations

from collections.abc import Iterable

from ra_node.domain.report import Recognition
from ra_node.domain.texts.percents import whole_percents
from ra_node.domain.texts.translations import Language, english


def percent_words(recognition: Recognition, language: Language) -> tuple[str, str]:
    """Probability and operating point as "87 %", "< 1 %" or "> 99 %": no measurement supports more digits.

    Further digits are given where rounding would reverse the comparison.
    """
    return share_words(recognition.probability, recognition.threshold, language)


def share_words(share: float, operating_point: float, language: Language) -> tuple[str, str]:
    """As `percent_words`, of any probability and its operating point."""
    probability, threshold = whole_percents(share, operating_point)
    return _percent_text(probability, language), _percent_text(threshold, language)


def stage_share_words(share: float, language: Language) -> str:
    """The probability of one stage in whole percent."""
    return share_words(share, -1.0, language)[0]


def _percent_text(value: str, language: Language) -> str:
    if value in ("<1", ">99"):
        return language.say("sign.below_one" if value == "<1" else "sign.above_99")
    return language.say("sign.percent", value=value)


def told(text: str, language: Language | None = None) -> str:
    """An English sentence of a report in another language where it has a pattern for it, else unchanged."""
    return (language or english()).told(text) or text


def full_sentence(text: str, words: Language) -> str:
    """The text with a full stop of its language, where it has no end of its own."""
    stripped = text.strip()
    return (
        stripped
        if stripped.endswith((".", "!", "?", "。", "！", "？"))
        else stripped + words.say("sign.stop")
    )


def spaced(sentences: Iterable[str], words: Language) -> str:
    """Sentences one after another; empty ones are left out."""
    return words.say("sign.space").join(sentence for sentence in sentences if sentence)
