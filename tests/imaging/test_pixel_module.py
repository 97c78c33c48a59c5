"""A missing attribute is derived where only one value is possible, with a remark; else it is named."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from ra_node.imaging.pixels import PixelsRefused, read_radiograph
from tests.imaging.datasets import image_dataset, ramp

PICTURE = ramp(16)


@pytest.mark.parametrize(
    "keyword", ["BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "BitsAllocated"]
)
@pytest.mark.parametrize("compressed", [False, True])
def test_what_follows_from_the_rest_may_be_missing(keyword, compressed):
    dataset = image_dataset(PICTURE)
    if compressed:
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    delattr(dataset, keyword)
    radiograph = read_radiograph(dataset)
    np.testing.assert_array_equal(radiograph.values, PICTURE)
    (remark,) = radiograph.remarks
    assert "is missing in the header" in remark


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("NumberOfFrames", "IS", "0"),
        ("NumberOfFrames", "LO", "1.0"),
        ("NumberOfFrames", "LO", "several"),
        ("PhotometricInterpretation", "LO", "monochrome2\0"),
        ("Rows", "LO", "130"),
        ("Rows", "LO", "130.0"),
        ("BitsStored", "US", [16, 12]),
        ("HighBit", "UN", b"\x0f\0"),
        ("WindowCenter", "LO", "2048,5"),
        ("RescaleSlope", "LO", "1,0"),
        ("RescaleSlope", "LO", "NaN"),
        ("RescaleIntercept", "LO", "none"),
        ("PixelPaddingValue", "LO", "unused"),
        ("PresentationLUTShape", "LO", "ROUND"),
    ],
)
def test_a_value_may_be_written_in_any_way(keyword: str, vr: str, value: Any):
    dataset = image_dataset(PICTURE)
    dataset.add_new(keyword, vr, value)
    np.testing.assert_array_equal(read_radiograph(dataset).values, PICTURE)


@pytest.mark.parametrize(
    ("keyword", "value", "part"),
    [
        ("PhotometricInterpretation", None, "no photometric interpretation"),
        ("BitsStored", "twelve", "Bits Stored (0028,0101)"),
        ("PixelData", b"", "found none"),
    ],
)
def test_what_nothing_tells_is_named(keyword: str, value: Any, part: str):
    dataset = image_dataset(PICTURE)
    if value is None:
        delattr(dataset, keyword)
    else:
        dataset.add_new(keyword, "OW" if isinstance(value, bytes) else "LO", value)
    with pytest.raises(PixelsRefused, match=r"^Expected") as refused:
        read_radiograph(dataset)
    assert part in str(refused.value)
    assert "Error" not in str(refused.value)


def test_a_comment_with_an_end_marker_in_it_does_not_end_the_frame():
    """Markers are walked over by their lengths."""
    from pydicom.encaps import encapsulate

    dataset = image_dataset(PICTURE)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    comment = b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"
    dataset.PixelData = encapsulate([frame[:2] + comment + frame[2:] + b"\xff\xd9 more"])
    np.testing.assert_array_equal(read_radiograph(dataset).values, PICTURE)


@pytest.mark.parametrize(
    "change",
    [lambda frame: frame, lambda frame: frame[:-2], lambda frame: frame + b"more \xff\xd9 text"],
    ids=["whole", "without its end marker", "with text behind"],
)
def test_a_jpeg_2000_frame_ends_where_its_tile_parts_end(change):
    dataset = image_dataset(PICTURE, syntax=JPEG2000Lossless)
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    packed = cv2.imencode(".jp2", PICTURE, lossless)[1].tobytes()
    frame = packed[packed.index(b"\xff\x4f\xff\x51") :]
    dataset.PixelData = encapsulate([change(frame)])
    np.testing.assert_array_equal(read_radiograph(dataset).values, PICTURE)
    dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    with pytest.raises(PixelsRefused, match="cut off"):
        read_radiograph(dataset)
