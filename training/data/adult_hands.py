"""Pictures of adults for the hand detector, with their split and their view.

`truth.csv` of the folder has the content of each picture. The split is derived from a hash of the hand's
name, so that nothing is trained or tuned on a held-out hand. Pictures of one hand (two views, rotated or
mirrored copies) share a name: they were found by correlating aligned hands and by eye, and are listed here.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ra_node.domain.view.pixel_view import PixelView
from training.data.hand_ids import Part

HELD_OUT_SHARE = 0.5

_SAME_HAND = (
    "c0-10 c0-56 c0-58 c0-100 c0-103 c0-105",
    "c0-12 c0-91 c2-31",
    "c0-23 c1-97",
    "c0-82 c0-84 c2-5 c2-10",
    "c0-94 c2-27",
    "c1-10 c3-28",
    "c1-48 c1-50",
    "c1-73 c3-39 c3-41",
    "c1-85 c1-86",
    "c1-89 c1-90 c1-92",
    "c2-13 c3-68",
    "c2-39 c2-83 c2-84 c3-53 c3-72",
    "c2-79 c2-80 c3-17",
    "c3-24 c3-32 c3-34 c3-46",
    "c3-26 c3-49",
    "c3-44 c3-45",
)  # fmt: skip
_NAMES = {picture: group.split()[0] for group in _SAME_HAND for picture in group.split()}

_LATERAL = "c1-36 c1-92 c2-57 c3-39"
_FINGER = (
    "c0-4 c0-22 c0-23 c0-32 c0-34 c0-41 c0-55 c0-60 c0-61 c0-65 c1-14 c1-22 c1-48 c1-50 c1-97 c2-38 c2-42"
    " c2-48 c2-54 c2-59 c2-71 c2-83 c3-8 c3-12 c3-72 c3-74 c3-87"
)
_WRIST = (
    "c0-0 c0-1 c0-7 c0-9 c0-13 c0-21 c0-42 c0-54 c0-59 c0-74 c0-79 c0-93 c0-104 c1-8 c1-12 c1-13 c1-15 c1-18"
    " c1-27 c1-30 c1-31 c1-33 c1-34 c1-58 c1-60 c1-63 c1-68 c1-69 c1-70 c1-71 c1-72 c1-76 c1-79 c1-82 c1-101"
    " c1-103 c2-3 c2-8 c2-11 c2-15 c2-33 c2-44 c2-51 c2-53 c2-55 c2-74 c2-78 c2-81 c2-92 c2-96 c2-107 c3-5"
    " c3-9 c3-15 c3-18 c3-20 c3-24 c3-29 c3-30 c3-32 c3-34 c3-36 c3-37 c3-46 c3-51 c3-54 c3-55 c3-57 c3-60"
    " c3-70 c3-73 c3-79 c3-81 c3-82 c3-83"
)
_FOOT = (
    "c0-8 c0-26 c0-31 c0-50 c0-51 c0-76 c0-80 c0-95 c0-102 c1-29 c1-44 c1-47 c1-51 c1-53 c1-93 c2-22"
    " c2-63 c2-66 c2-68 c2-69 c3-2 c3-4 c3-19"
)
_BY_EYE = {
    name: view
    for names, view in (
        (_LATERAL, PixelView.LATERAL),
        (_FINGER, PixelView.FINGER),
        (_WRIST, PixelView.WRIST),
        (_FOOT, PixelView.FOOT),
    )
    for name in names.split()
}
"""Terms of `truth.csv` for a lateral view among obliques, and for the body part of a crop or a limb."""
_NOT_SHOWN = frozenset({"c0-67"})
"""Labelled as a limb, but shows a whole hand."""


@dataclass(frozen=True, slots=True)
class AdultPicture:
    """One picture; `hands` is its number of whole hands."""

    file: str
    kind: str
    hands: int
    view: PixelView

    @property
    def name(self) -> str:
        return Path(self.file).stem

    @property
    def part(self) -> Part:
        return adult_part(self.name)


def hand_of(name: str) -> str:
    """The name of the hand that a picture shows."""
    return _NAMES.get(name, name)


def adult_part(name: str) -> Part:
    """The split of a picture: tuning (training and tuning) or held-out (evaluation only)."""
    place = int.from_bytes(hashlib.sha256(f"adult hands {hand_of(name)}".encode()).digest()[:8], "big")
    return "held-out" if place < HELD_OUT_SHARE * 2**64 else "tuning"


def read_adults(folder: Path) -> Iterator[AdultPicture]:
    """Every PNG of `truth.csv` in the folder, except those with uncertain ground truth."""
    with (folder / "truth.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            name = Path(row["file"]).stem
            if row["file"].endswith(".png") and name not in _NOT_SHOWN:
                yield AdultPicture(row["file"], row["kind"], int(row["hands"]), _view(row["kind"], name))


def _view(kind: str, name: str) -> PixelView:
    if kind.startswith(("PA", "same hand twice")):
        return PixelView.FRONTAL
    if kind.startswith("oblique"):
        return _BY_EYE.get(name, PixelView.OBLIQUE)
    return _BY_EYE.get(name, PixelView.PART if kind.startswith("crop") else PixelView.OTHER)
