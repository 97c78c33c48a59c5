"""The detector decides what is a hand; how many there may be, and in which order, is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import SideFinding
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding, HandRegion, ImageFinding, Joint
from ra_node.imaging.hand_detection import find
from ra_node.ledger.report_json import finding_from_json, finding_to_json

EMPTY = np.zeros((300, 300), np.float32)


@dataclass(frozen=True)
class Seen:
    """A finder that sees the same in every image."""

    regions: tuple[HandRegion, ...]

    def find(self, values: NDArray[np.float32]) -> Sequence[HandRegion]:
        return self.regions


def hand_at(x: int) -> HandRegion:
    box = Box(x, 10, x + 50, 110)
    return HandRegion(box, box.corners(), 0, 0.97, (Joint("mcp_2", Point(x + 20.5, 60.25), 0.91),))


def test_hands_come_from_left_to_right_with_their_joints() -> None:
    """Whatever the order in which the networks saw them."""
    found = find(EMPTY, Seen((hand_at(200), hand_at(20))))
    assert [hand.box.x0 for hand in found.hands] == [20, 200]
    assert found.hands[0].joints == (Joint("mcp_2", Point(40.5, 60.25), 0.91),)
    assert found.refusal is None


@pytest.mark.parametrize(("count", "reason"), [(0, Reason.NO_HAND), (3, Reason.TOO_MANY_HANDS)])
def test_none_and_more_than_two_are_refused(count: int, reason: Reason) -> None:
    """With the number that was found."""
    found = find(EMPTY, Seen(tuple(hand_at(70 * at) for at in range(count))))
    assert found.hands == ()
    assert found.refusal is not None
    assert found.refusal.reason is reason
    assert str(count or "none") in found.refusal.text


def test_joints_survive_the_record() -> None:
    """What the examination stores is what the report reads."""
    hand = HandFinding(hand_at(20), SideFinding(None, "no evidence", conflict=False), "")
    finding = ImageFinding("1.2", "1.3", "1.4", 300, 300, hands=(hand,))
    assert finding_from_json(finding_to_json(finding)) == finding


def test_a_record_from_before_joints_is_read() -> None:
    """Findings that an older node stored stay readable."""
    hand = HandFinding(hand_at(20), SideFinding(None, "no evidence", conflict=False), "")
    text = finding_to_json(ImageFinding("1.2", "1.3", "1.4", 300, 300, hands=(hand,)))
    start, end = text.index('"joints"'), text.index("]", text.index('"joints"')) + 1
    older = (text[:start].rstrip(",") + text[end:]).replace(",}", "}")
    assert finding_from_json(older).hands[0].region.joints == ()
