"""A modality that corrects what it sent, and an operator who withdraws results, while the roles are killed.

At rest the PACS must hold one current report of each study: of the patient of the last correction, or the
one that says "withdrawn". What is sent again under an earlier header changes nothing.
"""

from __future__ import annotations

import io
import random
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless
from sqlalchemy import select

from ra_node.dicom.uids import derive_uid
from ra_node.domain.report import WithdrawalCause
from ra_node.errors import Refused
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.services.withdrawal.request import plan_for_study, request_plan
from tests.conftest import wait_until
from tests.node.harness import Orthanc
from tests.torture.campaign import Campaign
from tests.torture.load import DCMSEND, Acknowledged, Image, store, templates
from tests.torture.points import DELIVER, LISTEN, SCHEDULE, WORK, Point

PAIR = 2
"""Studies that are sent together; their patients may be exchanged."""
WITHDRAWN = "RA AI: result withdrawn"
_RESEND = "ra_node.services.reception.resend"
_SELDOM = ("commitment", "repeat compared", "data set half received")
POINTS = (
    Point("listen", "correction not recorded", f"{_RESEND}:correct", "before"),
    Point("listen", "correction recorded", f"{_RESEND}:correct"),
    Point("listen", "copy kept for its comparison", f"{_RESEND}:keep_for_comparison"),
    Point("work", "correction not recorded", f"{_RESEND}:correct", "before"),
    Point("work", "correction recorded", f"{_RESEND}:correct"),
    Point(
        "work",
        "comparison not ended",
        "ra_node.services.analysis.pixel_comparison:end_comparison",
        "before",
    ),
    Point("schedule", "withdrawal not begun", "ra_node.services.withdrawal.begin:begin_withdrawal", "before"),
    Point("schedule", "withdrawal begun", "ra_node.services.withdrawal.begin:begin_withdrawal"),
    *(
        point
        for point in (*LISTEN, *WORK, *DELIVER, *SCHEDULE)
        if not point.words.startswith(_SELDOM) and "transaction" in point.words
    ),
    Point("deliver", "object accepted by the PACS, not recorded", "ra_node.network.scu.c_store:_store"),
)
"""Before and after what corrects, compares and withdraws, and before and after every commit."""


@dataclass
class Corrected:
    """One study of one image, with the patients that its image named, the last one being right."""

    image: Image
    plain: Dataset
    patients: list[str]
    withdrawn: bool = False
    copies: int = 0


@dataclass
class Ending:
    """What is wrong at rest; empty lists are the promise kept."""

    studies: int = 0
    corrections: int = 0
    withdrawn: int = 0
    wrong: list[str] = field(default_factory=list)


class Corrector(threading.Thread):
    """Sends pairs of studies and corrections of them until told to stop."""

    def __init__(self, folder: Path, port: int, ledger: Ledger, told: Acknowledged, seed: int) -> None:
        super().__init__(name="corrector", daemon=True)
        self.folder, self.port, self.ledger, self.told, self.seed = folder, port, ledger, told, seed
        self.draw = random.Random(seed)
        self.studies: list[Corrected] = []
        self.corrections = 0
        self.enough, self.may_go_on = threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        try:
            while not self.enough.is_set() or not self.studies:
                if self.may_go_on.wait(0.2) or self.enough.is_set():
                    self._pair()
        except BaseException as error:
            self.failure = error
            raise

    def _pair(self) -> None:
        pair = [self._first() for _ in range(PAIR)]
        for one in pair:
            self._send(one, one.patients[-1], compressed=False)
        for _ in range(self.draw.randint(1, 3)):
            self._correct(pair)
            self.enough.wait(self.draw.uniform(0.0, 1.5))
        if self.draw.random() < 0.4:
            self._withdraw(self.draw.choice(pair))

    def _first(self) -> Corrected:
        number, plain = len(self.studies), templates()[2]
        plain.StudyInstanceUID = derive_uid("corrected", str(self.seed), str(number))
        plain.SOPInstanceUID = derive_uid("corrected image", str(self.seed), str(number))
        plain.SeriesInstanceUID = derive_uid("corrected series", str(self.seed), str(number))
        plain.file_meta.MediaStorageSOPInstanceUID = plain.SOPInstanceUID
        path = self.folder / f"{number}.dcm"
        image = Image(path, str(plain.StudyInstanceUID), str(plain.SOPInstanceUID))
        made = Corrected(image, plain, [f"T-{number}"])
        self.studies.append(made)
        return made

    def _correct(self, pair: Sequence[Corrected]) -> None:
        """Exchange the patients of two studies, correct one of them, or repeat an earlier header."""
        kind = self.draw.choice(["exchange", "one", "one", "earlier"])
        compressed = self.draw.random() < 0.5
        if kind == "earlier":
            one = self.draw.choice(pair)
            self._send(one, one.patients[0], compressed=False)
            return
        if kind == "exchange" and all(len(one.patients) == 1 for one in pair):
            wanted = [pair[1].patients[0], pair[0].patients[0]]
        else:
            wanted = [f"{one.patients[0]}-{len(one.patients)}" for one in pair]
        for one, patient in list(zip(pair, wanted, strict=True))[: 2 if kind == "exchange" else 1]:
            self._send(one, patient, compressed=compressed)
            one.patients.append(patient)
            self.corrections += 1

    def _send(self, one: Corrected, patient: str, *, compressed: bool) -> None:
        """Send the image under a patient until it is acknowledged."""
        dataset = dcmread(_written(one.plain, one.image.path))
        dataset.PatientID, dataset.PatientName = patient, f"Torture^{patient}"
        dataset.AccessionNumber = patient
        if compressed:
            dataset.compress(RLELossless, generate_instance_uid=False)
        one.copies += 1
        copy = replace(one.image, path=one.image.path.with_suffix(f".{one.copies}.dcm"))
        dataset.save_as(copy.path, enforce_file_format=True)
        wait_until(lambda: store(DCMSEND, self.port, [copy]), "a Success", 600)
        self.told.add([one.image], {one.image.sop_instance_uid})

    def _withdraw(self, one: Corrected) -> None:
        """As an operator does, once there is a result; the next version may be under way."""
        uid = one.image.study_uid

        def requested() -> bool:
            with suppress(Refused):
                plan = plan_for_study(self.ledger, uid)
                request_plan(self.ledger, plan, WithdrawalCause.QUALITY, "torture", "operator")
                return True
            return False

        wait_until(requested, "a result to withdraw", 600)
        one.withdrawn = True


