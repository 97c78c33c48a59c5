"""A day at a small hospital, in a data folder: studies that are answered, refused, failed and on their way.

All is made by the services themselves; only the networks are replaced, by a judge that says what it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pydicom import Dataset

from ra_node.bootstrap.node_context import State, new_owner, open_state, presence_folder
from ra_node.bootstrap.web import build_desk
from ra_node.domain.job import JobKind
from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import Recognition, Staging
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.commitments import begin_transaction, record_report, uncommitted
from ra_node.ledger.database.events import note
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, pending_deliveries, record_delivery
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.peer_backoff import begin_outage
from ra_node.ledger.jobs.queue import bury, claim
from ra_node.ledger.patient_key import KEY_FILE, open_secret
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.worker_status import Announcer
from ra_node.services.reporting.answer import Answerer, Destination
from ra_node.settings.node import Settings, settings_from
from ra_node.web.context import PageContext
from tests.conftest import REPOSITORY
from tests.dicom.builders import PRODUCER
from tests.finders import demo_rules
from tests.services.builders import Bench, FakeJudgement
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.phantom.study import phantom_study

NAME, IDENTITY = "MARKED^NAME", "MARKED-ID-77"
PASSWORD = "correct horse battery"
SENT = (ObjectKind.SR, ObjectKind.OVERLAY)


@dataclass
class Judge:
    """Says of the hands of an image, from image left to image right, what it was told."""

    stages: list[int] = field(default_factory=list)

    def judge(self, crops):
        told = [self.stages[n % len(self.stages)] for n in range(len(crops))]
        return [_judgement(stage) for stage in told]


def _judgement(stage: int) -> FakeJudgement:
    shares = [0.03] * 6
    shares[stage] = 0.85
    return FakeJudgement(Recognition(0.04 + 0.18 * stage, 0.5), Staging(tuple(shares)))


@dataclass
class Hospital:
    """A node with two sources and two destinations; `archive` is out of reach."""

    folder: Path
    web: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = self._settings()
        self.state: State = open_state(self.settings)
        folder = self.settings.node.data_dir
        secret = open_secret(folder / KEY_FILE)
        self.bench = Bench(folder, self.state.ledger, self.state.files, None, secret=secret)
        self.desk: PageContext = build_desk(self.settings, self.state)
        self.desk.passwords.set("night", PASSWORD)

    def close(self) -> None:
        self.state.ledger.close()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Every role is there, as far as anybody can see."""
        here = presence_folder(self.settings)
        with ExitStack() as roles:
            for role in ("listen", "work", "deliver", "schedule"):
                owner = new_owner(role)
                roles.enter_context(present(here, owner))
                if role == "work":
                    Announcer(here, lambda: 3 * 2**30).say(owner, self.desk.card().identity, "")
            yield

    def receive(self, key: str, *, calling_ae: str = "MODALITY", **attributes: object) -> str:
        """A study of one phantom image arrives; return its UID."""
        image = _image(key, **attributes)
        ingest = self.bench.ingest()
        ingest.opened(key, calling_ae, "127.0.0.1")
        ingest.keep(self.bench.received(image, key, calling_ae=calling_ae))
        ingest.closed(key)
        return str(image.StudyInstanceUID)

    def answer(self, study: str, *stages: int) -> None:
        """Judge and answer what waits; every hand gets its stage."""
        settle_now(self.state.ledger, study)
        judge, bundle = Judge(list(stages)), self.desk.card().identity
        jobs = claim(self.state.ledger, [JobKind.EXAMINE], "work-1-a", 8, 60)
        if jobs:
            Examiner(self.state.ledger, self.state.files, judge, bundle.sha256, demo_rules()).examine(jobs)
        (job,) = claim(self.state.ledger, [JobKind.REPORT], "work-1-a", 1, 60)
        one_bundle = BundleConsistency(self.state.ledger, self.state.files, judge, bundle, demo_rules())
        to = [Destination("pacs", SENT), Destination("archive", SENT)]
        Answerer(self.state.ledger, self.state.files, one_bundle, PRODUCER, to, "Research use only").answer(
            job
        )

    def deliver(self, peer: str = "pacs", *, refuse: bool = False) -> None:
        """One delivery succeeds, or the destination refuses its objects for good; commitment follows."""
        ledger = self.state.ledger
        (job,) = claim(ledger, [JobKind.DELIVER], "deliver-1-a", 1, 60, peer=peer)
        state = DeliveryState.REFUSED if refuse else DeliveryState.ACCEPTED
        status, detail = (0xA900, "Data Set does not match SOP Class") if refuse else (0, None)
        outcomes = [
            DeliveryOutcome(one.object.sop_instance_uid, state, status, detail)
            for one in pending_deliveries(ledger, job)
        ]
        record_delivery(ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=not refuse)

    def commit(self) -> None:
        """The PACS promises to keep what it was asked about next."""
        ledger = self.state.ledger
        (job,) = claim(ledger, [JobKind.COMMIT], "deliver-1-a", 1, 60)
        promised = [one.sop_instance_uid for one in uncommitted(ledger, job)]
        begin_transaction(ledger, job, f"1.9.{job.id}"[:30], "PACS")
        record_report(ledger, f"1.9.{job.id}"[:30], {"PACS"}, promised, {}, lambda _: 5)

    def fail(self, key: str) -> str:
        """A study whose image cannot be judged: its job is buried."""
        study = self.receive(key)
        (job,) = claim(self.state.ledger, [JobKind.EXAMINE], "work-1-a", 1, 60)
        bury(self.state.ledger, job, "MemoryError in pixels.py:120")
        return study

    def lose(self, peer: str) -> None:
        """A destination is out of reach from now on."""
        jobs = claim(self.state.ledger, [JobKind.DELIVER], "deliver-1-b", 16, 60, peer=peer)
        error = "no answer from 10.0.0.11 port 104"
        begin_outage(self.state.ledger, jobs, error, lambda _: 300.0, give_up_after_s=7 * 86400)

    def past(self, weeks: int = 12) -> None:
        """Answers of the last weeks, as the timeline tells them; the stages shift a little at the end."""
        now, random = self.state.ledger.clock(), Random(1)
        with self.state.ledger.write() as connection:
            for n in range(weeks * 24):
                at = now - (n + 0.5) * 7 * 86400 / 24
                shift = 0.35 if n < 48 else 0.0
                stages = [min(5, int(random.expovariate(0.9 - shift))) for _ in range(2)]
                refused = random.random() < 0.08 + shift / 2
                told = {
                    "bundle": "efe0ab940f4b",
                    "refusal": "no_hand" if refused else "",
                    "stages": "" if refused else " ".join(map(str, stages)),
                    "probabilities": "" if refused else " ".join(f"{0.08 + 0.17 * s:.3f}" for s in stages),
                    "positive": 0 if refused else sum(s > 2 for s in stages),
                }
                note(connection, at, "study_answered", f"1.9.{n}", version=1, **told)

    def yesterday(self) -> None:
        """Images and answers of the last day."""
        now, random = self.state.ledger.clock(), Random(2)
        with self.state.ledger.write() as connection:
            for n in range(200):
                at = now - 86400 * random.betavariate(2, 2)
                stored = {"calling_ae": "MODALITY", "size_bytes": 9_000_000, "counts": False}
                note(connection, at, "instance_stored", f"1.8.{n}", **stored)
                if n % 2:
                    note(connection, at + 20, "study_answered", f"1.8.{n}", version=1)

    def _settings(self) -> Settings:
        peers = [
            {"name": "xray", "ae_title": "MODALITY", "roles": ["source"]},
            {"name": "ward", "ae_title": "WARD_CR", "roles": ["source"]},
            {"name": "pacs", "ae_title": "PACS", "port": 104, "roles": ["destination"], "commitment": True},
            {"name": "archive", "ae_title": "ARCHIVE", "port": 104, "roles": ["destination"]},
        ]
        tables = {
            "node": {"data_dir": "state", "station_name": "RA-NODE"},
            "models": {"bundle": str(REPOSITORY / "config" / "bundles" / "demo"), "device": "cpu"},
            "limits": {"min_free_gib": 0},
            "peer": peers,
            "web": {"enabled": True, "port": 0, **self.web},
        }
        return settings_from(tables, base=self.folder)


def a_day(hospital: Hospital) -> dict[str, str]:
    """One study of each kind; their UIDs by what became of them."""
    day = {"answered": hospital.receive("answered")}
    hospital.answer(day["answered"], 3, 0)
    hospital.deliver()
    hospital.commit()
    day["refused"] = hospital.receive("chest", BodyPartExamined="CHEST", calling_ae="WARD_CR")
    hospital.answer(day["refused"])
    hospital.deliver(refuse=True)
    day["failed"] = hospital.fail("failed")
    day["open"] = hospital.receive("open")
    hospital.lose("archive")
    return day


def _image(key: str, **attributes: object) -> Dataset:
    hands = (HandRecipe(Side.RIGHT, stage=3), HandRecipe(Side.LEFT, stage=0))
    (image,) = phantom_study(PhantomRecipe(hands, rows=500, columns=600, seed=7), uid_key=f"hospital {key}")
    image.PatientName, image.PatientID = NAME, IDENTITY
    for name, value in attributes.items():
        setattr(image, name, value)
    return image
