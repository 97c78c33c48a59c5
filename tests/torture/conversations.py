"""What a peer may say to a listener: the corpus of conversations, and everything that a seed makes of it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

from pydicom.uid import DeflatedExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation

from tests.torture.process import OWN_AE
from tests.torture.raw_dicom import (
    ABORT_PDU,
    RELEASE_PDU,
    VERIFICATION_ID,
    association_request,
    echo_request,
    p_data,
    small_image,
    store_request,
)

DX = DigitalXRayImageStorageForPresentation
TOKEN = "raevil"
"""In every name that a peer tries to give to a file, so that it can be searched for."""
LENGTHS = (0, 1, 2, 3, 5, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
WRONG_UIDS = (
    f"../../../{TOKEN}",
    f"/tmp/{TOKEN}",
    f"1.2/../../{TOKEN}.dcm",
    "..",
    "",
    "1" * 64,
    "1." * 200,
    "1.2.3\0.4",
    "1.2.3 ",
    f"{TOKEN};rm -rf /",
    "1.2\\3",
    "\u00e4\u00f6\u00fc",
    "%s%n%x",
    "'; DROP TABLE study; --",
)
Conversation = list[bytes]
Draw = random.Random


def corpus(draw: Draw) -> Conversation:
    """One of the conversations that a peer may hold with a node, well-behaved or nasty by its data set."""
    uid = f"1.2.{draw.randrange(10**9)}"
    request = association_request(OWN_AE)
    choices: list[Callable[[], Conversation]] = [
        lambda: [request, echo_request(), RELEASE_PDU],
        lambda: [
            request,
            *store_request(DX, uid, small_image(uid, uid), draw.choice([100, 16_000])),
            RELEASE_PDU,
        ],
        lambda: [
            request,
            *store_request(DX, wrong := draw.choice(WRONG_UIDS), small_image(wrong, uid)),
            RELEASE_PDU,
        ],
        lambda: [request, *store_request(DX, uid, small_image(uid, draw.choice(WRONG_UIDS))), RELEASE_PDU],
        lambda: [request, *store_request(DX, uid, nested(draw.choice([10, 1_000, 40_000]))), RELEASE_PDU],
        lambda: [request, *store_request(DX, uid, items(draw.choice([100, 20_000]))), RELEASE_PDU],
        lambda: [request, *store_request(DX, uid, lying_elements(draw)), RELEASE_PDU],
        deflated_bomb,
        lambda: [request, *(echo_request() for _ in range(draw.choice([2, 40, 200]))), RELEASE_PDU],
        lambda: [
            request,
            *(p_data(VERIFICATION_ID, bytes(9000), command=True, last=False) for _ in range(200)),
        ],
        lambda: [association_request(OWN_AE, called=draw.choice(["X", "X" * 16, "RA NODE"])), RELEASE_PDU],
        lambda: [
            request,
            p_data(draw.choice([0, 5, 255]), b"x" * 20, command=draw.random() < 0.5),
            RELEASE_PDU,
        ],
        lambda: [draw.randbytes(draw.choice([1, 6, 50, 5_000]))],
        lambda: [ABORT_PDU],
        lambda: [RELEASE_PDU],
    ]
    return draw.choice(choices)()


def nested(depth: int) -> bytes:
    """Sequences in sequences, none of which ends."""
    return _sequence() + (struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + _sequence()) * depth


def items(count: int) -> bytes:
    """A sequence with very many empty items."""
    return _sequence() + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count


def _sequence() -> bytes:
    return struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)


def lying_elements(draw: Draw) -> bytes:
    """Elements whose lengths are not those of their values, with every VR and some that do not exist."""
    parts = []
    for _ in range(draw.randint(1, 30)):
        tag = struct.pack("<HH", draw.choice([0x0008, 0x0010, 0x0028, 0x7FE0]), draw.randrange(0x10000))
        vr = draw.choice([b"UI", b"PN", b"US", b"OW", b"SQ", b"UN", b"UT", b"ZZ", b"\0\0"])
        length = draw.choice(LENGTHS)
        long_form = vr in (b"OW", b"SQ", b"UN", b"UT")
        head = vr + (struct.pack("<HL", 0, length) if long_form else struct.pack("<H", length & 0xFFFF))
        parts.append(tag + head + draw.randbytes(draw.randrange(40)))
    return b"".join(parts)


def deflated_bomb() -> Conversation:
    """A data set of a few kilobytes that inflates to 64 MiB."""
    request = association_request(OWN_AE, syntax=DeflatedExplicitVRLittleEndian)
    return [request, *store_request(DX, "1.2.64", _deflated()), RELEASE_PDU]


@cache
def _deflated() -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(small_image("1.2.64", "1.2.65"))
    data += deflater.compress(struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 64 * 2**20))
    return data + b"".join(deflater.compress(bytes(2**20)) for _ in range(64)) + deflater.flush()


def mutated(conversation: Conversation, draw: Draw) -> Conversation:
    """Make up to four mistakes in a conversation."""
    said = list(conversation)
    for _ in range(draw.randint(0, 4)):
        if said:
            draw.choice(MISTAKES)(said, draw)
    return said


def _flip(said: Conversation, draw: Draw) -> None:
    def change(pdu: bytearray) -> None:
        for _ in range(draw.choice([1, 3, 20])):
            pdu[draw.randrange(len(pdu))] = draw.randrange(256)

    _change(said, draw, change)


def _lie(said: Conversation, draw: Draw) -> None:
    """Write a wrong length of two or four bytes anywhere, most often where lengths stand."""

    def change(pdu: bytearray) -> None:
        size = draw.choice([2, 4])
        at = min(draw.choice([2, 6, 8, 12, 14, draw.randrange(len(pdu))]), max(0, len(pdu) - size))
        length = draw.choice([*LENGTHS, len(pdu) - 6 + draw.choice([-1, 1])]) & (2 ** (8 * size) - 1)
        pdu[at : at + size] = length.to_bytes(size, draw.choice(["big", "little"]))

    _change(said, draw, change)


def _truncate(said: Conversation, draw: Draw) -> None:
    _change(said, draw, lambda pdu: pdu.__delitem__(slice(draw.randrange(len(pdu) + 1), None)))


def _insert(said: Conversation, draw: Draw) -> None:
    junk = draw.randbytes(draw.choice([1, 10, 1_000]))
    _change(said, draw, lambda pdu: pdu.__setitem__(slice(at := draw.randrange(len(pdu) + 1), at), junk))


def _change(said: Conversation, draw: Draw, change: Callable[[bytearray], None]) -> None:
    number = draw.randrange(len(said))
    pdu = bytearray(said[number])
    if pdu:
        change(pdu)
    said[number] = bytes(pdu)


def _drop(said: Conversation, draw: Draw) -> None:
    said.pop(draw.randrange(len(said)))


def _repeat(said: Conversation, draw: Draw) -> None:
    said.insert(draw.randrange(len(said)), draw.choice(said))


def _swap(said: Conversation, draw: Draw) -> None:
    said.insert(draw.randrange(len(said)), said.pop(draw.randrange(len(said))))


def _break_off(said: Conversation, draw: Draw) -> None:
    del said[draw.randrange(len(said)) :]


def _abort(said: Conversation, draw: Draw) -> None:
    _break_off(said, draw)
    said.append(ABORT_PDU)


MISTAKES = (_flip, _flip, _lie, _lie, _truncate, _insert, _drop, _repeat, _swap, _break_off, _abort)
