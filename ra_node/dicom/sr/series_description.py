"""Series Description of the report: the answer in 64 characters (VR LO), what differs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding, HandVerdict, StudyReport
from ra_node.domain.texts.report_trust import rated_hands
from ra_node.domain.texts.translations import english

MOST_CHARACTERS = 64
_BEGIN = "RA AI unverified: "
_SIDES = {Side.RIGHT: "R", Side.LEFT: "L", None: "hand"}


def series_description(report: StudyReport) -> str:
    """The verdict of each hand, or why there is none: "RA AI unverified: R suspected st 3, L not seen"."""
    if report.refusal is not None and report.refusal.reason is Reason.WITHDRAWN:
        return "RA AI: result withdrawn"
    if not rated_hands(report):
        reason = "" if report.refusal is None else english().say(f"reason.{report.refusal.reason}")
        return f"RA AI: no result{f', {reason}' if reason else ''}"[:MOST_CHARACTERS]
    parts = list(dict.fromkeys(_parts(report.hands)))
    for count in range(len(parts), 0, -1):
        more = f", +{len(parts) - count}" if count < len(parts) else ""
        text = _BEGIN + ", ".join(parts[:count]) + more
        if len(text) <= MOST_CHARACTERS:
            return text
    return (_BEGIN + parts[0])[:MOST_CHARACTERS]


def _parts(hands: Sequence[HandFinding]) -> Iterator[str]:
    """Hands with a result first, suspected ones before the others."""
    order = {HandVerdict.PRESENT: 0, HandVerdict.INCONCLUSIVE: 1, HandVerdict.ABSENT: 2}
    for hand in sorted(hands, key=lambda hand: order.get(hand.verdict, 3)):
        side = _SIDES[hand.side.side]
        if hand.verdict is HandVerdict.PRESENT:
            stage = f" st {hand.staging.stage}" if hand.staging is not None else ""
            yield f"{side} suspected{stage}"
        elif hand.verdict is HandVerdict.ABSENT:
            yield f"{side} not seen"
        elif hand.verdict is HandVerdict.INCONCLUSIVE:
            yield f"{side} inconclusive"
        else:
            yield f"{side} not rated"
