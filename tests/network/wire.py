"""What a peer leaves on the wire that stops in the middle of a transfer."""

from __future__ import annotations

import socket
from pathlib import Path

from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
)
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from tests.network.fakes import data_set_bytes


def spooled(incoming: Path) -> list[Path]:
    return sorted(incoming.glob("*.dcm"))


def half_sent(association: Association, path: Path) -> list[bytes]:
    """Encode a C-STORE request as PDUs, all but the last."""
    request = C_STORE()
    request.MessageID = 1
    request.Priority = 2
    request.AffectedSOPClassUID = DigitalXRayImageStorageForPresentation
    request.AffectedSOPInstanceUID = "1.2.3.4"
    request._dataset_path = (path, path.stat().st_size - len(data_set_bytes(path)))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    context_id = association.accepted_contexts[0].context_id
    assert context_id is not None
    return [P_DATA_TF(primitive).encode() for primitive in message.encode_msg(context_id, 16382)][:-1]


def raw_socket(association: Association) -> socket.socket:
    wrapped = association.dul.socket
    assert wrapped is not None
    assert wrapped.socket is not None
    return wrapped.socket
