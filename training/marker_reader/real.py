"""Pseudo-labelled pieces of real radiographs, by the known marker of each picture.

The label of a picture is its letter, or that none is legible. A network trained on rendered letters selects
the piece with that letter; pieces that it classifies as other letters are left out.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from ra_node.domain.laterality.chirality import thumb_side
from ra_node.domain.laterality.marker import MARKER_CLASSES
from ra_node.domain.report import HandRegion
from ra_node.inference.hand_detector.detector import Finder
from ra_node.inference.marker_reader.candidates import Patches, marker_candidates

Part = Literal["tuning", "held-out"]
RIGHT_HANDS = frozenset({"8982.png", "12759.png", "14726.png"})
"""Plates of the children's set with a right hand and an R, by eye; all others are left hands."""
Grey = NDArray[np.uint8]
Labels = NDArray[np.int64]
_BACKGROUNDS = 100
_CERTAIN, _SURE, _LIKELY, _DOUBTFUL = 0.85, 0.65, 0.4, 0.2


@dataclass(frozen=True, slots=True)
class MarkedPicture:
    """A radiograph and its marker by eye: R, L, "" for none, None for unknown."""

    path: Path
    kind: str
    letter: str | None


@dataclass(frozen=True, slots=True, eq=False)
class PicturePieces:
    """The hands and the pieces of one picture."""

    picture: MarkedPicture
    regions: tuple[HandRegion, ...]
    boxes: tuple[Box, ...]
    patches: Patches


def part_of_picture(name: str) -> Part:
    """The half of a picture by a hash of its file name; held-out pictures are not used for training."""
    return "tuning" if int(hashlib.sha1(name.encode()).hexdigest()[0], 16) < 8 else "held-out"  # noqa: S324 - no secret


def marked_pictures(radiographs: Path, part: Part) -> Iterator[MarkedPicture]:
    """Pictures of one half: children's left hands, nearly all with an L, and adults by their table."""
    for path in sorted((radiographs / "rsna").glob("*.png")):
        if part_of_picture(path.name) == part:
            yield MarkedPicture(path, "children", "R" if path.name in RIGHT_HANDS else "L")
    table = radiographs / "adults" / "truth.csv"
    if not table.exists():
        return
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            path = table.parent / row["file"]
            if path.suffix == ".png" and part_of_picture(path.name) == part:
                kind = path.parent.name
                yield MarkedPicture(path, kind, None if kind == "other_limbs" else row["marker"])


def pieces_of(pictures: Sequence[MarkedPicture], finder: Finder) -> Iterator[PicturePieces]:
    """Detect the hands and pieces of each picture."""
    for picture in pictures:
        image = cv2.imread(str(picture.path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            continue
        grey = np.asarray(image, np.uint8)
        regions = finder.find(grey.astype(np.float32))
        boxes, patches = marker_candidates(grey, regions)
        yield PicturePieces(picture, regions, tuple(boxes), patches)


def labelled(
    found: Sequence[PicturePieces], chances: Callable[[Patches], NDArray[np.float32]]
) -> tuple[Patches, Labels]:
    """The pieces with a known class, by the labels of their pictures and a first network."""
    patches, labels = [], []
    for one in found:
        if len(one.boxes):
            named = _named(one, chances(one.patches))
            patches.append(one.patches[named >= 0].astype(np.float16))
            labels.append(named[named >= 0])
    return np.concatenate(patches), np.concatenate(labels)


def backgrounds(found: Sequence[PicturePieces]) -> list[Grey]:
    """Image parts around MCP 3, as backgrounds of rendered letters."""
    cuts: list[Grey] = []
    for one in found:
        places = {joint.name: joint.at for region in one.regions for joint in region.joints}
        if len(one.regions) == 1 and "mcp_3" in places and len(cuts) < _BACKGROUNDS:
            middle, reach = places["mcp_3"], round(0.22 * one.regions[0].box.height_px)
            image = cv2.imread(str(one.picture.path), cv2.IMREAD_GRAYSCALE)
            x, y = round(middle.x), round(middle.y)
            if image is not None:
                cut = image[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
                cuts.append(np.asarray(cv2.resize(cut, (256, 256), interpolation=cv2.INTER_AREA), np.uint8))
    return cuts


def _named(one: PicturePieces, chances: NDArray[np.float32]) -> Labels:
    """Classes of the pieces (N,) of one picture, -1 where unknown.

    The known letter is expected mirrored or not, as the position of the thumb implies; its mirror image is
    another letter, as a J is for an L. Another letter, such as an initial, is used where its probability is
    high; pieces classified as a letter with a low probability are `other`.
    """
    letter, best, score = one.picture.letter, chances.argmax(axis=1), chances.max(axis=1)
    named = np.where((chances[:, 0] > 1 - _DOUBTFUL) | (score < _SURE), 0, -1)
    if not letter:
        return named
    thumb = thumb_side(one.regions[0]) if len(one.regions) == 1 else 0
    seen = f"{letter} mirrored" if thumb == (-1 if letter == "L" else 1) else letter
    classes = np.array([MARKER_CLASSES[n] for n in best])
    mirrored = np.char.endswith(classes, "mirrored")
    initial = (best > 0) & (mirrored == seen.endswith("mirrored")) & (score > _CERTAIN)
    named = np.where(initial, best, named)
    named[np.char.startswith(classes, letter)] = 0
    named[(classes == seen) & (score > (_LIKELY if thumb else _SURE))] = MARKER_CLASSES.index(seen)
    return named
