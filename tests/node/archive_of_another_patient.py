"""A scripted archive that answers as dcm4chee does: it follows the identity of its own patient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from ra_node.network.presentation_contexts import accepted_contexts
from ra_node.network.pynetdicom_ext.ae import prepare, serve, stop_serving
from tests.network.fakes import TENDED

OTHER_PATIENT = 0xA778
AE_TITLE = "DCM4CHEE"


@dataclass
class Archive:
    """Has the studies `moved` under `patient`; refuses their objects of another one with 0xA778."""

    patient: dict[str, str]
    moved: set[str] = field(default_factory=set)
    port: int = 0
    stored: list[Dataset] = field(default_factory=list)
    refused: int = 0

    def on_c_store(self, event: Event) -> Dataset | int:
        dataset = event.dataset
        if dataset.StudyInstanceUID not in self.moved or dataset.PatientID == self.patient["PatientID"]:
            self.stored.append(dataset)
            return 0x0000
        self.refused += 1
        status = Dataset()
        status.Status = OTHER_PATIENT
        status.ErrorComment = f"Patient ID {dataset.PatientID} differs from {self.patient['PatientID']}"[:64]
        return status

    def on_c_find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        found = Dataset()
        found.QueryRetrieveLevel = "STUDY"
        found.StudyInstanceUID = event.identifier.StudyInstanceUID
        for keyword, value in self.patient.items():
            setattr(found, keyword, value)
        yield 0xFF00, found


@contextmanager
def archive_of(**patient: str) -> Iterator[Archive]:
    """Such an archive on a free port."""
    prepare()
    archive = Archive(patient)
    contexts = [*accepted_contexts(), build_context(StudyRootQueryRetrieveInformationModelFind)]
    handlers = [TENDED, (evt.EVT_C_STORE, archive.on_c_store), (evt.EVT_C_FIND, archive.on_c_find)]
    server = serve(AE(AE_TITLE), ("127.0.0.1", 0), contexts, handlers)
    archive.port = int(server.server_address[1])
    try:
        yield archive
    finally:
        stop_serving(server)
