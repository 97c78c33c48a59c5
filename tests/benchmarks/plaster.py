"""How often plaster over a hand is told, and how well the number of joints that it hides is estimated.

    python -m tests.benchmarks.plaster FOLDER [--count 100] [--seed 1] [--bundle DIR]

FOLDER holds joints.csv, rsna/ and adults/ with truth.csv. No real cast is among them: plaster and splints are
drawn over held-out hands of children and of adults, from the forearm to the palm or beyond the knuckles. Each
hand is also looked at without plaster.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding
from ra_node.domain.study import NO_HEADER
from ra_node.imaging.hand_detection import HandFinder
from ra_node.imaging.hand_extraction import extract_hands
from ra_node.imaging.pixels import Radiograph, read_png
from tests.benchmarks.bundle_rules import single_threaded_rules
from tests.benchmarks.hands_score import share
from training.data.adult_hands import read_adults
from training.data.dataset import read_source
from training.data.hand_ids import part_of
from training.hand_detector.overlays import plaster

HIDING = 0.25
"""Opacity from which plaster hides a joint."""


@dataclass(frozen=True, slots=True)
class Covered:
    """One hand with and without plaster over it."""

    adult: bool
    hidden: int
    """Joints under plaster, by the drawing."""
    found: bool
    told: bool
    rated: bool
    estimated: int | None
    told_without: bool
    """Plaster or metal told where there is none."""


def main() -> None:
    chosen = _arguments()
    rules = single_threaded_rules(chosen.bundle)
    hands = list(_covered(chosen.folder, chosen.count, chosen.seed, rules.finder))
    for who, adult in (("children", False), ("adults", True)):
        for what, found in table([one for one in hands if one.adult == adult]):
            print(f"{who}: {what:<58} {found}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100, help="hands of children at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bundle", type=Path, default=None, help="another bundle than the one that ships")
    return parser.parse_args()


def table(hands: Sequence[Covered]) -> list[tuple[str, str]]:
    """The rows of the table: what, and found."""
    seen = [one for one in hands if one.found]
    known = [(one.hidden, one.estimated) for one in seen if one.estimated is not None]
    apart = [float(abs(true - guess)) for true, guess in known] or [np.nan]
    return [
        ("plaster over a hand: rated", str(share(one.rated for one in hands))),
        ("  of those found: told as plaster, a splint or metal", str(share(one.told for one in seen))),
        (
            "  hidden joints within 2 of the truth",
            str(share(abs(true - guess) <= 2 for true, guess in known)),
        ),
        ("  mean error of the hidden joints", f"{np.mean(apart):.1f} of {len(JOINTS)} (n = {len(known)})"),
        ("no plaster: told all the same", str(share(one.told_without for one in hands))),
    ]


def _covered(folder: Path, count: int, seed: int, finder: HandFinder) -> Iterator[Covered]:
    children = [one.path for one in read_source(folder) if part_of(one.patient) == "held-out"][:count]
    adults = [
        folder / "adults" / one.file
        for one in read_adults(folder / "adults")
        if one.kind == "PA" and one.part == "held-out"
    ]
    for number, path in enumerate([*children, *adults]):
        rng = np.random.default_rng((seed, number))
        values = read_png(path).values
        plain = _only(values, finder)
        if plain is None or len(plain.region.joints) < len(JOINTS):
            continue
        places = {joint.name: (joint.at.x, joint.at.y) for joint in plain.region.joints}
        joints = np.array([places[name] for name in JOINTS])
        drawn, alpha = _drawn(values, joints, rng)
        columns, rows = np.clip(joints.T.astype(int), 0, [[values.shape[1] - 1], [values.shape[0] - 1]])
        hand = _only(drawn, finder)
        text = _cast(hand) if hand else None
        guess = re.search(r"over (\d+) of", text or "")
        yield Covered(
            number >= len(children),
            int((alpha[rows, columns] >= HIDING).sum()),
            hand is not None,
            text is not None,
            hand is not None and hand.refusal is None and not hand.outside,
            int(guess[1]) if guess else None,
            _cast(plain) is not None,
        )


def _drawn(
    values: NDArray[np.float32], joints: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The image with plaster over it, and its opacity; both (rows, columns)."""
    stamp, matrix, level = plaster(joints, rng)
    rows, columns = values.shape
    warped = cv2.warpAffine(stamp, np.asarray(matrix, np.float64), (columns, rows))
    alpha = np.asarray(warped, np.float32) / np.float32(255)
    low, high = float(values.min()), float(values.max())
    white = low + level / 255 * (high - low)
    return np.asarray(values + alpha * (white - values), np.float32), alpha


def _only(values: NDArray[np.float32], finder: HandFinder) -> HandFinding | None:
    """The only hand of an image that is not refused for another reason."""
    shown = Radiograph(values, np.zeros(values.shape, np.uint8))
    hands = extract_hands(shown, NO_HEADER, finder).hands
    return hands[0] if len(hands) == 1 else None


def _cast(hand: HandFinding) -> str | None:
    """The text about plaster or metal, None where nothing of it is told."""
    told = [hand.refusal, *hand.outside]
    return next((one.text for one in told if one and one.reason is Reason.METAL_OR_CAST), None)


if __name__ == "__main__":
    main()
