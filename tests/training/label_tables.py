"""Label tables and phantom studies with marked patients, for the tests of prepare and split."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from pydicom import Dataset

from ra_node.domain.laterality.evidence import Side
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

NAME, BIRTH, TAKEN = "ZWICKMARK^OTTILIE", "19470213", "20190817"


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as CSV; the columns are those of the first row."""
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]), restval="")
        table.writeheader()
        table.writerows(rows)
    return path


@cache
def _drawn(stages: tuple[int, int], rotation: int, photometric: str, markers: bool, seed: int) -> Dataset:
    hands = (HandRecipe(Side.RIGHT, stages[0]), HandRecipe(Side.LEFT, stages[1]))
    recipe = PhantomRecipe(hands, rows=640, columns=768, rotation=rotation, markers=markers, seed=seed)  # type: ignore[arg-type]
    return phantom_study(recipe, photometric=photometric)[0]  # type: ignore[arg-type]


def marked_study(
    patient: str,
    stages: tuple[int, int] = (0, 1),
    *,
    rotation: int = 0,
    photometric: str = "MONOCHROME2",
    markers: bool = True,
    seed: int = 1,
    **changed: Any,
) -> Dataset:
    """A two-hand phantom whose header is full of marks that must not survive."""
    image = deepcopy(_drawn(stages, rotation, photometric, markers, seed))
    image.PatientName, image.PatientID, image.PatientBirthDate = NAME, patient, BIRTH
    image.PatientSex, image.PatientAge = "F", "072Y"
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = TAKEN
    image.InstitutionName, image.ReferringPhysicianName = "MARKSPITAL", "MARKARZT^KUNO"
    image.AccessionNumber = f"ACC{patient}"
    # Equal pixels under another UID are another file, as a second exposure would be.
    image.SOPInstanceUID = f"2.25.{int.from_bytes(patient.encode()):d}"[:60]
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    for keyword, value in changed.items():
        setattr(image, keyword, value)
    return image


def save(image: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def label(
    file: str, side: str, stage: int | str, second: int | str | None = None, **more: object
) -> dict[str, object]:
    """A row on which both readers agree, unless the second says something else."""
    return {
        "file": file,
        "side": side,
        "reader_1": stage,
        "reader_2": stage if second is None else second,
        "consensus": "",
        **more,
    }
