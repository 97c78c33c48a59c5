"""Creates the phantom image shipped with the node, `ra_node/services/preflight/phantom_hands.dcm`."""

from __future__ import annotations

from pathlib import Path

from jpeg_ls import encode_buffer
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless

from ra_node.domain.laterality.evidence import Side
from training.phantom.film import Exposure
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

BITS = 10
RECIPE = PhantomRecipe(
    (HandRecipe(Side.RIGHT, stage=3), HandRecipe(Side.LEFT, stage=0)),
    rows=1000,
    columns=1200,
    exposure=Exposure(noise=0.25),
    seed=7,
)
"""Fewer pixels and less noise than the default: 0.5 MB in JPEG-LS instead of 4.2."""


def drawn() -> Dataset:
    """The image with uncompressed pixels."""
    (image,) = phantom_study(RECIPE, bits_stored=BITS)
    return image


def write(path: Path) -> None:
    """Write the image, compressed without loss (JPEG-LS)."""
    image = drawn()
    frame = encode_buffer(image.PixelData, image.Rows, image.Columns, 1, BITS)
    image.PixelData = encapsulate([bytes(frame)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = JPEGLSLossless
    image.save_as(path, enforce_file_format=True)
