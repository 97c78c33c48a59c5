"""Studies of real radiographs: singles as they are, and two different hands composed on one plate."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ra_node.network.scu.c_store import OutgoingObject
from tests.conftest import find_tool
from tests.node.harness import run_tool
from training.phantom.study import ImageRecipe, wrap

COMPRESSORS = {
    JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    JPEGLSLossless: ("dcmcjpls",),
    RLELossless: ("dcmcrle",),
    JPEG2000Lossless: ("gdcmconv", "--j2k"),
}
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, *COMPRESSORS)


@dataclass(frozen=True, slots=True)
class RealStudy:
    """A study of one image, ready to send, and how many hands it shows."""

    study_uid: str
    hands: int
    outgoing: OutgoingObject


def real_studies(radiographs: Path, folder: Path, each: int, seed: int = 1) -> Iterator[RealStudy]:
    """Make `each` singles and as many compositions, over all transfer syntaxes and both polarities."""
    with (radiographs / "hands.csv").open(encoding="utf-8") as table:
        files = [radiographs / row["file"] for row in csv.DictReader(table)]
    draw = random.Random(seed)
    for number, path in enumerate(draw.sample(files, each)):
        yield _study(folder, f"single {path.stem}", _grey(path), number, hands=1)
    for number in range(each):
        right, left = draw.sample(files, 2)
        pixels = composed(_grey(right), _grey(left))
        yield _study(folder, f"composed {right.stem} {left.stem}", pixels, number, hands=2)


def composed(right: NDArray[np.uint8], left: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two left hands on one plate as a right and a left one: the first mirrored, on the image's left."""
    rows = max(right.shape[0], left.shape[0])
    halves = [
        np.pad(half, ((0, rows - half.shape[0]), (0, 0)), mode="edge") for half in (right[:, ::-1], left)
    ]
    return np.ascontiguousarray(np.hstack(halves))


def _grey(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def _study(folder: Path, key: str, pixels: NDArray[np.uint8], number: int, *, hands: int) -> RealStudy:
    header = ImageRecipe(
        key,
        modality="CR" if number % 2 else "DX",
        laterality="L" if hands == 1 else "B",
        orientation=("R", "F") if hands == 1 else ("L", "F"),
        photometric="MONOCHROME1" if number % 3 == 1 else "MONOCHROME2",
        bits_stored=(8, 12, 16)[number % 3],
    )
    image = wrap(pixels, header)
    syntax = SYNTAXES[number % len(SYNTAXES)]
    plain = folder / f"{key}.dcm"
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax in COMPRESSORS else syntax
    image.save_as(plain, enforce_file_format=True)
    path = _compressed(plain, syntax) if syntax in COMPRESSORS else plain
    one = OutgoingObject(path, str(image.SOPClassUID), str(image.SOPInstanceUID), str(syntax))
    return RealStudy(str(image.StudyInstanceUID), hands, one)


def _compressed(plain: Path, syntax: str) -> Path:
    program, *options = COMPRESSORS[syntax]
    small = plain.with_suffix(".small.dcm")
    done = run_tool([find_tool(program), *options, str(plain), str(small)])
    assert done.returncode == 0, done.stderr
    return small
