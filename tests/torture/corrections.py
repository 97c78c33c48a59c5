"""Corrections, withdrawals, re-issued reports and merges, to be killed at commits, without processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.refusal import Reason
from ra_node.domain.report import WithdrawalCause
from ra_node.domain.result_objects import ObjectKind
from ra_node.errors import Refused
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.event_query import trail
from ra_node.ledger.inbox import close_all_associations, instances_of, settle_due
from ra_node.ledger.jobs.queue import abandon, claim
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.patients.patient_merges import PatientIdentifier, merge_patients
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.network.scu.association import Reach
from ra_node.network.scu.c_store import PeerAddress, SendOutcome, SendReport
from ra_node.network.status.c_store import Answer
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.analysis.pixel_comparison import PixelComparison
from ra_node.services.delivery.deliver import Deliverer
from ra_node.services.delivery.patient_check import PatientCheck
from ra_node.services.reception.resend import Resends
from ra_node.services.reporting.answer import Answerer, Destination
from ra_node.services.withdrawal.begin import WithdrawalStarter
from ra_node.services.withdrawal.request import plan_for_study, request_plan
from tests.dicom.builders import PRODUCER, report, source
from tests.finders import BLIND
from tests.ledger.builders import FakeClock
from tests.services.builders import LEASE_S, Bench, FakeJudge, looked

STUDY = str(source().StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
SECRET = b"k" * 32


class Pacs:
    """A PACS that keeps what it accepts; it refuses objects of another patient than its own."""

    def __init__(self, patient: str = "") -> None:
        self.patient = patient
        self.objects: dict[str, Dataset] = {}

    def send(self, peer, objects, tell, *, stopping):
        outcomes = []
        for one in objects:
            made = dcmread(one.path)
            other = bool(self.patient) and made.PatientID != self.patient
            if not other:
                self.objects[one.sop_instance_uid] = made
            answer, status = (Answer.OTHER_PATIENT, 0xA778) if other else (Answer.ACCEPTED, 0)
            outcomes.append(SendOutcome(one.sop_instance_uid, one.sop_instance_uid, answer, status, ""))
            tell(outcomes[-1])
        return SendReport(peer.name, Reach.ACCEPTED, "", tuple(outcomes))

    def ask(self, peer, study_uid, keys):
        found = Dataset()
        found.StudyInstanceUID, found.PatientID = study_uid, self.patient
        return [found]

    def current(self) -> list[Dataset]:
        """The reports that no other report replaces."""
        reports = [one for one in self.objects.values() if one.Modality == "SR"]
        replaced = {
            item.ReferencedSOPInstanceUID
            for one in reports
            for study in one.get("PredecessorDocumentsSequence", [])
            for series in study.ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        }
        return [one for one in reports if one.SOPInstanceUID not in replaced]


class World:
    """A node without processes, whose processes may end at any commit, and its PACS."""

    def __init__(self, folder, pacs: Pacs) -> None:
        self.pacs, clock = pacs, FakeClock()
        ledger = open_ledger(f"sqlite:///{folder}/ledger.sqlite3", clock)
        self.bench = Bench(folder, ledger, Files(folder), clock, SECRET)

    def to_rest(self) -> None:
        """Do what waits, as the roles would after a restart."""
        bench = self.bench
        for _ in range(12):
            abandon(bench.ledger, "worker")
            close_all_associations(bench.ledger, "test-listener")
            bench.clock.advance(20)
            settle_due(bench.ledger, 5.0, 300.0)
            WithdrawalStarter(bench.ledger).step()
            for job in claim(bench.ledger, list(JobKind), "worker", 1, LEASE_S):
                self._do(job)
            if not [job for job in jobs_of(bench.ledger, STUDY) if job.state in OPEN] and self._settled():
                return
        raise AssertionError("expected a node at rest")

    def _settled(self) -> bool:
        waits = any(one.version is None for one in instances_of(self.bench.ledger, STUDY))
        return not waits and not waiting_withdrawals(self.bench.ledger)

    def _do(self, job) -> None:
        bench, bundle = self.bench, report().bundle
        if job.kind is JobKind.EXAMINE:
            examiner = Examiner(bench.ledger, bench.files, FakeJudge(), bundle.sha256, BLIND, look=self._look)
            examiner.examine([job])
        elif job.kind is JobKind.COMPARE:
            resends = Resends(bench.ledger, bench.files, SECRET)
            PixelComparison(bench.ledger, bench.files, resends).compare([job])
        elif job.kind is JobKind.REPORT:
            one = BundleConsistency(bench.ledger, bench.files, FakeJudge(), bundle, BLIND)
            to = [Destination("pacs", BOTH)]
            Answerer(bench.ledger, bench.files, one, PRODUCER, to, "Research").answer(job)
        else:
            peers = {"pacs": PeerAddress("pacs", "PACS", "127.0.0.1", 1, calling_ae="RA_NODE")}
            check = PatientCheck(bench.ledger, bench.files, {"pacs": 86400.0}, SECRET, self.pacs.ask)
            Deliverer(
                bench.ledger, bench.files, peers, 7 * 86400, send=self.pacs.send, patients=check
            ).deliver([job])

    @staticmethod
    def _look(path, rules):
        del path, rules
        return looked()


OPEN = (JobState.READY, JobState.LEASED)


def worlds(folder: Path) -> Callable[[str], World]:
    """Make fresh worlds, each with the study reported and delivered, and a PACS that has this patient."""
    place = folder / "first"
    place.mkdir(parents=True)
    first = World(place, Pacs())
    first.bench.keep(source())
    first.to_rest()
    first.bench.ledger.close()
    numbers = count()

    def make(patient: str) -> World:
        copy = folder / f"world-{next(numbers)}"
        shutil.copytree(place, copy)
        pacs = Pacs(patient)
        pacs.objects = dict(first.pacs.objects)
        return World(copy, pacs)

    return make


def judged(world: World, patient: str, versions: int, *, withdrawn: bool = False) -> None:
    """One current result of that patient, delivered once, with every version named by the next."""
    ledger = world.bench.ledger
    newest = latest_result(ledger, STUDY)
    (current,) = world.pacs.current()
    assert (current.SOPInstanceUID, current.PatientID) == (newest.sr_uid, patient)
    assert newest.version == versions
    made = report_from_json(newest.report_json)
    assert (made.refusal is not None and made.refusal.reason is Reason.WITHDRAWN) is withdrawn
    states = [one.state for one in deliveries_of(ledger, STUDY, version=versions)]
    assert states == [DeliveryState.ACCEPTED] * 2
    assert not [one for one in alarms(ledger) if one.kind is not AlarmKind.HEADER]
    ledger.close()


def resend(world: World) -> None:
    """Correct the patient in another compression, and send it until it is acknowledged."""
    image = source(PatientID="P-2", PatientName="Other^Person")
    image.compress(RLELossless, generate_instance_uid=False)
    world.bench.keep(image)
    world.to_rest()


def withdraw(world: World) -> None:
    with suppress(Refused):  # it is withdrawn already
        plan = plan_for_study(world.bench.ledger, STUDY)
        request_plan(world.bench.ledger, plan, WithdrawalCause.QUALITY, "why", "alice")
    world.to_rest()


def late(world: World) -> None:
    """The study is moved to another patient in the PACS, which then refuses a new version."""
    world.bench.keep(source(SOPInstanceUID="2.25.78"))
    world.to_rest()


def merge(world: World) -> None:
    old, new = PatientIdentifier("1"), PatientIdentifier("2")
    merge_patients(world.bench.ledger, SECRET, old, new, "alice", "message")


def merged_once(world: World) -> None:
    events = [entry.event.what for entry in trail(world.bench.ledger)]
    assert events.count("patients_merged") == 1
    world.bench.ledger.close()


@dataclass(frozen=True, slots=True)
class Case:
    """Work that is killed and repeated, and what holds at the end; `patient` is that of the PACS."""

    work: Callable[[World], None]
    judge: Callable[[World], None]
    patient: str = ""


CASES = {
    "corrected in another compression": Case(resend, lambda world: judged(world, "P-2", 2)),
    "withdrawn": Case(withdraw, lambda world: judged(world, str(source().PatientID), 2, withdrawn=True)),
    "refused for its patient and re-issued": Case(late, lambda world: judged(world, "P-9", 3), "P-9"),
    "merged": Case(merge, merged_once),
}
