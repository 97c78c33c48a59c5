"""Draws a detection result: outlines, boxes, finger direction, joints, sides, refusals.

For checks of the hand detector (`ra-node hands --picture`); the overlay for the PACS is in `dicom.overlay`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import HandFinding, ImageFinding
from ra_node.domain.texts.report_sentences import hand_name
from ra_node.errors import Refused

_FOUND, _REFUSED, _JOINT, _TEXT = (90, 220, 90), (60, 120, 255), (255, 200, 60), (255, 255, 255)
"""Blue, green, red."""
_LONG_SIDE_PX = 1200
_LINE_PX = 22

Picture = NDArray[np.uint8]


def draw_finding(display: NDArray[np.uint8], finding: ImageFinding) -> Picture:
    """Draw a finding over its display image (rows, columns), of any scale: (rows, columns, 3), BGR.

    Text is below the image, so that it hides nothing.
    """
    scale = _LONG_SIDE_PX / max(display.shape)
    size = (round(display.shape[1] * scale), round(display.shape[0] * scale))
    grey = cv2.resize(display, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    picture = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    per_pixel = size[0] / max(finding.columns, 1)
    for number, hand in enumerate(finding.hands, start=1):
        _draw_hand(picture, hand, number, per_pixel)
    return np.vstack([picture, _written(list(_lines(finding)), size[0])])


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture as PNG; raises Refused where that fails."""
    if not cv2.imwrite(str(path), picture):
        raise Refused(f"expected a place for the image, could not write {path.name}")


def _draw_hand(picture: Picture, hand: HandFinding, number: int, scale: float) -> None:
    colour = _REFUSED if hand.refusal else _FOUND
    region = hand.region
    outline = np.array([[point.x * scale, point.y * scale] for point in region.outline])
    cv2.polylines(picture, [np.rint(outline).astype(np.int32)], isClosed=True, color=colour, thickness=2)
    corners = [(round(p.x * scale), round(p.y * scale)) for p in region.box.corners()]
    cv2.rectangle(picture, corners[0], corners[2], colour, 1)
    _draw_arrow(picture, hand, scale)
    for joint in region.joints:
        cv2.circle(picture, (round(joint.at.x * scale), round(joint.at.y * scale)), 5, _JOINT, 2)
    cv2.putText(
        picture,
        str(number),
        (corners[0][0] + 6, corners[0][1] + 28),
        cv2.FONT_HERSHEY_SIMPLEX,
        1.0,
        colour,
        2,
    )


def _draw_arrow(picture: Picture, hand: HandFinding, scale: float) -> None:
    """Draw an arrow from the middle of the box towards the fingers."""
    centre, angle = hand.region.box.centre, math.radians(hand.region.rotation)
    length = 0.25 * min(hand.region.box.width_px, hand.region.box.height_px)
    end = (centre.x + length * math.sin(angle), centre.y - length * math.cos(angle))
    places = [(round(x * scale), round(y * scale)) for x, y in ((centre.x, centre.y), end)]
    cv2.arrowedLine(picture, places[0], places[1], _TEXT, 2, tipLength=0.25)


def _lines(finding: ImageFinding) -> Iterator[str]:
    for number, hand in enumerate(finding.hands, start=1):
        yield f"{number}: {hand_name(hand)} ({hand.side.evidence})"
        yield f"   fingers at {hand.region.rotation} degrees, score {hand.region.score:.2f}"
        if hand.refusal:
            yield f"   refused: {hand.refusal.text}"
    if finding.refusal:
        yield f"refused: {finding.refusal.text}"
    yield from finding.remarks


def _written(lines: list[str], width_px: int) -> Picture:
    """Render lines of text on black, wrapped to the width."""
    most = max(20, width_px // 10)
    pieces = [line[at : at + most] for line in lines for at in range(0, max(len(line), 1), most)]
    panel = np.zeros((_LINE_PX * (len(pieces) + 1), width_px, 3), np.uint8)
    for row, piece in enumerate(pieces, start=1):
        text = piece.encode("ascii", "replace").decode()
        cv2.putText(panel, text, (8, _LINE_PX * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _TEXT, 1, cv2.LINE_AA)
    return panel
