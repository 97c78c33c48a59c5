"""Streams of DICOM files with limits: memory when inflated, number of reads when parsed."""

from __future__ import annotations

import zlib
from io import SEEK_END, BytesIO
from typing import BinaryIO

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

MOST_READS = 300_000
"""Most reads before the pixels, two or three an element: seconds of parsing, far beyond any radiograph."""
HEADER_BYTES = 16 * 2**20
"""Most bytes inflated where only the header is needed."""
WHOLE_BYTES = 512 * 2**20
"""Most bytes inflated of a whole object: 120 megapixels of 16 bits, twice. A bomb of 1 MB makes gigabytes."""


class TooMuchError(ValueError):
    """A file that claims more elements or bytes than a DICOM image can need."""


class CountedReads:
    """A binary stream that raises TooMuchError after MOST_READS reads.

    A sequence of undefined length must be parsed to be skipped: sixteen megabytes of empty items take a
    minute and a gigabyte. Reads are limited to the size of the file: Python would allocate any claimed
    length.
    """

    def __init__(self, stream: BinaryIO, most: int = MOST_READS) -> None:
        self._stream = stream
        self._left = most
        at = stream.tell()
        self._size = stream.seek(0, SEEK_END)
        stream.seek(at)
        self.name = getattr(stream, "name", "")
        self.seek = stream.seek
        self.tell = stream.tell
        self.close = stream.close

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise TooMuchError("expected the elements of an image, found far more")
        return self._stream.read(min(size, self._size))


def plain_stream(stream: BinaryIO, most_bytes: int, *, whole: bool) -> tuple[BinaryIO, UID | None]:
    """Return a stream that pydicom can read, and the actual transfer syntax if it differs.

    A deflated data set (PS3.5 A.5) is inflated, at most `most_bytes` of it: with `whole` more is
    TooMuchError, without it the rest is left out. One with another byte order than that of its meta
    information, or that is not deflated, gets the matching UID. Every other stream is left at its start.
    """
    preamble = read_preamble(stream, force=True)
    meta = _read_file_meta_info(stream)
    stated = meta.get("TransferSyntaxUID")
    at = stream.tell()
    start = stream.read(2)
    found = _found_order(start)
    if stated == DeflatedExplicitVRLittleEndian and found is None:
        stream.seek(at)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(stream.read(), most_bytes)
        if whole and inflater.unconsumed_tail:
            raise TooMuchError(f"expected at most {most_bytes} bytes when inflated, found more")
        return _rewritten(preamble, meta, ExplicitVRLittleEndian, data), DeflatedExplicitVRLittleEndian
    contradicted = stated in _ORDERS and found is not None and found != _ORDERS[stated]
    if contradicted or (stated == DeflatedExplicitVRLittleEndian and found is not None):
        assert found is not None
        return _rewritten(preamble, meta, found, start + stream.read(-1 if whole else most_bytes)), found
    stream.seek(0)
    return stream, None


_ORDERS = {
    ExplicitVRBigEndian: ExplicitVRBigEndian,
    ExplicitVRLittleEndian: ExplicitVRLittleEndian,
    ImplicitVRLittleEndian: ExplicitVRLittleEndian,
}


def _found_order(start: bytes) -> UID | None:
    """The byte order in which a data set begins with group 0008, None for another beginning."""
    return {b"\x08\0": ExplicitVRLittleEndian, b"\0\x08": ExplicitVRBigEndian}.get(start)


def _rewritten(preamble: bytes | None, meta: FileMetaDataset, syntax: UID, data: bytes) -> BinaryIO:
    meta.TransferSyntaxUID = syntax
    plain = BytesIO()
    plain.write((preamble or bytes(128)) + b"DICM")
    write_file_meta_info(DicomIO(plain), meta, enforce_standard=False)
    plain.write(data)
    plain.seek(0)
    return plain
