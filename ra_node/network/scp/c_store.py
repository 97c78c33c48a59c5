"""C-STORE SCP: Success is returned only after the inbox has stored the file."""

from __future__ import annotations

import errno
import re
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog
from pydicom import Dataset
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from ra_node.errors import Refused, Retryable
from ra_node.network.presentation_contexts import is_storage
from ra_node.network.pynetdicom_ext.ae import announces_data_set, receive_failure, received_sha256
from ra_node.network.pynetdicom_ext.command_set import NO_UID
from ra_node.network.pynetdicom_ext.spool import DataSetRefused
from ra_node.network.status.c_store import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, PROCESSING_FAILURE, SUCCESS

log = structlog.get_logger(__name__)

UID_CHARACTERS = re.compile(r"[0-9.]{1,64}")
"""Pattern of a UID (PS3.5 9.1). A file may be named after it, so nothing else is accepted."""

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True, slots=True)
class CallingPeer:
    """The peer of one association, and the id of the association in the inbox."""

    association_id: str
    ae_title: str
    address: str


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One received data set, in a Part-10 file that the inbox moves when it stores it.

    The UIDs are those of the request and of the accepted context; the data set was not parsed yet. A file
    that is still at `path` after `keep` is removed.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    association_id: str
    sha256: str
    """Of the whole file, taken while it was received."""


class StoreOutcome(StrEnum):
    """How the inbox stored a file; both lead to Success."""

    STORED = "stored"
    REPEATED = "repeated"


class Inbox(Protocol):
    """The inbox of the listener; called from the threads of the associations."""

    def opened(self, association_id: str, calling_ae: str, address: str) -> None:
        """Record an association. An exception rejects it as congested."""

    def closed(self, association_id: str) -> None:
        """Record the end of an association: once for each that was opened."""

    def keep(self, file: ReceivedFile) -> StoreOutcome:
        """Make the file and its row durable. Raises Refused or Retryable, which determine the status."""


def on_c_store(event: Event, inbox: Inbox, caller: CallingPeer) -> Dataset:
    """Handle one C-STORE request; return its status (PS3.4 table B.2-1).

    The peer may drop its copy after Success, so `keep` has synced the file and committed its row
    before this returns. A repeated instance is a Success too. Never raises: Refused becomes 0xC000
    and Retryable or a full disk 0xA700, both with an error comment; anything else 0x0110.
    """
    bound = log.bind(peer=caller.ae_title, address=caller.address, association_id=caller.association_id)
    try:
        received = _received(event, caller)
        bound = bound.bind(sop_instance_uid=received.sop_instance_uid)
        outcome = inbox.keep(received)
    except Refused as refusal:
        bound.warning("instance_refused", reason=str(refusal))
        return status_of(CANNOT_UNDERSTAND, str(refusal))
    except Retryable as delay:
        bound.warning("c_store_failed", reason=str(delay))
        return status_of(OUT_OF_RESOURCES, str(delay))
    except Exception as error:  # noqa: BLE001 - without a status the peer would not know that it must keep its copy
        bound.error("c_store_failed", **traced(error))
        if isinstance(error, OSError) and error.errno in _FULL_DISK:
            return status_of(OUT_OF_RESOURCES, "no space to store the instance")
        return status_of(PROCESSING_FAILURE)
    bound.info("instance_stored" if outcome is StoreOutcome.STORED else "duplicate_received")
    return status_of(SUCCESS)


def status_of(code: int, comment: str = "") -> Dataset:
    """Build a response status; ErrorComment is LO, at most 64 characters (PS3.7 annex C)."""
    status = Dataset()
    status.Status = code
    if comment:
        plain = "".join(sign if " " <= sign <= "~" else "?" for sign in " ".join(comment.split()))
        status.ErrorComment = plain.replace("\\", "/")[:64].strip()
    return status


def traced(error: Exception) -> dict[str, str]:
    """Describe an unexpected error for the log without its message, which may quote an attribute."""
    return {"error": type(error).__name__, "trace": "".join(traceback.format_tb(error.__traceback__))}


def _received(event: Event, caller: CallingPeer) -> ReceivedFile:
    request = event.request
    if not isinstance(request, C_STORE):
        raise Refused(f"expected a C-STORE request, found {type(request).__name__}")
    if not announces_data_set(request):
        raise Refused("expected a data set, found a command that announces none")
    failure = receive_failure(request)
    if isinstance(failure, DataSetRefused):
        raise Refused(f"the data set is {failure.strerror}")
    if failure is not None:
        raise Retryable(f"the data set was not written: {failure.strerror}")
    sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
    valid = UID_CHARACTERS.fullmatch(sop_class) and UID_CHARACTERS.fullmatch(sop_instance)
    if not valid or sop_instance == NO_UID:
        raise Refused("expected UIDs of 1 to 64 digits and dots, found others")
    if not is_storage(str(event.context.abstract_syntax)):
        raise Refused("expected a storage presentation context, found another")
    return ReceivedFile(
        path=event.dataset_path,
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance,
        transfer_syntax_uid=str(event.context.transfer_syntax),
        calling_ae=caller.ae_title,
        association_id=caller.association_id,
        sha256=received_sha256(request),
    )
