"""How adults, other views and other parts of the body fare: the held-out part of the folder `adults`.

    python -m tests.benchmarks.adult_hands FOLDER [--part held-out] [--bundle DIR] [--pictures DIR]

FOLDER holds `truth.csv`. A hand is accepted where nothing but an age could keep it from being rated. Each
figure has its number of pictures and its exact 95 % interval; pictures that are not right are named.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.report import ImageFinding
from ra_node.domain.view.pixel_view import PixelView
from ra_node.services.analysis.study_analysis import Rules
from ra_node.services.offline_analysis import draw_file, find_in_file
from tests.benchmarks.bundle_rules import single_threaded_rules
from tests.benchmarks.hands_score import share
from training.data.adult_hands import AdultPicture, read_adults


@dataclass(frozen=True, slots=True)
class Answered:
    """A picture with what the node found in it."""

    truth: AdultPicture
    finding: ImageFinding

    @property
    def found(self) -> int:
        return len(self.finding.hands)

    @property
    def accepted(self) -> int:
        return sum(hand.refusal is None and not hand.outside for hand in self.finding.hands)

    @property
    def why(self) -> str:
        """What is said of it, in one line."""
        hands = (one.text for hand in self.finding.hands for one in (hand.refusal, *hand.outside) if one)
        said = [self.finding.refusal.text] if self.finding.refusal else []
        return " | ".join([*said, *hands]) or "accepted"


def main() -> None:
    chosen = _arguments()
    rules = single_threaded_rules(chosen.bundle)
    begun = time.process_time()
    answers = [
        _answered(chosen.folder, one, rules) for one in read_adults(chosen.folder) if one.part == chosen.part
    ]
    taken = time.process_time() - begun
    for what, found, wanted in table(answers):
        print(f"{what:<58} {found:<44} {wanted}")
    print(f"processor time a picture: {1000 * taken / max(len(answers), 1):.0f} ms")
    for one in answers:
        if not right(one):
            print(f"{one.truth.file} ({one.truth.kind[:28]}): {one.why}")
            if chosen.pictures is not None:
                draw_file(chosen.folder / one.truth.file, rules, chosen.pictures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("held-out", "tuning"), default="held-out")
    parser.add_argument("--bundle", type=Path, default=None, help="another bundle than the one that ships")
    parser.add_argument("--pictures", type=Path, default=None, help="draw what is not right into this folder")
    return parser.parse_args()


def _answered(folder: Path, truth: AdultPicture, rules: Rules) -> Answered:
    sys.stderr.write(".")
    return Answered(truth, find_in_file(folder / truth.file, rules))


def right(one: Answered) -> bool:
    """PA hands are accepted, each once; nothing else is."""
    plain = one.truth.kind == "PA"
    return one.accepted == 1 if plain else one.accepted == 0 or one.truth.kind.startswith("PA")


def _seen(one: Answered) -> PixelView | None:
    """The view of the first hand, None where the bundle tells none."""
    view = one.finding.hands[0].region.view
    return view.view if view else None


def table(answers: Sequence[Answered]) -> list[tuple[str, str, str]]:
    """The rows of the table: what, found, wanted."""
    plain = [one for one in answers if one.truth.kind == "PA"]
    deformed = [one for one in answers if one.truth.kind.startswith("PA deformed")]
    oblique = [one for one in answers if one.truth.kind.startswith("oblique")]
    crops = [one for one in answers if one.truth.kind.startswith("crop")]
    limbs = [one for one in answers if one.truth.kind.startswith("limb")]
    named = [one for one in oblique if one.found]
    views = (PixelView.OBLIQUE, PixelView.LATERAL)
    return [
        ("PA hands found", str(share(one.found == 1 for one in plain)), ""),
        ("PA hands accepted", str(share(one.accepted == 1 for one in plain)), "97 %"),
        ("deformed or injured PA hands found", str(share(one.found >= 1 for one in deformed)), ""),
        ("  accepted", str(share(one.accepted == 1 for one in deformed)), ""),
        ("oblique and lateral views not rated", str(share(one.accepted == 0 for one in oblique)), "90 %"),
        (
            "  found, and named oblique or lateral",
            str(share(_seen(one) in views for one in named)),
            "",
        ),
        ("crops accepted", str(share(one.accepted > 0 for one in crops)), "0.5 %"),
        ("limbs accepted", str(share(one.accepted > 0 for one in limbs)), "0.5 %"),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