def _written(plain: Dataset, path: Path) -> Path:
    plain.save_as(path, enforce_file_format=True)
    return path


def ending_of(pacs: Orthanc, ledger: Ledger, corrector: Corrector) -> Ending:
    """Judge a node at rest by what its PACS holds."""
    ending = Ending(len(corrector.studies), corrector.corrections)
    for one in corrector.studies:
        ending.withdrawn += one.withdrawn
        problem = _problem(pacs, ledger, one)
        if problem:
            ending.wrong.append(f"{one.image.study_uid}: {problem}")
    return ending


def _problem(pacs: Orthanc, ledger: Ledger, one: Corrected) -> str:
    held = pacs.instances_of(one.image.study_uid)
    reports = [dcmread(io.BytesIO(pacs.file(made))) for made in held.get("SR", [])]
    replaced = {uid for report in reports for uid in _predecessors(report)}
    current = [report for report in reports if report.SOPInstanceUID not in replaced]
    if len(current) != 1:
        return f"expected one current report, found {len(current)} of {len(reports)}"
    if current[0].PatientID != one.patients[-1]:
        return f"expected the patient of correction {len(one.patients) - 1}, found another"
    if (current[0].get("SeriesDescription") == WITHDRAWN) is not one.withdrawn:
        return f"expected withdrawn: {one.withdrawn}, found {current[0].get('SeriesDescription')}"
    numbers = Counter(int(report.InstanceNumber) for report in reports)
    if max(numbers.values()) > 1 or max(numbers) > len(one.patients) + one.withdrawn:
        return f"expected at most {len(one.patients) + one.withdrawn} versions, found {sorted(numbers)}"
    return _events_problem(ledger, one)


def _events_problem(ledger: Ledger, one: Corrected) -> str:
    event = schema.event
    query = select(event.c.what).where(event.c.study_uid == one.image.study_uid)
    with ledger.read() as connection:
        told = Counter(connection.execute(query).scalars())
    if told["instance_corrected"] != len(one.patients) - 1 - told["correction_overtaken"]:
        return f"expected {len(one.patients) - 1} corrections, found {told['instance_corrected']}"
    if told["study_withdrawn"] != one.withdrawn:
        return f"expected it withdrawn {int(one.withdrawn)} times, found {told['study_withdrawn']}"
    return ""


def _predecessors(report: Any) -> list[str]:
    return [
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


class CorrectionCampaign(Campaign):
    """Kills the roles while studies are corrected and withdrawn."""

    def _senders(self) -> Sequence[Any]:
        place = self.folder / "sent"
        self.corrector = Corrector(place, self.node.port, self.ledger, self.told, self.draw.randrange(2**32))
        self.corrector.start()
        return [self.corrector]

    def ending(self) -> Ending:
        """What is wrong after `run`."""
        return ending_of(self.orthanc, self.ledger, self.corrector)


def campaign_of(folder: Path, pacs: Orthanc, kills: int, seed: int) -> CorrectionCampaign:
    """Such a campaign that has not run yet."""
    return CorrectionCampaign(folder, pacs, kills, seed, points=POINTS, every_point=False)
