"""A known-good image in the data folder: while it cannot be analysed, no image job is buried.

It is in the inbox, on the same disk as received images, and is analysed by the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import structlog
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from ra_node.dicom.uids import derive_uid
from ra_node.domain.refusal import Reason
from ra_node.filesystem.durable_write import write_atomically
from ra_node.ledger.storage.durable_files import INBOX, Files
from ra_node.services.analysis.study_analysis import HandClassifier, Look, Rules, look_at_file

NAME = ".known-good"
"""The sweep ignores names with a leading dot."""
_SIDE_PX = 192


@dataclass(frozen=True, slots=True)
class Canary:
    """The known-good image of a data folder, and the analysis for it."""

    files: Files
    judge: HandClassifier
    rules: Rules
    look: Callable[[Path, Rules], Look] = look_at_file

    @property
    def path(self) -> Path:
        return self.files.path(f"{INBOX}/{NAME}")

    def place(self) -> None:
        """Write it where it is missing or damaged; a failed write is detected by the next check."""
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            if not self._is_whole():
                write_atomically(self.path, known_good())
        except OSError as error:
            structlog.get_logger().warning("known_good_image_not_saved", error=error.strerror)

    def healthy(self) -> bool:
        """Read and analyse it: True where that works, so that the earlier failure was that of another image.

        A missing or empty inbox is a fault of the disk: nothing is created in its place.
        """
        try:
            if not self._is_whole() and any(self.path.parent.iterdir()):
                write_atomically(self.path, known_good())
            look = self.look(self.path, self.rules)
            crop = np.zeros((self.rules.side_px, self.rules.side_px), np.uint8)
            self.judge.judge([crop])
        except Exception as error:  # noqa: BLE001 - whatever it was, a good image cannot be analysed
            structlog.get_logger().error("known_good_image_failed", error=type(error).__name__)
            return False
        refusal = look.finding.refusal
        return refusal is None or refusal.reason is not Reason.UNREADABLE_PIXELS

    def _is_whole(self) -> bool:
        try:
            return self.path.read_bytes() == known_good()
        except FileNotFoundError:
            return False


@cache
def known_good() -> bytes:
    """A synthetic radiograph of a bright disc, as a file."""
    made = Dataset()
    made.SOPClassUID, made.Modality = DigitalXRayImageStorageForPresentation, "DX"
    made.PresentationIntentType, made.BodyPartExamined = "FOR PRESENTATION", "HAND"
    made.SOPInstanceUID = derive_uid("known-good image")
    made.StudyInstanceUID, made.SeriesInstanceUID = (
        derive_uid("known-good", "1"),
        derive_uid("known-good", "2"),
    )
    made.Rows = made.Columns = _SIDE_PX
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    rows, columns = np.mgrid[:_SIDE_PX, :_SIDE_PX] - _SIDE_PX / 2
    disc = np.clip(3000 - 30 * np.hypot(rows, columns), 0, None).astype("<u2")
    made.add_new("PixelData", "OW", disc.tobytes())
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()
