"""Speaks DICOM byte by byte, so that it can speak it wrongly, and thousands of times a minute."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    A_RELEASE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
ABORT_PDU = struct.pack(">BBLBBBB", ABORT, 0, 4, 0, 0, 0, 0)
VERIFICATION_ID, STORAGE_ID = 1, 3


def association_request(
    calling: str,
    called: str = "RA_NODE",
    storage: str = DigitalXRayImageStorageForPresentation,
    syntax: str = ExplicitVRLittleEndian,
) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2) for Verification (context 1) and one storage class (context 3)."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    most, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    most.maximum_length_received = 16_382
    implementation.implementation_class_uid = UID("1.2.3.4")
    primitive.user_information = [most, implementation]
    contexts = [build_context(Verification), build_context(storage, syntax)]
    for context, number in zip(contexts, (VERIFICATION_ID, STORAGE_ID), strict=True):
        context.context_id = number
    primitive.presentation_context_definition_list = contexts
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


RELEASE_PDU = bytes(A_RELEASE_RQ(A_RELEASE()).encode())


def p_data(context_id: int, fragment: bytes, *, command: bool, last: bool = True) -> bytes:
    """One P-DATA-TF with one fragment (PS3.8 9.3.5, annex E)."""
    item = (
        struct.pack(">LBB", len(fragment) + 2, context_id, (1 if command else 0) | (2 if last else 0))
        + fragment
    )
    return struct.pack(">BBL", P_DATA, 0, len(item)) + item


def echo_request() -> bytes:
    """A C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return p_data(VERIFICATION_ID, _command(0x0030, Verification, {}), command=True)


def store_request(sop_class: str, sop_instance: str, data_set: bytes, chunk: int = 16_000) -> list[bytes]:
    """A C-STORE-RQ (PS3.7 9.3.1.1) and its data set, one PDU each fragment."""
    command = _command(0x0001, sop_class, {0x1000: sop_instance})
    parts = [data_set[start : start + chunk] for start in range(0, len(data_set), chunk)] or [b""]
    sent = [p_data(STORAGE_ID, command, command=True)]
    return sent + [
        p_data(STORAGE_ID, part, command=False, last=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]


def _command(field: int, sop_class: str, more: dict[int, str]) -> bytes:
    elements = [_element(0x0002, _padded(sop_class)), _element(0x0100, struct.pack("<H", field))]
    elements.append(_element(0x0110, struct.pack("<H", 1)))
    if field == 0x0001:
        elements.append(_element(0x0700, struct.pack("<H", 2)))
    elements.append(_element(0x0800, struct.pack("<H", 0x0001 if field == 0x0001 else 0x0101)))
    elements += [_element(number, _padded(uid)) for number, uid in more.items()]
    body = b"".join(elements)
    return _element(0x0000, struct.pack("<L", len(body))) + body


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, number, len(value)) + value


def _padded(uid: str) -> bytes:
    raw = uid.encode("latin-1")
    return raw + b"\0" * (len(raw) % 2)


def small_image(sop_instance: str, study: str) -> bytes:
    """The data set of a chest radiograph without pixels to speak of, explicit VR little endian.

    Written by hand, because a library would refuse or mend what is wrong on purpose.
    """
    return b"".join(
        [
            _explicit(0x0008, 0x0016, b"UI", _padded(DigitalXRayImageStorageForPresentation)),
            _explicit(0x0008, 0x0018, b"UI", _padded(sop_instance)),
            _explicit(0x0008, 0x0060, b"CS", b"DX"),
            _explicit(0x0018, 0x0015, b"CS", b"CHEST "),
            _explicit(0x0020, 0x000D, b"UI", _padded(study)),
            _explicit(0x0020, 0x000E, b"UI", _padded(f"{study}.1")),
            _explicit(0x0028, 0x0010, b"US", struct.pack("<H", 8)),
            _explicit(0x0028, 0x0011, b"US", struct.pack("<H", 8)),
        ]
    )


def _explicit(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


@dataclass
class RawConnection:
    """One TCP connection to a node."""

    port: int
    timeout_s: float = 300.0

    def __enter__(self) -> Self:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout_s)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection without a PDU."""
        self.socket.close()

    def send(self, *pdus: bytes) -> None:
        for pdu in pdus:
            self.socket.sendall(pdu)

    def receive(self) -> tuple[int, bytes]:
        """Read one PDU: its type and body; (0, b"") when the other side has ended the connection."""
        try:
            head = self._read(6)
            if len(head) < 6:
                return 0, b""
            kind, _, length = struct.unpack(">BBL", head)
            return kind, self._read(length)
        except ConnectionError:
            return 0, b""

    def request(self, *pdus: bytes) -> int:
        """Send PDUs and return the type of the PDU received in return, 0 for the end."""
        try:
            self.send(*pdus)
        except ConnectionError:
            return 0
        return self.receive()[0]

    def is_ended(self) -> bool:
        """Wait until the node has ended the connection; False when it has not within the timeout."""
        try:
            while self.receive()[0]:
                pass
        except TimeoutError:
            return False
        return True

    def _read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            part = self.socket.recv(count - len(got))
            if not part:
                break
            got += part
        return got


def store_status(line: RawConnection, pdus: Sequence[bytes]) -> int | None:
    """Send a C-STORE and return its status; None where the association ended instead."""
    try:
        line.send(*pdus)
    except ConnectionError:
        return None
    kind, body = line.receive()
    if kind != P_DATA:
        return None
    marker = struct.pack("<HHL", 0, 0x0900, 2)
    at = body.find(marker)
    return None if at < 0 else int(struct.unpack("<H", body[at + 8 : at + 10])[0])
