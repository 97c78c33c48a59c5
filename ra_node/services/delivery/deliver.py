"""Delivers results to one peer: all queued objects in one association, each with its own status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

import structlog

from ra_node.dicom.reading.file import transfer_syntax_of
from ra_node.domain.job import Job, retry_delay_s
from ra_node.domain.result_objects import ObjectKind
from ra_node.errors import Fatal
from ra_node.ledger.alarms import AlarmKind, clear_alarm, raise_alarm
from ra_node.ledger.clock_trust import Trust
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, pending_deliveries, record_delivery
from ra_node.ledger.jobs.peer_backoff import begin_outage, end_outage
from ra_node.ledger.jobs.queue import LeaseLost, release
from ra_node.ledger.results import ResultObject, objects_of
from ra_node.ledger.storage.durable_files import Damage, Files
from ra_node.network.scu.association import OUT_OF_REACH
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress, SendOutcome, SendReport, send
from ra_node.network.status.c_store import DUPLICATE_SOP_INSTANCE, Answer, meaning_of
from ra_node.services.delivery.patient_check import NO_STUDY, OTHER_PATIENTS, Checked, PatientCheck
from ra_node.services.jobs.damaged_content import wait_for_missing
from ra_node.services.jobs.lease import postpone, unless_lost
from ra_node.services.jobs.progress import lost, mark

MOST_DOUBTFUL = 8
"""Attempts for an object refused with a status of the peer's own; with the delays, a quarter of an hour."""

_STATES = {
    Answer.ACCEPTED: DeliveryState.ACCEPTED,
    Answer.RETRY: DeliveryState.WAITING,
    Answer.DOUBTFUL: DeliveryState.WAITING,
    Answer.REFUSED: DeliveryState.REFUSED,
    Answer.OTHER_PATIENT: DeliveryState.REFUSED,
    Answer.NO_CONTEXT: DeliveryState.REFUSED,
    Answer.UNTRIED: DeliveryState.WAITING,
}


Rebuild = Callable[[str, int, Collection[str]], Collection[str]]
"""Rebuilds objects of one version of a study, by UID; returns those that are intact now."""

_TEXTS = {
    Damage.MISSING: "its file is missing and cannot be rebuilt as it was",
    Damage.DIFFERS: "its file was damaged and cannot be rebuilt as it was",
}
_NOT_SENT = {Checked.NO_STUDY: NO_STUDY, Checked.OTHER_PATIENTS: OTHER_PATIENTS}
_UNPROVEN = "whether it is this object is not known, as an older version of the node made it"


