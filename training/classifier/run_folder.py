"""The folder of a run before the training: recipe and crops."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from ra_node.domain.reader_study.provenance import FILE as READER_STUDY
from ra_node.errors import Fatal
from training.classifier.labelled_dataset import ABOUT, LABELLED, ROWS, labelled
from training.data.adult_dataset import adult_rows
from training.data.dataset import (
    ADULT_ORIGINS,
    Crops,
    SourceHand,
    joined,
    load_crops,
    read_source,
    save_crops,
    simulated_rows,
    stacked,
)
from training.data.detector import ABOUT as DETECTOR
from training.data.detector import KeptDetector, bundle_detector, has_detector, keep_detector, kept_detector
from training.data.label_table.agreement import AGREEMENT
from training.data.paper_cohort import paper_rows
from training.data.phantom_dataset import phantom_rows
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe

REAL, ADULTS, DRAWN = "real.npz", "adults.npz", "phantoms.npz"
"""Crops of simulated lesions on real hands of children and of adults, and of phantoms."""
RECIPE = "recipe.json"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HandsFrom:
    """Source of hands: radiographs for simulated lesions, a labelled dataset, or another run.

    `bundle` has the detector that finds simulated and drawn hands; a dataset and a run have their own.
    """

    radiographs: Path | None = None
    bundle: Path | None = None
    dataset: Path | None = None
    split: Path | None = None
    fold: str = ""
    run: Path | None = None
    """A run, or the hands of a comparison, whose crops are shared."""


def prepared(recipe: Recipe, out: Path, source: HandsFrom, say: Say) -> Crops:
    """Load the crops of a run, or make them; a run with another data recipe is an error."""
    if source.run is not None:
        _refuse_other_data(recipe, source.run)
        keep_recipe(recipe, out)
        share_crops(source.run, out)
        return kept_crops(out)
    _refuse_two_kinds(out, source)
    keep_recipe(recipe, out)
    if source.dataset is not None:
        if source.split is None:
            raise Fatal("expected the split of the dataset in --split, found none")
        report = picture_counter(say)
        return labelled(recipe, out, source.dataset, source.split, source.fold, report)
    missing = [name for name in _made(recipe) if not (out / name).exists()]
    detector = _detector(out, source.bundle, missing)
    if REAL in missing:
        rows = paper_rows if recipe.data.preset == "paper" else simulated_rows
        pictures = rows(sources_in(source.radiographs), recipe, detector, picture_counter(say))
        save_crops(stacked(list(pictures)), out / REAL)
    if ADULTS in missing:
        grown = adult_rows(adults_in(source.radiographs), recipe, detector, picture_counter(say))
        save_crops(stacked(list(grown)), out / ADULTS)
    if DRAWN in missing:
        drawn = phantom_rows(recipe, detector, picture_counter(say))
        save_crops(stacked(list(drawn)), out / DRAWN)
    return kept_crops(out)


def _made(recipe: Recipe) -> tuple[str, ...]:
    """The files of crops that a simulated run has."""
    asked = {REAL: True, ADULTS: recipe.data.adults > 0, DRAWN: recipe.data.phantoms > 0}
    return tuple(name for name, wanted in asked.items() if wanted)


def _detector(out: Path, bundle: Path | None, missing: Sequence[str]) -> KeptDetector:
    """The detector of a run, kept there before the first hand is cut.

    Raises Fatal where hands are missing and `bundle` has another, Refused for crops of an earlier version,
    which name no detector.
    """
    if any((out / name).exists() for name in (REAL, ADULTS, DRAWN)):
        known = kept_detector(out)
        if bundle is not None and missing and bundle_detector(bundle).sha256 != known.sha256:
            raise Fatal(f"expected the detector {known.sha256[:12]} of {out}, found another; use a new --out")
        return known
    if bundle is None:
        raise Fatal("expected the bundle whose detector finds the hands in --bundle, found none")
    keep_detector(bundle_detector(bundle), out)
    return kept_detector(out)


def keep_recipe(recipe: Recipe, out: Path) -> None:
    """Write the recipe of a run; raises Fatal where its crops were made by another one."""
    if (out / RECIPE).exists():
        _refuse_other_data(recipe, out)
    content = recipe.model_dump_json(indent=2).encode()
    write_whole(out / RECIPE, lambda file: file.write(content))


def share_crops(source: Path, run: Path) -> None:
    """Share the hands of `source`: a hard link, or a copy where links are not possible."""
    run.mkdir(parents=True, exist_ok=True)
    weights = [one.path for one in kept_detector(source).part.weights] if has_detector(source) else []
    extra = (AGREEMENT, READER_STUDY, *weights, DETECTOR)
    for name in (REAL, ADULTS, DRAWN, LABELLED, ROWS, ABOUT, *extra):
        if (source / name).exists() and not _same(source / name, run / name):
            _link(source / name, run / name)


def has_crops(run: Path) -> bool:
    """Whether a run keeps the crops of its hands."""
    return (run / LABELLED).exists() or (run / REAL).exists()


def kept_crops(run: Path) -> Crops:
    """The crops of a run: labelled ones, or simulated hands of children, of adults, and drawn ones."""
    if (run / LABELLED).exists():
        return load_crops(run / LABELLED)
    made = [load_crops(run / name) for name in (REAL, ADULTS, DRAWN) if (run / name).exists()]
    return reduce(joined, made)


def kept_recipe(run: Path) -> Recipe:
    """The recipe of a run; raises Fatal where the folder is none of a run."""
    if not (run / RECIPE).is_file():
        raise Fatal(f"expected the folder of a run, with {RECIPE}, found none in {run}")
    return Recipe.model_validate_json((run / RECIPE).read_bytes())


def sources_in(radiographs: Path | None) -> list[SourceHand]:
    """The hands to simulate on; raises Fatal where no folder was given."""
    if radiographs is None:
        raise Fatal("expected the folder of radiographs in --radiographs, found none")
    return read_source(radiographs)


def adults_in(radiographs: Path | None) -> Path:
    """The folder of adults among the radiographs; raises Fatal where there is none."""
    folder = None if radiographs is None else radiographs / "adults"
    if folder is None or not (folder / "truth.csv").exists():
        raise Fatal("expected the folder adults with its truth.csv in --radiographs, found none")
    return folder


def counted(crops: Crops) -> dict[str, int]:
    """Hands and patients by split and origin, and how many hands the detector found."""
    groups = Counter(zip(map(str, crops.splits), map(str, crops.origins), strict=True))
    counts = {f"{split} hands, {origin}": count for (split, origin), count in sorted(groups.items())}
    adult = np.isin(crops.origins, ADULT_ORIGINS)
    for what, chosen in (("patients", (crops.origins != "phantom") & ~adult), ("adult patients", adult)):
        real = crops.where(chosen)
        for split in sorted(set(map(str, real.splits))):
            counts[f"{split} {what}"] = len(np.unique(real.patients[real.splits == split]))
        if len(real):
            counts[f"{what} whose hand the detector found"] = len(np.unique(real.patients[real.found]))
    return counts


def picture_counter(say: Say) -> Callable[[int, int], None]:
    """Print every 25th image and the last one."""

    def count(done: int, total: int) -> None:
        if done % 25 == 0 or done == total:
            say(f"made {done} of {total} images")

    return count


def _refuse_other_data(recipe: Recipe, run: Path) -> None:
    """Raise Fatal where a recipe would make other crops than those of the run."""
    known = kept_recipe(run)
    if (known.data, known.side_px, known.seed) != (recipe.data, recipe.side_px, recipe.seed):
        raise Fatal(
            f"expected the data recipe, side_px and seed of {run / RECIPE}, found another; use a new --out"
        )


def _refuse_two_kinds(out: Path, source: HandsFrom) -> None:
    """Raise Fatal where a run would mix a site's hands with simulated ones."""
    if source.dataset is not None and (out / REAL).exists():
        raise Fatal(f"expected no simulated hands in {out}, found {REAL}; use a new --out")
    if source.dataset is None and (out / ABOUT).exists():
        raise Fatal(f"expected --dataset and --split, because {out} has labelled hands, found neither")


def _same(one: Path, other: Path) -> bool:
    """Whether both names hold the same crops already."""
    if not other.exists():
        return False
    return one.samefile(other) or one.read_bytes() == other.read_bytes()


def _link(source: Path, name: Path) -> None:
    new = name.with_name(f"{name.name}.new")
    new.parent.mkdir(parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:
        shutil.copyfile(source, new)
    new.replace(name)
