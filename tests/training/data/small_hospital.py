"""A hospital of three patients with labels, made into a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.finders import demo_detector
from tests.training.label_tables import NAME, label, write_table
from training.data.label_table.annotations import read_labels
from training.data.prepare import Prepared, prepare
from training.data.site_images.image_hands import Options

SALT = bytes(range(32))


SMALL = Options(allow_empty_classes=True)


STUDIES = (
    ("MARKID0001", (0, 1), 0, "MONOCHROME2"),
    ("MARKID0002", (2, 3), 90, "MONOCHROME1"),
    ("MARKID0003", (4, 5), 180, "MONOCHROME2"),
)


def file_of(patient: str) -> str:
    return f"{NAME}-{patient}/1.dcm"


ROWS = [
    label(file_of(patient), side, stage, note=f"seen by {NAME}")
    for patient, stages, _, _ in STUDIES
    for side, stage in zip("RL", stages, strict=True)
]


def made(
    images: Path, out: Path, rows: Sequence[dict[str, object]] = ROWS, options: Options | None = None
) -> Prepared:
    labels = read_labels(write_table(out.parent / "labels.csv", rows), images)
    return prepare(images, labels, out, SALT, demo_detector(), options)


def content(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        yield path.relative_to(folder).as_posix(), path.read_bytes() if path.is_file() else b""


def nothing_but(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)
