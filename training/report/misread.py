"""Pictures of the held-out hands that a run called wrongly, the farthest off first."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.classifier.labelled_dataset import ROWS, kept_rows
from training.classifier.run_folder import has_crops, kept_crops
from training.evaluation.evaluate import Hands
from training.experiments.run_summary import Shown

SIDE_PX = 224


@dataclass(frozen=True, slots=True)
class MisclassifiedHand:
    """One hand: its model input, its label and its predictions."""

    picture: str
    """A data: address of a PNG."""
    name: str
    """Of the hand in its dataset; "" for simulated ones."""
    truth: int
    called: int
    probability: float
    """Of disease."""
    confidence: float
    """In the stage that was called."""
    missed: bool
    """Whether recognition was wrong, too."""

    @property
    def text(self) -> str:
        """What stands below the picture."""
        sure, ill = (f"{100 * share:.0f}\N{NO-BREAK SPACE}%" for share in (self.confidence, self.probability))
        wrong = ", wrong" if self.missed else ""
        return f"label {self.truth}, called {self.called} ({sure}); RA {ill}{wrong}"


def misread(run: Path, shown: Shown, most: int) -> tuple[int, list[MisclassifiedHand]]:
    """How many held-out hands of a run were misread in stage or recognition, and the worst of them.

    Without pictures where the run does not keep its crops, as an ensemble may not.
    """
    hands = shown.held_out
    order = worst_first(hands)
    pictures, names = _pictures(run, shown)
    if len(pictures) != len(hands.stages):
        return len(order), []
    return len(order), [_one(hands, k, pictures[k], names[k]) for k in order[:most]]


def worst_first(hands: Hands) -> list[int]:
    """The misread hands: most stages off, then recognition wrong, then the most confident."""
    off = np.abs(hands.stages - hands.called)
    missed = hands.found != (hands.stages > 0)
    confidence = hands.staged.max(axis=1)
    wrong = np.flatnonzero((off > 0) | missed)
    return sorted(map(int, wrong), key=lambda k: (-off[k], not missed[k], -confidence[k], k))


def _one(hands: Hands, k: int, picture: NDArray[np.uint8], name: str) -> MisclassifiedHand:
    called = int(hands.called[k])
    return MisclassifiedHand(
        picture=_address(picture),
        name=name,
        truth=int(hands.stages[k]),
        called=called,
        probability=float(hands.diseased[k]),
        confidence=float(hands.staged[k, called]),
        missed=bool(hands.found[k] != (hands.stages[k] > 0)),
    )


def _pictures(run: Path, shown: Shown) -> tuple[Sequence[NDArray[np.uint8]], Sequence[str]]:
    """The crops of the held-out hands in their order, and their names."""
    if not has_crops(run):
        return (), ()
    crops = kept_crops(run)
    labelled = shown.result.data == "labelled"
    # After a cross-validation every hand was held out once, and the final networks were trained on all.
    split = "tune" if shown.result.folds else "held-out"
    chosen = (crops.splits == split) & (crops.origins == ("labelled" if labelled else "simulated"))
    if not (labelled and (run / ROWS).exists()):
        return crops.images[chosen], [""] * int(chosen.sum())
    rows = kept_rows(run)
    return crops.images[chosen], [Path(row.image).stem for row, own in zip(rows, chosen, strict=True) if own]


def _address(picture: NDArray[np.uint8]) -> str:
    side = min(SIDE_PX, *picture.shape)
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".png", small)
    return f"data:image/png;base64,{base64.b64encode(bytes(data)).decode()}"
