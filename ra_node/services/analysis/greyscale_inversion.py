"""Finds hands whichever way round the tones of a picture are, and says when they were the wrong way."""

from __future__ import annotations

from ra_node.domain.report import Reason
from ra_node.imaging.pixels import Radiograph
from ra_node.imaging.polarity import INVERTED, is_dark, turned_round
from ra_node.imaging.threshold_detector.detector import FoundHands
from ra_node.services.analysis.hand_detection import HandFinder, find

_SURE = 0.7
"""A hand that is only seen in the turned picture must be as plain as this."""


def find_in_tones(
    radiograph: Radiograph, finder: HandFinder | None
) -> tuple[Radiograph, FoundHands, tuple[str, ...]]:
    """Find the hands; give them with the picture in which bone is bright, and remarks.

    The picture is turned round where it shows no hand or dark ones and its negative shows plain, bright ones.
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