class Send(Protocol):
    """Sends objects to a peer and reports each outcome; see `network.scu.c_store.send`."""

    def __call__(
        self,
        peer: PeerAddress,
        objects: Sequence[OutgoingObject],
        tell: Callable[[SendOutcome], object],
        *,
        stopping: Callable[[], bool],
    ) -> SendReport: ...


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Dependencies of the delivery, built once a process.

    Storage commitment is requested from the peers in `committing`.
    """

    ledger: Ledger
    files: Files
    peers: Mapping[str, PeerAddress]
    give_up_after_s: float
    committing: Collection[str] = ()
    stopping: Callable[[], bool] = lambda: False
    send: Send = send
    random: Random = field(default_factory=Random)
    rebuild: Rebuild = lambda _study_uid, _version, _uids: set()
    trust: Callable[[], Trust] = Trust
    patients: PatientCheck | None = None
    """Asks destinations for the present patient; None: none is asked."""

    def patience_s(self) -> float:
        """Age at which an undelivered result is buried; infinite while the clock is not trusted."""
        return self.trust().patience_s(self.give_up_after_s, self.ledger.clock())

    def deliver(self, jobs: Sequence[Job]) -> None:
        """Run deliver jobs of one peer; each ends delivered, postponed, buried or released."""
        found = {job.id: made for job in jobs if (made := self._outgoing(job)) is not None}
        stays = [job for job in jobs if job.id in found and self._stays(job, found[job.id])]
        outgoing = {job.id: found[job.id] for job in stays}
        ready = [job for job in jobs if job.id in outgoing]
        if ready:
            batch = _Batch(self, ready, outgoing)
            try:
                batch.send()
            except Exception as error:  # noqa: BLE001 - one strange object must not end the role
                for job in batch.unrecorded():
                    postpone(self.ledger, job, error, self.random)

    def _outgoing(self, job: Job) -> _Outgoing | None:
        """Objects that a job still has to send; None: the job failed and is postponed."""
        assert job.version is not None
        try:
            pending = pending_deliveries(self.ledger, job)
            uids = [delivery.object.sop_instance_uid for delivery in pending]
            lost = self._mended(job, uids)
            made = {one.sop_instance_uid: one for one in objects_of(self.ledger, job.study_uid, job.version)}
            whole = [one for uid, one in made.items() if uid not in lost]
            fallback = next((one for one in whole if one.kind == ObjectKind.SR_FALLBACK), None)
            return _Outgoing(
                [self._object(made[uid], fallback) for uid in uids if uid not in lost],
                [_lost(uid, lost[uid]) for uid in uids if uid in lost],
                frozenset(uid for uid, one in made.items() if one.sha256 is not None),
            )
        except Exception as error:  # noqa: BLE001 - a lost file must not hold up the other studies
            postpone(self.ledger, job, error, self.random)
        return None

    def _stays(self, job: Job, outgoing: _Outgoing) -> bool:
        """Whether a job is to be sent; a late one is not where its destination names another patient."""
        check, found = self.patients, Checked.SEND
        try:
            if check is not None and check.is_late(job):
                found = check.check(job, self.peers[str(job.peer)], outgoing.objects)
            if found in _NOT_SENT:
                self._refuse_all(job, outgoing, _NOT_SENT[found])
        except LeaseLost:
            structlog.get_logger().warning("lease_lost", job_id=job.id)
        except Exception as error:  # noqa: BLE001 - a strange file must not hold up the other studies
            postpone(self.ledger, job, error, self.random)
        else:
            return found is Checked.SEND
        return False

    def _refuse_all(self, job: Job, outgoing: _Outgoing, why: str) -> None:
        """End the delivery of a study that its destination does not have under the patient of the images."""
        objects = outgoing.objects
        refused = [_not_sent(one.sop_instance_uid, why) for one in objects]
        record_delivery(
            self.ledger, job, [*refused, *outgoing.lost], retry_at=0.0, give_up_after_s=self.patience_s()
        )
        raise_alarm(self.ledger, AlarmKind.PATIENT_REFUSED, job.study_uid, f"{job.peer}: {why}")

    def _mended(self, job: Job, uids: Collection[str]) -> dict[str, Damage]:
        """Rebuild damaged objects; return those that cannot be rebuilt, with alarms raised.

        A missing file is waited for while attempts are left.
        """
        assert job.version is not None
        damaged = self._damaged(job, uids)
        if damaged and self.rebuild(job.study_uid, job.version, set(damaged)):
            damaged = self._damaged(job, uids)
        for uid, damage in damaged.items():
            wait_for_missing(damage, job)
            raise_alarm(self.ledger, AlarmKind.CONTENT, uid, _TEXTS[damage])
            log = structlog.get_logger().bind(study_uid=job.study_uid, object_uid=uid)
            log.error("content_damaged", damage=damage)
        return damaged

    def _damaged(self, job: Job, uids: Collection[str]) -> dict[str, Damage]:
        """Damage of the files of a job, including the fallback of an SR."""
        assert job.version is not None
        found = {}
        for one in objects_of(self.ledger, job.study_uid, job.version):
            if one.path is None or not (one.sop_instance_uid in uids or one.kind == ObjectKind.SR_FALLBACK):
                continue
            damage = self.files.damage(one.path, one.sha256)
            if damage is not None:
                found[one.sop_instance_uid] = damage
        return found

    def _object(self, made: ResultObject, fallback: ResultObject | None) -> OutgoingObject:
        """Add the fallback of an SR for a peer that refuses Comprehensive 3D SR."""
        if made.path is None:
            raise Fatal(f"expected the file of result {made.sop_instance_uid}, found it purged")
        path = self.files.path(made.path)
        alternative = self._object(fallback, None) if made.kind == ObjectKind.SR and fallback else None
        return OutgoingObject(
            path=path,
            sop_class_uid=made.sop_class_uid,
            sop_instance_uid=made.sop_instance_uid,
            transfer_syntax=transfer_syntax_of(path),
            alternative=alternative,
        )


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """Objects that one job sends or cannot send, and those with a UID derived from their content."""

    objects: Sequence[OutgoingObject]
    lost: Sequence[DeliveryOutcome]
    named: frozenset[str]


class _Batch:
    """Jobs of one peer in one association; each is recorded after the response to its last object."""

    def __init__(self, deliverer: Deliverer, jobs: Sequence[Job], outgoing: Mapping[str, _Outgoing]) -> None:
        self._do = deliverer
        self._jobs = list(jobs)
        self._peer = deliverer.peers[str(jobs[0].peer)]
        self._outgoing = outgoing
        self._owner = {one.sop_instance_uid: job for job in jobs for one in outgoing[job.id].objects}
        self._outcomes: dict[str, list[SendOutcome]] = defaultdict(list)
        self._recorded: set[str] = set()

    def unrecorded(self) -> list[Job]:
        """Jobs that have not ended yet."""
        return [job for job in self._jobs if job.id not in self._recorded]

    def send(self) -> None:
        for job in self._jobs:
            if not self._outgoing[job.id].objects:  # all accepted before the last holder ended, or damaged
                self._record(job)
        objects = [one for job in self._jobs for one in self._outgoing[job.id].objects]
        if not objects:
            return
        report = self._do.send(
            self._peer, objects, self._heard, stopping=lambda: self._do.stopping() or lost()
        )
        if report.reach in OUT_OF_REACH:
            self._wait_together(f"{report.reach}: {report.detail}")
        else:
            end_outage(self._do.ledger, self._peer.name, self._jobs[0].kind)

    def _heard(self, outcome: SendOutcome) -> None:
        mark()
        job = self._owner[outcome.sop_instance_uid]
        outcomes = self._outcomes[job.id]
        outcomes.append(outcome)
        if len(outcomes) < len(self._outgoing[job.id].objects):
            return
        if all(one.answer is Answer.UNTRIED for one in outcomes):
            self._recorded.add(job.id)
            unless_lost(partial(release, self._do.ledger, job), job)
        else:
            self._record(job)

    def _record(self, job: Job) -> None:
        """Record the outcomes of a job; an object that was not sent is no failed attempt."""
        self._recorded.add(job.id)
        ledger, outgoing = self._do.ledger, self._outgoing[job.id]
        if self._is_reissued(job):
            return
        tried = [one for one in self._outcomes[job.id] if one.answer is not Answer.UNTRIED]

        def record() -> None:
            state = record_delivery(
                ledger,
                job,
                [*(_outcome(one, outgoing.named, job.attempt) for one in tried), *outgoing.lost],
                retry_at=ledger.clock() + retry_delay_s(job.attempt, self._do.random),
                give_up_after_s=self._do.patience_s(),
                commit=self._peer.name in self._do.committing,
            )
            told = {"study_uid": job.study_uid, "version": job.version, "peer": job.peer}
            structlog.get_logger().info("delivery_attempted", state=state, **told)

        unless_lost(record, job)
        self._alarm(job, tried)

    def _is_reissued(self, job: Job) -> bool:
        """Whether a version under another patient replaces one that the peer refused for its patient."""
        check = self._do.patients
        if check is None or all(one.answer is not Answer.OTHER_PATIENT for one in self._outcomes[job.id]):
            return False
        try:
            objects = self._outgoing[job.id].objects
            return check.check(job, self._peer, objects) is Checked.REISSUED
        except LeaseLost:
            return True

    def _alarm(self, job: Job, tried: Sequence[SendOutcome]) -> None:
        """Raise the alarm of a study whose patient the peer does not accept; end it once it accepts all."""
        ledger = self._do.ledger
        other = next((one for one in tried if one.answer is Answer.OTHER_PATIENT), None)
        if other is not None:
            detail = f"{self._peer.name}: {meaning_of(other.status or 0).meaning}"
            raise_alarm(ledger, AlarmKind.PATIENT_REFUSED, job.study_uid, detail)
        elif tried and all(one.answer is Answer.ACCEPTED for one in tried):
            clear_alarm(ledger, AlarmKind.PATIENT_REFUSED, job.study_uid)

    def _wait_together(self, error: str) -> None:
        waiting = self.unrecorded()
        self._recorded.update(job.id for job in waiting)
        outage = begin_outage(
            self._do.ledger,
            waiting,
            error,
            lambda failures: retry_delay_s(failures, self._do.random),
            give_up_after_s=self._do.patience_s(),
        )
        structlog.get_logger().warning(
            "peer_connection_failed", peer=self._peer.name, error=error, failures=outage.failures
        )


def _outcome(sent: SendOutcome, named: Collection[str], attempt: int) -> DeliveryOutcome:
    """Outcome to record; 0x0111 (duplicate) is a delivery only where the UID derives from the content."""
    detail, sent_uid = sent.detail, sent.sent_sop_instance_uid or None
    if sent_uid not in (None, sent.sop_instance_uid):
        detail = f"{detail} (sent as Comprehensive SR {sent_uid})"
    state = _STATES[sent.answer]
    if sent.answer is Answer.DOUBTFUL and attempt >= MOST_DOUBTFUL:
        state = DeliveryState.REFUSED
    if sent.status == DUPLICATE_SOP_INSTANCE and sent.sop_instance_uid not in named:
        state, detail = DeliveryState.REFUSED, f"{detail}; {_UNPROVEN}"
    return DeliveryOutcome(sent.sop_instance_uid, state, sent.status, detail, sent_uid)


def _lost(uid: str, damage: Damage) -> DeliveryOutcome:
    return _not_sent(uid, _TEXTS[damage])


def _not_sent(uid: str, why: str) -> DeliveryOutcome:
    return DeliveryOutcome(uid, DeliveryState.REFUSED, None, f"not sent: {why}")
