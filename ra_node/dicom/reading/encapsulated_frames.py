"""Reads the value of Pixel Data (7FE0,0010), native or in fragments (PS3.5 A.4), as the only frame's bytes.

Fragments are followed by their own lengths. An offset table, which many writers get wrong and one frame does
not need, is skipped; so is everything after the fragments.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from pydicom.encaps import encapsulate

UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM = b"\xfe\xff\x00\xe0"
_CODESTREAMS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
"""How JPEG and JPEG-LS, and JPEG 2000, begin."""
_RLE = b"\x40\0\0\0"
"""Offset of the first segment of an RLE frame, after the header (PS3.5 G.5)."""


class CutOffError(ValueError):
    """The file ends inside a fragment."""


def read_value(stream: BinaryIO, length: int) -> tuple[bytes, bool]:
    """Read a pixel value of that many bytes, or of undefined length, at the stream position.

    Returns the value and whether it is encapsulated; fragments are joined to one after an empty offset table.
    A native value may be shorter than its length. Raises CutOffError.
    """
    if length == UNDEFINED_LENGTH:
        return _joined(stream), True
    start = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(start)
    length = min(length, end - start)
    head = stream.read(min(len(_ITEM), length))
    stream.seek(start)
    if head == _ITEM:
        return _joined(stream), True
    return stream.read(length), False


def is_codestream(value: bytes) -> bool:
    """True for a value that begins as a compressed frame does."""
    return value.startswith(_CODESTREAMS) or value[4:8] == _RLE


def _joined(stream: BinaryIO) -> bytes:
    fragments: list[bytes] = []
    while len(head := stream.read(8)) == 8 and head[:4] == _ITEM:
        (length,) = struct.unpack("<L", head[4:])
        fragments.append(fragment := stream.read(length) if length != UNDEFINED_LENGTH else b"")
        if len(fragment) < length:
            raise CutOffError("expected the end of the pixel data, found the end of the file")
    has_table = len(fragments) > 1 and not is_codestream(fragments[0])
    return encapsulate([b"".join(fragments[has_table:])], has_bot=False)
