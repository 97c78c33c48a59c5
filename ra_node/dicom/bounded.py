"""Streams of DICOM files that cost no more than they may: in memory when inflated, in time when parsed."""

from __future__ import annotations

import zlib
from io import SEEK_END, BytesIO
from typing import BinaryIO

from pydicom.filebase import DicomIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

MOST_READS = 300_000
"""Reads before the pixels, two or three an element: seconds of parsing, far beyond any radiograph."""
HEADER_BYTES = 16 * 2**20
"""What is inflated where only the header is wanted."""
WHOLE_BYTES = 512 * 2**20
"""What is inflated of a whole object: 120 megapixels of 16 bits, twice. A bomb of 1 MB makes gigabytes."""


class TooMuchError(ValueError):
    """A file that claims more elements or bytes than a DICOM image can need."""


class CountedReads:
    """A binary stream that gives up after MOST_READS reads.

    A sequence of undefined length must be parsed to be skipped: sixteen megabytes of empty items take
    a minute and a gigabyte. No read asks for more than there is: Python reserves what a length claims.
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


def inflated(stream: BinaryIO, most_bytes: int, *, whole: bool) -> tuple[BinaryIO, bool]:
    """Give a stream that pydicom need not inflate, and whether it was deflated (PS3.5 A.5).

    The file meta information of the new stream says explicit little endian. At most `most_bytes` are
    inflated: with `whole` more is TooMuchError, without it the rest is left out. Leaves a file of
    another transfer syntax, or without file meta information, at its start.
    """
    preamble = read_preamble(stream, force=True)
    meta = _read_file_meta_info(stream)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        stream.seek(0)
        return stream, False
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(stream.read(), most_bytes)
    if whole and inflater.unconsumed_tail:
        raise TooMuchError(f"expected at most {most_bytes} bytes when inflated, found more")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = BytesIO()
    plain.write((preamble or bytes(128)) + b"DICM")
    write_file_meta_info(DicomIO(plain), meta, enforce_standard=False)
    plain.write(data)
    plain.seek(0)
    return plain, True
