"""Files that other toolkits read are read: what is odd about them says nothing else about the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from ra_node.dicom.reading.file import read_dataset, read_header
from ra_node.imaging.pixels import Radiograph, read_radiograph
from ra_node.services.analysis.study_analysis import look_at_file
from tests.dicom.builders import source
from tests.finders import BLIND
from tests.imaging.datasets import SIDE_PX, ramp

PICTURE = ramp(12)
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
EXPLICIT, BIG = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"


def image() -> Dataset:
    return source(Rows=SIDE_PX, Columns=SIDE_PX, PixelData=PICTURE.tobytes())


def content(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def read(path: Path, data: bytes) -> Radiograph:
    path.write_bytes(data)
    return read_radiograph(read_dataset(path))


def packed(syntax: str) -> tuple[bytes, bytes]:
    """A compressed file up to the items of its pixels, and the frame."""
    dataset = image()
    dataset.compress(syntax, generate_instance_uid=False)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame])
    whole = content(dataset)
    return whole[: whole.index(ITEM, whole.index(b"\xe0\x7f\x10\x00OB"))], frame


def item(value: bytes) -> bytes:
    return ITEM + struct.pack("<L", len(value)) + value


FRAGMENTS: dict[str, Callable[[bytes], bytes]] = {
    "bytes of 0xFF after the end marker": lambda frame: item(b"") + item(frame + b"\xff" * 100) + DELIMITER,
    "text after the end marker": lambda frame: item(b"") + item(frame + b"signed by us " * 6) + DELIMITER,
    "an offset beyond the pixels": lambda frame: item(struct.pack("<L", 99_999)) + item(frame) + DELIMITER,
    "an offset table of three bytes": lambda frame: item(b"\1\2\3") + item(frame) + DELIMITER,
    "an offset table for two frames": lambda frame: item(struct.pack("<LL", 0, 77)) + item(frame) + DELIMITER,
    "no offset table": lambda frame: item(frame) + DELIMITER,
    "fragments of odd length": lambda frame: (
        item(b"") + b"".join(item(frame[at : at + 301]) for at in range(0, len(frame), 301)) + DELIMITER
    ),
    "zeros in the place of the delimiter": lambda frame: item(b"") + item(frame) + bytes(8),
    "no delimiter": lambda frame: item(b"") + item(frame),
    "something behind the delimiter": lambda frame: item(b"") + item(frame) + DELIMITER + b"\xff\xd8 text",
    "another delimiter inside": lambda frame: item(b"") + item(frame) + item(b"") + DELIMITER,
}


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("odd", FRAGMENTS.values(), ids=FRAGMENTS)
def test_fragments_are_read_by_their_own_lengths(tmp_path, odd, syntax):
    """Offset table, delimiter and padding may be wrong: one frame needs none of them."""
    head, frame = packed(syntax)
    np.testing.assert_array_equal(read(tmp_path / "odd.dcm", head + odd(frame)).values, PICTURE)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_a_file_that_ends_inside_a_fragment_is_refused(tmp_path, syntax):
    head, frame = packed(syntax)
    path = tmp_path / "cut.dcm"
    path.write_bytes(head + item(b"") + item(frame)[:-5])
    look = look_at_file(path, BLIND)
    assert look.finding.refusal is not None
    assert look.finding.refusal.text.startswith("truncated: expected the end of the pixel data")


def with_un(data: bytes, *tags: int) -> bytes:
    """Write short elements with the VR UN, whose length has four bytes."""
    for tag in tags:
        at = data.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
        (length,) = struct.unpack_from("<H", data, at + 6)
        data = data[: at + 4] + b"UN\0\0" + struct.pack("<L", length) + data[at + 8 :]
    return data


def bare(*, implicit: bool) -> bytes:
    dataset = image()
    del dataset.file_meta
    stream = BytesIO()
    dataset.save_as(stream, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "known attributes as UN": lambda: with_un(
        content(image()), 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280004
    ),
    "no meta information, implicit": lambda: bare(implicit=True),
    "no meta information, explicit": lambda: bare(implicit=False),
    "zeros after the data set": lambda: content(image()) + bytes(100),
    "text after the data set": lambda: content(image()) + b"signed by nobody",
    "meta information of another byte order": lambda: content(image()).replace(EXPLICIT, BIG, 1),
    "meta information of an unknown syntax": lambda: content(image()).replace(
        EXPLICIT, b"1.2.840.99.1".ljust(20, b"\0"), 1
    ),
    "native pixels in fragments": lambda: (
        content(image())[: -8 - PICTURE.nbytes - 4]
        + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
        + item(b"")
        + item(PICTURE.tobytes())
        + DELIMITER
    ),
}


@pytest.mark.parametrize("odd", FILES.values(), ids=FILES)
def test_the_picture_is_read_whatever_its_header_was_written_with(tmp_path, odd):
    data = odd()
    np.testing.assert_array_equal(read(tmp_path / "odd.dcm", data).values, PICTURE)
    header = read_header(tmp_path / "odd.dcm")
    assert (header.rows, header.columns) == (SIDE_PX, SIDE_PX)


def test_pixels_that_contradict_the_transfer_syntax_are_read_by_what_they_are(tmp_path):
    head, frame = packed(JPEGLSLossless)
    said = head.replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.70", 1)
    radiograph = read(tmp_path / "odd.dcm", said + item(b"") + item(frame) + DELIMITER)
    np.testing.assert_array_equal(radiograph.values, PICTURE)
    (remark,) = radiograph.remarks
    assert "JPEG-LS" in remark
    assert ExplicitVRLittleEndian.name not in remark


def test_float_pixels_are_named(tmp_path):
    dataset = image()
    del dataset.PixelData
    dataset.add_new("FloatPixelData", "OF", PICTURE.astype("<f4").tobytes())
    (tmp_path / "float.dcm").write_bytes(content(dataset))
    refusal = look_at_file(tmp_path / "float.dcm", BLIND).finding.refusal
    assert refusal is not None
    assert refusal.text == "Expected Pixel Data (7FE0,0010), found Float Pixel Data (7FE0,0008)."
