"""A node without processes: ledger and files of a test, and a judge that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.domain.job import Job, JobKind
from ra_node.domain.report import Recognition, Staging
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import settle_due
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.storage.durable_files import Files, sha256_of
from ra_node.network.scp.server import ReceivedFile, StoreOutcome
from ra_node.services.analysis.study_analysis import Look
from ra_node.services.reception.ingest import Ingest
from tests.dicom import builders as dicom
from tests.ledger.builders import FakeClock

LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class FakeJudgement:
    recognition: Recognition
    staging: Staging
    heat: NDArray[np.float32] | None = None


JUDGEMENT = FakeJudgement(Recognition(0.9, 0.5), Staging((0.05, 0.05, 0.1, 0.7, 0.05, 0.05)))


@dataclass
class FakeJudge:
    """Says the same of every hand, and remembers how it was asked."""

    batches: list[int] = field(default_factory=list)
    error: Exception | None = None
    says: FakeJudgement = JUDGEMENT

    def judge(self, crops: Sequence[NDArray[np.uint8]]) -> list[FakeJudgement]:
        if self.error is not None:
            raise self.error
        self.batches.append(len(crops))
        return [self.says for _ in crops]


@dataclass
class Bench:
    """Ledger, files and clock of one test."""

    folder: Path
    ledger: Ledger
    files: Files
    clock: FakeClock
    secret: bytes = b""
    """What patients are hashed with; b"": the ledger knows nobody."""

    def ingest(self) -> Ingest:
        return Ingest(self.ledger, self.files, "test-listener", secret=self.secret)

    def received(self, dataset: Dataset, association: str = "a", **changes: str) -> ReceivedFile:
        """A file as the listener hands it over."""
        path = self.folder / "incoming" / f"{self.ledger.new_id()}.dcm"
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        fields = {
            "sop_class_uid": str(dataset.SOPClassUID),
            "sop_instance_uid": str(dataset.SOPInstanceUID),
            "transfer_syntax_uid": str(dataset.file_meta.TransferSyntaxUID),
            "calling_ae": "MODALITY",
            "association_id": association,
            "sha256": sha256_of(path.read_bytes()),
        }
        return ReceivedFile(path=path, **{**fields, **changes})

    def keep(self, *datasets: Dataset) -> list[StoreOutcome]:
        """Receive data sets in one association."""
        ingest = self.ingest()
        ingest.opened("a", "MODALITY", "127.0.0.1")
        outcomes = [ingest.keep(self.received(dataset)) for dataset in datasets]
        ingest.closed("a")
        return outcomes

    def settle(self) -> list[tuple[str, int]]:
        self.clock.advance(10)
        return settle_due(self.ledger, 5.0, 300.0)

    def claim(self, kind: JobKind, limit: int = 8) -> list[Job]:
        return claim(self.ledger, [kind], "worker", limit, LEASE_S)


def looked(number: int = 1) -> Look:
    """A look at an image with both hands, as if they had been found."""
    image = dicom.image(*dicom.both_hands(), number=number)
    crop = np.zeros((224, 224), np.uint8)
    return Look(image, (crop,) * len(image.hands), np.zeros((image.rows, image.columns), np.uint8))
