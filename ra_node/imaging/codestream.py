"""Reads markers of a compressed frame before it is decoded.

A header may state 512 x 512 while the frame decodes to gigabytes, or name another compression; a decoder may
fill the end of a truncated frame with grey. All of this is visible in a few bytes of the codestream.
"""

from __future__ import annotations

from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
"""End of image in JPEG and JPEG-LS, end of codestream in JPEG 2000."""
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers: the JPEG processes and JPEG-LS (0xF7)."""
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xDA)})
_SCAN, _TILE_PART, _TILE_DATA = 0xDA, 0x90, 0x93
_MOST_SEGMENTS = 15
_SYNTAXES: dict[int, tuple[UID, ...]] = {
    0xC0: (JPEGBaseline8Bit, JPEGExtended12Bit),
    0xC1: (JPEGExtended12Bit, JPEGBaseline8Bit),
    0xC3: (JPEGLosslessSV1, JPEGLossless),
    0xF7: (JPEGLSLossless, JPEGLSNearLossless),
}
"""Which transfer syntaxes a start-of-frame marker fits."""


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) declared in the codestream, or None without such a marker."""
    start = frame.find(_J2K_START)
    if start >= 0 and not frame.startswith(_JPEG_START):
        return _j2k_size(frame, start + 4)
    at = _start_of_frame(frame)
    if at is None or at + 9 > len(frame):
        return None
    return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")


def declared_bits(frame: bytes) -> int | None:
    """Bits per sample declared in the codestream (P of SOF, Ssiz of SIZ)."""
    start = frame.find(_J2K_START)
    if start >= 0 and not frame.startswith(_JPEG_START):
        return (frame[start + 42] & 0x7F) + 1 if len(frame) > start + 42 else None
    at = _start_of_frame(frame)
    return frame[at + 4] if at is not None and at + 4 < len(frame) else None


def fitting_syntaxes(frame: bytes) -> tuple[UID, ...]:
    """Transfer syntaxes that match the markers of a frame, most likely first; () for none."""
    if frame.startswith(_J2K_START):
        return (JPEG2000Lossless, JPEG2000)
    if _is_rle(frame):
        return (RLELossless,)
    at = _start_of_frame(frame)
    return () if at is None else _SYNTAXES.get(frame[at + 1], ())


def whole(frame: bytes) -> bytes | None:
    """The codestream up to its end marker, which is added where only it is missing; None: truncated.

    Other markers are skipped by their lengths, because a comment or a preview may hold the same two bytes.
    """
    start = frame.find(_J2K_START)
    if start >= 0 and not frame.startswith(_JPEG_START):
        end = _j2k_end(frame, start)
    else:
        scan = _scan(frame)
        end = frame.find(_END, 2 if scan is None else scan)
    return None if end < 0 else frame[:end] + _END


def _is_rle(frame: bytes) -> bool:
    """A header of 64 bytes: how many segments, and where they begin (PS3.5 G.5)."""
    count = int.from_bytes(frame[:4], "little")
    if not 1 <= count <= _MOST_SEGMENTS:
        return False
    starts = [int.from_bytes(frame[4 * i : 4 * i + 4], "little") for i in range(1, count + 1)]
    return starts[0] == 64 and starts == sorted(starts) and starts[-1] < len(frame)


def _j2k_size(frame: bytes, at: int) -> tuple[int, int] | None:
    """Read the SIZ segment (ISO 15444-1 A.5.1): extent less offset."""
    if len(frame) < at + 20:
        return None
    words = [int.from_bytes(frame[at + 4 + 4 * i : at + 8 + 4 * i], "big") for i in range(4)]
    return words[1] - words[3], words[0] - words[2]


def _j2k_end(frame: bytes, start: int) -> int:
    """Position of the end marker after all segments and tile-parts (ISO 15444-1 A.4.2), -1 without one.

    The last tile-part may have unknown length (0). If all are complete, the end is that of the last one.
    """
    at = start + 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        if frame[at : at + 2] == _END:
            return at
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        if frame[at + 1] == _TILE_PART:
            part = int.from_bytes(frame[at + 6 : at + 10], "big")
            if part < 14:
                break
            at += part
        else:
            at += 2 + length
    only_padding = at <= len(frame) <= at + 1 and not frame[at:].strip(b"\0")
    return at if only_padding else frame.find(_END, at)


def _segments(frame: bytes) -> list[tuple[int, int]]:
    """Marker and position of every segment (ISO 10918-1 B.1.1) up to the first scan."""
    at, found = 2, []
    if not frame.startswith(_JPEG_START):
        return []
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        found.append((marker, at))
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return found


def _start_of_frame(frame: bytes) -> int | None:
    return next((at for marker, at in _segments(frame) if marker in _JPEG_SIZES), None)


def _scan(frame: bytes) -> int | None:
    return next((at for marker, at in _segments(frame) if marker == _SCAN), None)
