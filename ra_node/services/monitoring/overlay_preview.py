"""File contents for the page: the overlay as JPEG and, where configured, the patient."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ra_node.dicom.reading.file import read_attributes, read_dataset
from ra_node.dicom.reading.identity_attributes import text_of
from ra_node.domain.result_objects import ObjectKind
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.results import ResultObject, objects_of
from ra_node.ledger.storage.durable_files import Files

SMALL_PX, LARGE_PX = 240, 1600
"""Longest side of a thumbnail and of the image on the page of a study."""
KEPT = 256
"""Number of cached JPEGs, of some 10 to 300 kB each."""


class OverlayPreviews:
    """Reads files for the page; JPEGs are cached, names never."""

    def __init__(self, ledger: Ledger, files: Files) -> None:
        self.ledger, self.files = ledger, files
        self._jpeg = lru_cache(KEPT)(_jpeg)

    def overlay(self, study_uid: str, version: int, longest_px: int) -> bytes:
        """The overlay of one report as JPEG; Refused where there is none, or it was purged."""
        for made in objects_of(self.ledger, study_uid, version):
            if made.kind == ObjectKind.OVERLAY and made.path is not None:
                return self._picture(made, made.path, longest_px)
        raise Refused("expected an overlay of this report, found none that is kept")

    def patient(self, study_uid: str) -> str:
        """Name and ID in the newest kept file of a study, "" where there is none."""
        for instance in reversed(instances_of(self.ledger, study_uid)):
            if instance.path is not None:
                try:
                    if self.files.damage(instance.path, instance.sha256):
                        continue
                    return _words(read_attributes(self.files.path(instance.path)))
                except (Refused, OSError):
                    continue
        return ""

    def _picture(self, made: ResultObject, path: str, longest_px: int) -> bytes:
        try:
            if self.files.damage(path, made.sha256):
                raise Refused(
                    f"expected the overlay {made.sop_instance_uid} as it was made, found it damaged"
                )
            return self._jpeg(self.files.path(path), longest_px)
        except OSError as error:
            raise Refused(f"the overlay {made.sop_instance_uid} cannot be read: {error.strerror}") from error


def _jpeg(path: Path, longest_px: int) -> bytes:
    picture = np.asarray(read_dataset(path).pixel_array)
    rows, columns = picture.shape[:2]
    scale = min(1.0, longest_px / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise Refused(f"an overlay of shape {picture.shape} could not be encoded as JPEG")
    return bytes(data)


def _words(header: Dataset) -> str:
    told = (text_of(header, Tag(name)) for name in ("PatientName", "PatientID"))
    return ", ".join(part for part in told if part)
