"""Draws the pictures of the guide page "How to read it" from phantoms: `python -m tests.guide_pictures`.

Phantoms are drawn by the project itself, so no radiograph of a person is in the guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.paint import render_overlay
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.geometry import Point
from ra_node.domain.laterality.evidence import Side, SideFinding
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import (
    HandFinding,
    HandRegion,
    ImageFinding,
    Joint,
    JointStaging,
    Recognition,
    Staging,
    StudyReport,
)
from ra_node.domain.texts.translations import load_language
from training.phantom.draw import Phantom, draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

FOLDER = Path(__file__).parents[1] / "ra_node" / "web" / "static" / "guide"
LONGEST_PX = 900
BUNDLE = BundleIdentity(
    "demo",
    "0.3",
    "5c15e17c" * 8,
    (),
    "Trained on simulated lesions. Research use only, not a medical device.",
)
AGE = "Age 66 is outside the model's domain: the networks were trained on ages 8.5 to 19."
RECIPE = PhantomRecipe(hands=(HandRecipe(Side.RIGHT, 3), HandRecipe(Side.LEFT, 0)), rows=1000, columns=1250)


def reports(drawn: Phantom) -> Iterator[tuple[str, StudyReport]]:
    """A report of each kind, by the name of its picture."""
    right, left = (phantom_hand(drawn, n) for n in range(2))
    graded = replace(right, joint_stages=_joints(right))
    yield "rated", phantom_report(drawn, graded, left)
    unsure = replace(left, recognition=Recognition(0.69, 0.51))
    yield "check", phantom_report(drawn, graded, unsure)
    outside = Refusal(Reason.OUTSIDE_AGES, AGE)
    gone = (replace(hand, recognition=None, staging=None, refusal=outside) for hand in (right, left))
    yield "no-result", replace(phantom_report(drawn, *gone), refusal=outside)


def phantom_report(drawn: Phantom, *hands: HandFinding) -> StudyReport:
    rows, columns = drawn.pixels.shape
    image = ImageFinding("2.25.1", "1.2.840.10008.5.1.4.1.1.1.1", "2.25.2", rows, columns, hands)
    return StudyReport("2.25.3", 1, datetime(2026, 1, 1, 12, 0, tzinfo=UTC), (image,), BUNDLE)


def phantom_hand(drawn: Phantom, number: int) -> HandFinding:
    hand = drawn.hands[number]
    joints = tuple(Joint(name, at, 0.99) for name, at in hand.joints.items())
    region = HandRegion(hand.box, tuple(hand.outline[:: max(len(hand.outline) // 150, 1)]), 0, 0.97, joints)
    side = SideFinding(hand.side, "PatientOrientation is L\\F")
    ill = number == 0
    shares = (0.02, 0.05, 0.12, 0.71, 0.08, 0.02) if ill else (0.86, 0.1, 0.02, 0.01, 0.005, 0.005)
    return HandFinding(region, side, "", Recognition(0.97 if ill else 0.06, 0.51), Staging(shares))


def _joints(hand: HandFinding) -> tuple[JointStaging, ...]:
    stages = {"mcp_2": 3, "pip_3": 2, "pip_5": 3}
    made = []
    for joint in hand.region.joints:
        shares = [0.02] * 6
        shares[stages.get(joint.name, 0)] = 0.9
        x, y = joint.at.x, joint.at.y
        square = (Point(x - 9, y - 9), Point(x + 9, y - 9), Point(x + 9, y + 9), Point(x - 9, y + 9))
        a, b, c, d, e, f = shares
        made.append(JointStaging(joint.name, joint.at, square, (a, b, c, d, e, f), 0.5))
    return tuple(made)


def pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every picture in both languages, at most `LONGEST_PX` a side."""
    drawn = draw_hands(RECIPE)
    display = np.asarray(cv2.normalize(drawn.pixels, np.empty(0), 0, 255, cv2.NORM_MINMAX), np.uint8)
    for name, report in reports(drawn):
        for language in ("en", "zh"):
            whole = render_overlay(report, {"2.25.1": display}, load_language(language))
            scale = LONGEST_PX / max(whole.shape[:2])
            size = round(whole.shape[1] * scale), round(whole.shape[0] * scale)
            yield (
                f"{name}-{language}",
                np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8),
            )


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures():
        path = FOLDER / f"{name}.jpg"
        cv2.imwrite(str(path), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
        print(path.name, picture.shape, path.stat().st_size)
