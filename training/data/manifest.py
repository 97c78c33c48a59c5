"""A dataset of single hands on disk: one line of JSON a hand, one 16-bit PNG a hand, no patient attribute.

dataset.json    format, preprocessing, and SHA-256 of the hand detector
detector.json   that detector, its weights in finder/ (training.data.detector)
manifest.jsonl  a `HandRow` a line
rejected.csv    rejections, by the row of the label table and the hash of the file
hands/*.png     the cut of each hand, fingers up, 16 bit; *.npy beside it where its values need a table
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.preprocessing import PREPROCESSING_ID
from ra_node.domain.report import HandRegion, Joint
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.hand_png import decoded, turned_back
from ra_node.imaging.model_input import hand_crop

FORMAT = "ra-node hands 2"
MANIFEST, ABOUT, REJECTED, HANDS = "manifest.jsonl", "dataset.json", "rejected.csv", "hands"

Edges = tuple[int, int, int, int]

_Held = TypeVar("_Held", "HandRow", "_About")


@dataclass(frozen=True, slots=True)
class HandRow:
    """One hand: its picture, its label, and the permitted attributes of its patient.

    `box` (x0, y0, x1, y1), `outline` and `rotation` are those of the detector, in the cut before it was
    rotated upright; `rows` and `columns` are those of the stored picture. A word w of the picture has the
    value first + step * w, or that of the table `levels`. `blanked_px` counts blanked pixels beside the
    hand; they are outside the mask of the model input. `joint_places` are the detected joints, x, y and score
    by name, also in the cut; `joints` are the readers' stages by joint.
    `detector` is the SHA-256 of the detector; `image_pixels` and `hand_pixels` are digests of decoded pixels
    (ra_node.imaging.hand_cuts.pixel_digest), of the whole image and of the cut.
    """

    image: str
    patient: str
    side: Literal["R", "L"]
    stage: int
    joints: dict[str, int]
    source_sha256: str
    site: str
    sex: str
    age_years: int | None
    split: Literal["train", "test", ""]
    rows: int
    columns: int
    rotation: Rotation
    box: Edges
    outline: tuple[tuple[float, float], ...]
    score: float
    joint_places: dict[str, tuple[float, float, float]]
    detector: str
    image_pixels: str
    hand_pixels: str
    first: float
    step: float
    levels: str | None = None
    blanked_px: int = 0

    @property
    def region(self) -> HandRegion:
        """Region of the hand in its cut."""
        points = tuple(Point(x, y) for x, y in self.outline)
        joints = tuple(Joint(name, Point(x, y), score) for name, (x, y, score) in self.joint_places.items())
        return HandRegion(Box(*self.box), points, self.rotation, self.score, joints)

    @property
    def pictures(self) -> tuple[str, ...]:
        """Hashes that identify hands of the same picture, and so of the same patient."""
        return self.source_sha256, self.image_pixels, self.hand_pixels


@dataclass(frozen=True, slots=True)
class _About:
    format: str
    preprocessing: str
    detector: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetHand:
    """One hand with its model input: `image` (side, side), equal to that of the node."""

    row: HandRow
    image: NDArray[np.uint8]


def written(rows: Sequence[HandRow]) -> bytes:
    """Content of `manifest.jsonl`."""
    adapter = TypeAdapter(HandRow)
    return b"".join(adapter.dump_json(row) + b"\n" for row in rows)


def about(detector: str) -> bytes:
    """Content of `dataset.json`; `detector` is the SHA-256 of the hand detector."""
    return TypeAdapter(_About).dump_json(_About(FORMAT, PREPROCESSING_ID, detector), indent=2)


def read_manifest(dataset: Path) -> tuple[HandRow, ...]:
    """Read the rows of a dataset; raises Refused where it is invalid or has another preprocessing."""
    known = _parsed(_About, _content(dataset / ABOUT), ABOUT)
    if (known.format, known.preprocessing) != (FORMAT, PREPROCESSING_ID):
        expected = f'expected a dataset "{FORMAT}" for "{PREPROCESSING_ID}"'
        raise Refused(
            f'{expected}, found "{known.format}" for "{known.preprocessing}"; prepare the images again'
        )
    lines = _content(dataset / MANIFEST).splitlines()
    rows = tuple(_parsed(HandRow, line, f"{MANIFEST} line {at}") for at, line in enumerate(lines, start=1))
    if not rows:
        raise Refused(f"expected hands in {MANIFEST}, found none")
    if {row.detector for row in rows} != {known.detector}:
        raise Refused(f"expected hands of one detector, that of {ABOUT}, in {MANIFEST}, found others")
    return rows


def manifest_sha256(dataset: Path) -> str:
    """The hash by which a split refers to its dataset."""
    return hashlib.sha256(_content(dataset / MANIFEST)).hexdigest()


def load_dataset(dataset: Path, side_px: int = 224) -> list[DatasetHand]:
    """Read all hands of a dataset, cropped as by the node, in the manifest's order."""
    return [load_hand(dataset, row, side_px) for row in read_manifest(dataset)]


def load_hand(dataset: Path, row: HandRow, side_px: int = 224) -> DatasetHand:
    """Read one hand; raises Refused where its picture is missing or of another size."""
    return DatasetHand(row, hand_crop(hand_values(dataset, row), row.region, side_px))


def hand_values(dataset: Path, row: HandRow) -> NDArray[np.float32]:
    """The cut of one hand as read by the node, bone bright, before rotation."""
    words = cv2.imdecode(np.frombuffer(_content(dataset / row.image), np.uint8), cv2.IMREAD_UNCHANGED)
    expected = (row.rows, row.columns)
    if words is None or words.dtype != np.uint16 or words.shape != expected:
        found = "another" if words is None else f"{words.shape} of {words.dtype}"
        raise Refused(f"expected an image {expected} of 16 bits in {row.image}, found {found}")
    levels = np.load(dataset / row.levels, allow_pickle=False) if row.levels else None
    stored = np.asarray(words, np.uint16)
    return decoded(turned_back(stored, row.rotation), row.first, row.step, levels)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"expected {path.name} in the dataset, found {type(error).__name__}") from error


def _parsed(kind: type[_Held], content: bytes, where: str) -> _Held:
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        wrong = json.dumps([".".join(map(str, one["loc"])) for one in error.errors()[:3]])
        raise Refused(f"expected a valid {where}, found errors in {wrong}") from error
