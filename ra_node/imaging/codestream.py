"""What a compressed frame says about itself, read before any decoder sees it.

A header may promise 512 x 512 while the frame unpacks to gigabytes, and a decoder may fill the end of a
frame that was cut off with grey: both show in a few bytes of the codestream.
"""

from __future__ import annotations

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
"""End of image in JPEG and JPEG-LS, end of codestream in JPEG 2000."""
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers: the JPEG processes and JPEG-LS (0xF7)."""
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xDA)})


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """Give (rows, columns) as the codestream declares them, or None where it has no such marker."""
    start = frame.find(_J2K_START)
    if start >= 0 and not frame.startswith(_JPEG_START):
        return _j2k_size(frame, start + 4)
    return _jpeg_size(frame) if frame.startswith(_JPEG_START) else None


def is_complete(frame: bytes) -> bool:
    """Say whether the codestream ends with its end marker, padding aside."""
    return _END in frame[-64:].rstrip(b"\x00")[-18:]


def _j2k_size(frame: bytes, at: int) -> tuple[int, int] | None:
    """Read the SIZ segment (ISO 15444-1 A.5.1): extent less offset."""
    if len(frame) < at + 20:
        return None
    words = [int.from_bytes(frame[at + 4 + 4 * i : at + 8 + 4 * i], "big") for i in range(4)]
    return words[1] - words[3], words[0] - words[2]


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Walk the marker segments (ISO 10918-1 B.1.1) to the start of frame."""
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
        elif marker in _JPEG_SIZES:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(
                frame[at + 7 : at + 9], "big"
            )
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
