"""One report for each way in which the overlay is laid out."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.prior_comparison import comparable_hands
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import (
    Contour,
    Explanation,
    HandFinding,
    HandRegion,
    Joint,
    JointShare,
    Prior,
    StudyReport,
)
from ra_node.domain.texts.translations import english
from tests.dicom.builders import (
    AGE_UNKNOWN,
    BUNDLE,
    LEFT_REGION,
    NO_HAND,
    NO_PICTURE,
    OUTSIDE_AGES,
    RIGHT_REGION,
    both_hands,
    hand,
    image,
    refused_hand,
    report,
)

ENGLISH = pen_of(english())


def square(x0: int, y0: int, side: int) -> HandRegion:
    box = Box(x0, y0, x0 + side, y0 + side)
    return HandRegion(box, box.corners(), 0, 0.9)


def around(x: float, y: float, radius: float) -> tuple[Point, ...]:
    turns = [2 * math.pi * n / 12 for n in range(12)]
    return tuple(Point(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turns)


def explained(where: HandRegion, which: Side = Side.RIGHT) -> HandFinding:
    """A judged hand whose networks looked at three joints, at two of them most."""
    x, y = where.box.x0, where.box.y0
    places = {
        "mcp_2": Point(x + 60, y + 120),
        "pip_3": Point(x + 90, y + 60),
        "wrist_2": Point(x + 80, y + 210),
    }
    joints = tuple(Joint(name, at, 0.9) for name, at in places.items())
    shares = tuple(JointShare(name, share) for name, share in zip(places, (0.41, 0.22, 0.17), strict=True))
    low = tuple(Contour(0.5, around(at.x, at.y, 18)) for at in places.values())
    high = tuple(Contour(0.8, around(at.x, at.y, 9)) for at in list(places.values())[:2])
    judged = hand(which=which, where=replace(where, joints=joints))
    return replace(judged, explanation=Explanation(shares, (*high, *low)))


UNKNOWN = (
    hand(0.4996, 0, None, place="image left"),
    hand(0.51, 1, None, place="image right", where=LEFT_REGION),
)
STACKED = (
    hand(0.9, 4, Side.RIGHT, where=square(120, 5, 140)),
    hand(0.1, 0, Side.LEFT, where=square(120, 155, 140)),
)
FOUR = tuple(
    hand(0.3, 0, None, place=f"number {n}", where=square(5 + 98 * (n - 1), 60, 90)) for n in range(1, 5)
)
LONG = Refusal(Reason.POOR_EXPOSURE, "Expected a hand with contrast between bone and soft part. " * 8)
WIDE_NOTICE = replace(BUNDLE, notice="Trained on simulated lesions. Research use only. " * 5, name="b" * 64)

EARLIER = Prior(
    "2.25.3001", "2.25.3002", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3003", date(2026, 1, 5),
    "demo 0.9", "ef" * 32,
    comparable_hands((hand(0.61, 2), hand(0.08, 0, Side.LEFT, where=LEFT_REGION))),
)  # fmt: skip

REPORTS: dict[str, StudyReport] = {
    "one hand": report(image(hand(), rows=400, columns=300)),
    "one hand, landscape": report(image(hand())),
    "two hands": report(image(*both_hands())),
    "two hands, one above the other": report(image(*STACKED)),
    "sides undetermined": report(image(*UNKNOWN)),
    "four hands": report(image(*FOUR)),
    "one of two refused": report(image(hand(), refused_hand())),
    "both refused": report(image(refused_hand(Side.RIGHT, RIGHT_REGION), refused_hand())),
    "two refused at one place": report(image(refused_hand(), refused_hand(), rows=400)),
    "refused at length": report(image(replace(refused_hand(), refusal=LONG))),
    "unsure outline": report(image(replace(hand(), region=replace(RIGHT_REGION, score=0.2)))),
    "findings disagree": report(image(hand(0.2, 4))),
    "conflicting sides": report(image(hand(conflict=True))),
    "only recognition": report(image(replace(hand(), staging=None))),
    "neither judged nor refused": report(image(replace(hand(), recognition=None, staging=None))),
    "two images": report(image(hand()), image(hand(0.1, 0, Side.LEFT), number=2)),
    "two images of two hands": report(image(*both_hands()), image(*both_hands(), number=2)),
    "three images": report(*(image(*both_hands(), number=n) for n in (1, 2, 3))),
    "six images": report(
        *(image(hand(n / 10, 3 if n >= 5 else 0), number=n, rows=400, columns=300) for n in range(1, 7))
    ),
    "images of unlike size": report(
        image(hand()), image(hand(where=square(1, 1, 8)), number=2, rows=10, columns=4000)
    ),
    "with remarks": report(image(hand(), remarks=("The image is marked as lossy compressed.",) * 2)),
    "explained": report(image(explained(RIGHT_REGION), rows=400, columns=300)),
    "explained, two images": report(
        image(explained(RIGHT_REGION)), image(explained(LEFT_REGION, Side.LEFT), number=2)
    ),
    "near the operating point": report(image(hand(0.52, 1))),
    "age not known": report(image(replace(hand(), outside=(AGE_UNKNOWN,)))),
    "not rated": report(image(refused_hand(where=RIGHT_REGION, refusal=OUTSIDE_AGES))),
    "no hand": report(image(refusal=NO_HAND)),
    "no picture": report(image(refusal=NO_PICTURE)),
    "no picture of one": report(image(hand()), image(refusal=NO_PICTURE, number=2)),
    "no image": report(),
    "revision": report(image(*both_hands()), version=3, predecessor_sr_uid="2.25." + "7" * 39),
    "followed up": report(image(*both_hands()), study_date=date(2026, 11, 23), prior=EARLIER),
    "much to say": report(image(*both_hands()), bundle=WIDE_NOTICE, research_label="Study 17 " * 12),
}


def displays(shown: StudyReport) -> dict[str, NDArray[np.uint8]]:
    """A grey wedge for each image, dark on the left."""
    return {
        each.sop_instance_uid: np.tile(np.linspace(0, 255, each.columns).astype(np.uint8), (each.rows, 1))
        for each in shown.images
    }
