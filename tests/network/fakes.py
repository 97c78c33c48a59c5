"""An inbox in memory, and the data sets that are sent to it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.dsutils import split_dataset

from ra_node.network.pynetdicom_ext.ae import tend
from ra_node.network.scp.server import ReceivedFile, StoreOutcome

PATIENT = "SECRET^NAME"
TENDED = (evt.EVT_CONN_OPEN, lambda event: tend(event.assoc, 60.0))
"""A handler for every bare peer: the library leaves the sockets of its ended connections open."""


class FakeInbox:
    """Keeps what it receives in a folder and remembers every call.

    `failures` are raised by the first calls of `keep`, one each; `on_keep` and `on_open` run before
    it answers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: list[ReceivedFile] = []
        self.raw: dict[str, bytes] = {}
        self.opened_ids: list[str] = []
        self.closed_ids: list[str] = []
        self.callers: list[tuple[str, str]] = []
        self.failures: list[Exception] = []
        self.open_failure: Exception | None = None
        self.on_keep: Callable[[], object] = lambda: None
        self.on_open: Callable[[], object] = lambda: None
        self.changed = threading.Condition()

    def opened(self, association_id: str, calling_ae: str, address: str) -> None:
        self.on_open()
        if self.open_failure is not None:
            raise self.open_failure
        with self.changed:
            self.opened_ids.append(association_id)
            self.callers.append((calling_ae, address))
            self.changed.notify_all()

    def closed(self, association_id: str) -> None:
        with self.changed:
            self.closed_ids.append(association_id)
            self.changed.notify_all()

    def keep(self, file: ReceivedFile) -> StoreOutcome:
        self.on_keep()
        with self.changed:
            if self.failures:
                raise self.failures.pop(0)
            repeated = file.sop_instance_uid in self.raw
            moved = self.folder / f"{file.sop_instance_uid}.dcm"
            file.path.replace(moved)
            assert file.sha256 == hashlib.sha256(moved.read_bytes()).hexdigest()
            self.raw[file.sop_instance_uid] = data_set_bytes(moved)
            self.kept.append(file)
            self.changed.notify_all()
        return StoreOutcome.REPEATED if repeated else StoreOutcome.STORED

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 120.0) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    def wait_until_closed(self, count: int = 1) -> None:
        assert self.wait_for(lambda: len(self.closed_ids) >= count), "no association ended in time"
        assert sorted(self.opened_ids) == sorted(self.closed_ids)


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> bool:
    """Poll a condition that nobody notifies about, such as a folder, until its deadline."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(0.01)
    return True


def data_set_bytes(path: Path) -> bytes:
    """The encoded data set of a Part-10 file, without preamble and file meta information."""
    _, offset = split_dataset(path)
    return path.read_bytes()[offset:]


def write_instance(
    folder: Path,
    uid: str = "1.2.3.4",
    *,
    syntax: UID = ExplicitVRLittleEndian,
    sop_class: UID = DigitalXRayImageStorageForPresentation,
    pixels_bytes: int = 200_000,
) -> Path:
    """Write a radiograph's worth of bytes; compressed pixels are noise, nobody decodes them here."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.1"
    dataset.PatientName = PATIENT
    dataset.PatientID = PATIENT
    dataset.BitsAllocated = 8
    pixels = bytes(number % 251 for number in range(1000)) * (pixels_bytes // 1000)
    if syntax.is_compressed:
        dataset.PixelData = encapsulate([pixels])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    else:
        dataset.add_new("PixelData", "OW", pixels)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    path = folder / f"{uid}-{syntax}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
