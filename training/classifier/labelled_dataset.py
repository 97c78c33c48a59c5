"""A site's own dataset as the hands of a run: real labels, split by patient before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from ra_node.domain.reader_study.provenance import FILE as READER_STUDY
from ra_node.domain.statistics.agreement import Agreement
from ra_node.errors import Fatal, Refused
from training.classifier.start import Start
from training.data.dataset import Crops, Row, Split, load_crops, save_crops, stacked
from training.data.detector import keep_detector, kept_detector
from training.data.label_table.agreement import AGREEMENT, dumped, read_agreements
from training.data.manifest import HandRow, load_hand, manifest_sha256, read_manifest, written
from training.data.reader_study import read_provenance
from training.data.site_images.source_image import sha256_of
from training.data.split import Fold, holdout, parts_of, read_split
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe

LABELLED, ROWS, ABOUT = "labelled.npz", "hands.jsonl", "dataset.json"
"""Crops, attributes of each hand in the order of the crops, and the source of both."""

_ABOUT = TypeAdapter(dict[str, str])


def labelled(
    recipe: Recipe, out: Path, dataset: Path, split: Path, fold: str, report: Callable[[int, int], None]
) -> Crops:
    """Load the labelled crops of a run, or cut them from a dataset and the fold of its split.

    The share `data.validation` of the training patients is kept for temperature and operating points.
    Raises Refused where the split is of another dataset or leaks, Fatal where the run has other hands.
    """
    rows = read_manifest(dataset)
    digest = manifest_sha256(dataset)
    detector = kept_detector(dataset)
    if detector.sha256 != rows[0].detector:
        raise Refused(
            f"expected the detector {rows[0].detector[:12]} of its hands in {dataset.name},"
            f" found {detector.sha256[:12]}"
        )
    chosen = _fold(read_split(split, digest, rows).folds, fold)
    rows = tuple(row for row in rows if row.patient not in set(chosen.aside))
    about = {"manifest_sha256": digest, "split_sha256": sha256_of(split), "fold": chosen.name}
    if (out / ABOUT).exists():
        _refuse_others(kept_about(out), about, out)
        return load_crops(out / LABELLED)
    sides = _sides(rows, chosen, recipe)
    made = []
    for at, (row, side) in enumerate(zip(rows, sides, strict=True), start=1):
        image = load_hand(dataset, row, recipe.side_px).image
        made.append(Row(image, row.stage, row.patient, side, "labelled"))
        report(at, len(rows))
    crops, held = stacked(made), written(rows)
    keep_detector(detector, out)
    save_crops(crops, out / LABELLED)
    write_whole(out / ROWS, lambda file: file.write(held))
    agreements = dumped(read_agreements(dataset))
    write_whole(out / AGREEMENT, lambda file: file.write(agreements))
    if (dataset / READER_STUDY).exists():
        study = (dataset / READER_STUDY).read_bytes()
        write_whole(out / READER_STUDY, lambda file: file.write(study))
    content = _ABOUT.dump_json(about, indent=2)
    write_whole(out / ABOUT, lambda file: file.write(content))
    return crops


def kept_about(run: Path) -> dict[str, str]:
    """Which dataset, split and fold a run has; empty for simulated lesions."""
    return _ABOUT.validate_json((run / ABOUT).read_bytes()) if (run / ABOUT).exists() else {}


def kept_agreements(run: Path) -> list[Agreement]:
    """Agreement of the readers of a run's dataset; empty where unknown."""
    return read_agreements(run)


def kept_reader_study(run: Path) -> list[str]:
    """What is known of the readers of a run's dataset, in sentences; empty where no reader study made it."""
    found = read_provenance(run)
    return [] if found is None else list(found.sentences())


def kept_rows(run: Path) -> tuple[HandRow, ...]:
    """What is known of each labelled hand of a run, in the order of its crops."""
    lines = (run / ROWS).read_bytes().splitlines()
    return tuple(TypeAdapter(HandRow).validate_json(line) for line in lines)


def refuse_other_split(start: Start, run: Path) -> None:
    """Raise Fatal where weights come from a run on a labelled dataset with another split.

    Its training patients may be held out here.
    """
    if start.path is None or not start.from_run:
        return
    known = kept_about(start.path.parent.parent)
    if known and known != kept_about(run):
        raise Fatal(f"expected a start with the dataset, split and fold of {run}, found {_told(known)}")


def split_sides(recipe: Recipe, dataset: Path, split: Path, fold: str) -> dict[str, Split]:
    """The side of each hand of a dataset in the fold of its split, by its image; not of those set aside."""
    rows = read_manifest(dataset)
    chosen = _fold(read_split(split, manifest_sha256(dataset), rows).folds, fold)
    rows = tuple(row for row in rows if row.patient not in set(chosen.aside))
    return {row.image: side for row, side in zip(rows, _sides(rows, chosen, recipe), strict=True)}


def _sides(rows: Sequence[HandRow], fold: Fold, recipe: Recipe) -> list[Split]:
    parts = parts_of(fold, rows)
    training = [rows[at] for at in parts.train]
    share = recipe.data.validation
    kept = set(holdout(training, recipe.seed, share)[0].test) if share else set()
    test = set(parts.test)
    return [
        "held-out" if at in test else "validation" if row.patient in kept else "tune"
        for at, row in enumerate(rows)
    ]


def _fold(folds: Sequence[Fold], name: str) -> Fold:
    names = [fold.name for fold in folds]
    if not name and len(folds) == 1:
        return folds[0]
    if name not in names:
        raise Refused(f"expected one of the folds {', '.join(names)} in --fold, found {name or 'none'}")
    return folds[names.index(name)]


def _refuse_others(known: dict[str, str], about: dict[str, str], out: Path) -> None:
    if known != about:
        raise Fatal(f"expected the dataset of {out} ({_told(known)}), found {_told(about)}; use a new --out")


def _told(about: dict[str, str]) -> str:
    return (
        f"manifest {about['manifest_sha256'][:12]}, split {about['split_sha256'][:12]}, fold {about['fold']}"
    )
