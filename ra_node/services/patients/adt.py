"""Takes ADT messages: a merge is committed, then acknowledged; the same message twice changes nothing.

A18, A40 and A47 merge the identifiers of MRG-1 into those of PID-3. A08 corrects nothing here, because the
ledger holds no attribute of a patient, and an archive follows the message itself: it lets a destination with
`ask_patient_after_h` be asked for its patient before results of this one that are not sent yet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from ra_node.errors import Refused, Retryable
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import keyed_digest
from ra_node.ledger.patients.patient_merges import PatientIdentifier, merge_patients, update_patient
from ra_node.network.hl7.adt_message import (
    AdtMessage,
    Identifier,
    MessageRefused,
    acknowledgement,
    pairs_of,
    read_adt,
)

MERGES = ("A18", "A40", "A47")
UPDATES = ("A08",)
BY = "hl7"


@dataclass(frozen=True, slots=True)
class AdtReceiver:
    """Dependencies of the listener, built once a process."""

    ledger: Ledger
    secret: bytes
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def take(self, content: bytes) -> bytes:
        """Handle one message and return its acknowledgement: AA after the commit, AE or AR with a reason."""
        code, control_id, reason = "AA", "", ""
        try:
            message = read_adt(content)
            control_id = message.control_id
            self._apply(message)
        except MessageRefused as error:
            code, reason = error.code, error.reason
            control_id = control_id or error.control_id
        except Refused as error:
            code, reason = "AE", str(error)
        except Retryable:
            code, reason = "AE", "the node cannot record it now: send it again"
        except Exception as error:  # noqa: BLE001 - a strange message must not end the listener
            code, reason = "AE", "the message could not be read"
            structlog.get_logger().error("hl7_message_failed", error=type(error).__name__)
        structlog.get_logger().info("hl7_message_acknowledged", code=code, reason=reason)
        at = datetime.fromtimestamp(self.ledger.clock(), UTC)
        return acknowledgement(code, control_id, reason, at, next(self._numbers) % 1_000_000)

    def _apply(self, message: AdtMessage) -> None:
        name = f"{message.sender}\0{message.control_id}".encode()
        digest = keyed_digest(self.secret, name)
        if message.event in UPDATES:
            if not message.current:
                reason = "expected an identifier in PID-3, found none"
                raise MessageRefused("AE", reason, message.control_id)
            update_patient(self.ledger, self.secret, [_as(one) for one in message.current], digest, BY)
            return
        if message.event not in MERGES:
            expected = ", ".join((*UPDATES, *MERGES))
            raise MessageRefused("AR", f"expected the event {expected}", message.control_id)
        for number, (old, new) in enumerate(pairs_of(message)):
            merge_patients(self.ledger, self.secret, _as(old), _as(new), BY, f"{digest}:{number}")


def _as(one: Identifier) -> PatientIdentifier:
    return PatientIdentifier(one.value, one.authority)
