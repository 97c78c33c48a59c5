"""Delivers one answer to one peer: every object in one association, each with its own status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import structlog

from ra_node.domain.job import Job, retry_delay_s
from ra_node.domain.result import ObjectKind
from ra_node.errors import Fatal
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import Files
from ra_node.ledger.queue import LeaseLost, bury
from ra_node.ledger.results import (
    Delivery,
    Outcome,
    ResultObject,
    objects_of,
    pending_deliveries,
    record_delivery,
)
from ra_node.ledger.schema import DeliveryState
from ra_node.network.outcome import Answer
from ra_node.network.send import OutgoingObject, PeerAddress, SendOutcome, SendReport, send
from ra_node.services.lease import postpone

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_STATES = {
    Answer.ACCEPTED: DeliveryState.ACCEPTED,
    Answer.RETRY: DeliveryState.WAITING,
    Answer.REFUSED: DeliveryState.REFUSED,
    Answer.NO_CONTEXT: DeliveryState.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Everything that delivering needs, built once a process."""

    ledger: Ledger
    files: Files
    peers: Mapping[str, PeerAddress]
    give_up_after_s: float
    send: Callable[[PeerAddress, Sequence[OutgoingObject]], SendReport] = send
    random: Random = field(default_factory=Random)

    def deliver(self, job: Job) -> None:
        """Do one deliver job; it ends delivered, postponed or buried."""
        try:
            self._deliver(job)
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)
        except Exception as error:  # noqa: BLE001 - one strange object must not end the role
            postpone(self.ledger, job, error, self.random)

    def _deliver(self, job: Job) -> None:
        peer = self.peers.get(job.peer or "")
        if peer is None:
            bury(self.ledger, job, f"no destination named {job.peer} is configured")
            return
        pending = pending_deliveries(self.ledger, job)
        report = self.send(peer, self._outgoing(job, pending))
        delay_s = retry_delay_s(job.attempt, self.random)
        state = record_delivery(
            self.ledger,
            job,
            [_outcome(one) for one in report.outcomes],
            retry_at=self.ledger.clock() + delay_s,
            give_up_after_s=self.give_up_after_s,
        )
        structlog.get_logger().info(
            "delivery_tried", study_uid=job.study_uid, version=job.version, peer=job.peer, state=state
        )

    def _outgoing(self, job: Job, pending: Sequence[Delivery]) -> list[OutgoingObject]:
        assert job.version is not None
        made = {one.kind: one for one in objects_of(self.ledger, job.study_uid, job.version)}
        return [self._object(delivery.object, made.get(ObjectKind.SR_FALLBACK)) for delivery in pending]

    def _object(self, made: ResultObject, fallback: ResultObject | None) -> OutgoingObject:
        """The SR brings its fallback for a peer that refuses the class of Comprehensive 3D SR."""
        if made.path is None:
            raise Fatal(f"expected the file of result {made.sop_instance_uid}, found it purged")
        alternative = self._object(fallback, None) if made.kind == ObjectKind.SR and fallback else None
        return OutgoingObject(
            path=self.files.path(made.path),
            sop_class_uid=made.sop_class_uid,
            sop_instance_uid=made.sop_instance_uid,
            transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
            alternative=alternative,
        )


def _outcome(sent: SendOutcome) -> Outcome:
    detail = sent.detail
    if sent.sent_sop_instance_uid not in ("", sent.sop_instance_uid):
        detail = f"{detail} (sent as Comprehensive SR {sent.sent_sop_instance_uid})"
    return Outcome(sent.sop_instance_uid, _STATES[sent.answer], sent.status, detail)
