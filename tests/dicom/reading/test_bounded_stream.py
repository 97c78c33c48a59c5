"""A small file cannot make the node read for minutes or hold gigabytes."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)
from pynetdicom.dsutils import split_dataset

from ra_node.dicom.reading import bounded_stream
from ra_node.dicom.reading.bounded_stream import CountedReads, TooMuchError, plain_stream
from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_header
from ra_node.dicom.reading.instance_equality import same_pixels

PIXELS = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 32 * 2**20) + bytes(32 * 2**20)


def written(folder: Path, tail: bytes, *, deflated: bool = False) -> Path:
    """A DX object whose data set ends with `tail`."""
    image = Dataset()
    image.SOPClassUID = DigitalXRayImageStorageForPresentation
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.4", "1.2.5"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{len(tail)}-{deflated}.dcm"
    image.save_as(path, enforce_file_format=True)
    _, offset = split_dataset(path)
    data = path.read_bytes()[offset:] + tail
    if deflated:
        image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        image.save_as(path, enforce_file_format=True)
        _, offset = split_dataset(path)
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
    path.write_bytes(path.read_bytes()[:offset] + data)
    return path


def test_of_a_deflated_bomb_only_the_header_is_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ra_node.dicom.reading.file.HEADER_BYTES", 10_000)
    bomb = written(tmp_path, PIXELS, deflated=True)
    assert bomb.stat().st_size < 100_000
    assert read_header(bomb).sop_instance_uid == "1.2.3"
    with bomb.open("rb") as stream:
        plain, stated = plain_stream(stream, 10_000, whole=False)
    assert stated == DeflatedExplicitVRLittleEndian
    assert len(plain.read()) < 11_000


def test_a_deflated_bomb_is_refused_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ra_node.dicom.reading.file.WHOLE_BYTES", 2**20)
    with pytest.raises(DatasetRefused, match="at most 1048576 bytes when inflated"):
        read_dataset(written(tmp_path, PIXELS, deflated=True))


def test_a_deflated_object_within_bounds_is_read_as_pydicom_reads_it(tmp_path: Path):
    path = written(tmp_path, PIXELS, deflated=True)
    found = read_dataset(path)
    assert found == dcmread(path)
    assert found.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert same_pixels(path, path)


def test_a_sequence_of_endless_empty_items_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It has an undefined length, so that it must be parsed to be skipped."""
    monkeypatch.setattr(bounded_stream.CountedReads.__init__, "__defaults__", (2_000,))
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    sequence = struct.pack("<HH2sHL", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    with pytest.raises(DatasetRefused, match="found far more"):
        read_header(written(tmp_path, sequence + item * 10_000 + end))
    assert read_header(written(tmp_path, sequence + item * 100 + end)).sop_instance_uid == "1.2.3"


def test_sequences_nested_without_end_are_refused(tmp_path: Path):
    deeper = struct.pack("<HH2sHL", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    with pytest.raises(DatasetRefused):
        read_header(written(tmp_path, deeper * 50_000))


def test_reads_are_counted_to_the_last():
    stream = CountedReads(BytesIO(b"abc"), most=2)
    assert (stream.read(1), stream.read(1)) == (b"a", b"b")
    with pytest.raises(TooMuchError):
        stream.read(1)
