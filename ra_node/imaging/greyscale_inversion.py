"""Detects hands in normal or inverted greyscale, with a remark where it was inverted."""

from __future__ import annotations

from ra_node.domain.refusal import Reason
from ra_node.imaging.hand_detection import FoundHands, HandFinder, find
from ra_node.imaging.pixels import Radiograph
from ra_node.imaging.polarity import INVERTED, is_dark, turned_round

_SURE = 0.7
"""Minimum score of a hand that is detected only in the inverted image."""


def find_in_tones(
    radiograph: Radiograph, finder: HandFinder
) -> tuple[Radiograph, FoundHands, tuple[str, ...]]:
    """Detect the hands; return them with the image with bright bone, and remarks.

    The image is inverted where it shows no hand or dark ones and its negative shows bright ones with a high
    score.
    """
    found = find(radiograph.values, finder)
    dark = any(is_dark(radiograph.values, hand) for hand in found.hands)
    none = found.refusal is not None and found.refusal.reason is Reason.NO_HAND
    if not dark and not none:
        return radiograph, found, ()
    negative = turned_round(radiograph)
    again = find(negative.values, finder)
    plain = all(hand.score >= _SURE and not is_dark(negative.values, hand) for hand in again.hands)
    if again.hands and plain:
        return negative, again, (INVERTED,)
    return radiograph, found, ()
