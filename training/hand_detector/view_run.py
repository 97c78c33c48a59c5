"""Training run of the view head: pictures, threshold by cross-validation, output files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save

from ra_node.domain.view.pixel_view import PixelView
from ra_node.imaging.pixels import read_png
from ra_node.inference.bundles.manifest import Interval
from ra_node.inference.hand_detector.detector import LEAST_SCORE, Finder
from ra_node.inference.hand_detector.forward import reader_bottom
from training.data.dataset import read_source
from training.data.hand_ids import part_of
from training.evaluation.metrics import clopper_pearson
from training.hand_detector.picture_pool import drawn_pictures, other_pictures
from training.hand_detector.train import weights_file
from training.hand_detector.view_head import (
    CLASSES,
    Features,
    LabelledView,
    adults,
    cross_validated,
    features,
    fitted,
    squares,
)
from training.io.atomic_file import write_whole

HEAD, FIGURES = "views.safetensors", "views.json"
MEASURED_ON = "the tuning part of the adults and of the children, fivefold by hand"
_COPIES, _PHANTOMS, _OTHERS = 5, 45, 108
_MOST_LOST = 0.03
"""Largest share of frontal hands of adults below the threshold."""


class ViewFigures(BaseModel):
    """`views.json` of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_frontal: float
    figures: dict[str, Interval]


def write_view_head(run: Path, radiographs: Path, seed: int, say: Callable[[str], None]) -> ViewFigures:
    """Train the head on the reader of a run and write both files beside it."""
    seeker, reader = (weights_file(run, name) for name in ("seeker", "reader"))
    finder = Finder(seeker, reader)
    pictures = [
        *adults(radiographs / "adults", "tuning", _COPIES),
        *_children(radiographs),
        *_phantoms(seed),
        *_others(seed),
    ]
    found = list(squares(pictures, finder, seed))
    say(f"{len(found)} squares of {len(pictures)} images")
    learnt = features(found, reader_bottom(reader))
    figures = _figures(learnt, cross_validated(learnt, seed))
    for name, (value, low, high) in figures.figures.items():
        say(f"{name}: {value:.3f} ({low:.3f} to {high:.3f})")
    say(f"least probability of a frontal view {figures.least_frontal:.2f}")
    head = fitted(learnt, seed)
    weights = {key: value.half().contiguous() for key, value in head.state_dict().items()}
    write_whole(run / HEAD, lambda file: file.write(save(weights)))
    write_whole(run / FIGURES, lambda file: file.write(figures.model_dump_json(indent=2).encode()))
    return figures


def _children(radiographs: Path) -> Iterator[LabelledView]:
    for hand in read_source(radiographs):
        if part_of(hand.patient) == "tuning":
            yield LabelledView(
                hand.patient,
                PixelView.FRONTAL,
                lambda path=hand.path: read_png(path).values,  # type: ignore[misc]  # bound now
                1,
            )


def _phantoms(seed: int) -> Iterator[LabelledView]:
    for picture in drawn_pictures(_PHANTOMS, seed, lambda _done, _total: None):
        values = picture.image.astype(np.float32)
        yield LabelledView(picture.name, PixelView.FRONTAL, lambda values=values: values, 1)  # type: ignore[misc]


def _others(seed: int) -> Iterator[LabelledView]:
    for picture in other_pictures(_OTHERS, seed):
        values = picture.image.astype(np.float32)
        yield LabelledView(picture.name, PixelView.OTHER, lambda values=values: values, 3)  # type: ignore[misc]


def _figures(learnt: Features, chance: NDArray[np.float32]) -> ViewFigures:
    """The highest threshold in steps of 0.05 that loses at most `_MOST_LOST`, and its metrics."""
    seen = learnt.own & (learnt.scores >= LEAST_SCORE)
    frontal = chance[:, CLASSES.index(PixelView.FRONTAL)]
    truth = learnt.views == CLASSES.index(PixelView.FRONTAL)
    adult = np.array([name.startswith("c") for name in learnt.pictures])
    other = np.isin(learnt.views, [CLASSES.index(v) for v in (PixelView.OBLIQUE, PixelView.LATERAL)])
    steps = [round(0.3 + 0.05 * step, 2) for step in range(11)]
    kept = [step for step in steps if (frontal[seen & truth & adult] < step).mean() <= _MOST_LOST]
    least = max(kept, default=steps[0])

    def share(chosen: NDArray[np.bool_], right: NDArray[np.bool_]) -> Interval:
        return clopper_pearson(int(right[chosen].sum()), int(chosen.sum()))

    return ViewFigures(
        least_frontal=least,
        figures={
            "frontal hands of adults called frontal": share(seen & truth & adult, frontal >= least),
            "frontal hands of children and phantoms called frontal": share(
                seen & truth & ~adult, frontal >= least
            ),
            "oblique and lateral views of adults called otherwise": share(seen & other, frontal < least),
        },
    )
