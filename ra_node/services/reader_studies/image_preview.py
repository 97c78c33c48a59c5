"""An image of a reader study as a lead sees it, to draw the box of a hand that was refused or missed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.reading.file import DatasetRefused, read_dataset
from ra_node.domain.reader_study.roles import Account
from ra_node.errors import Refused
from ra_node.imaging.pixels import PNG_SIGNATURE, PixelsRefused, read_png, read_radiograph
from ra_node.imaging.preview import reduced
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.reader_studies.studies import find_image
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.access import NotFound, lead_access
from ra_node.services.reader_studies.study_folder import image_path
from ra_node.services.reader_studies.views import FileGone


def image_preview(ledger: Ledger, files: Files, study: str, account: Account, image_id: str) -> bytes:
    """JPEG of a whole image for a lead, longest side 1600 px; FileGone where it cannot be read."""
    with ledger.read() as connection:
        found = lead_access(connection, study, account)
        if find_image(connection, found.id, image_id) is None:
            raise NotFound("expected an image of this reader study, found none")
    path = image_path(files, found.id, image_id)
    if path is None:
        raise FileGone("expected the file of this image, found none")
    done, content = cv2.imencode(".jpg", reduced(_display(path)))
    assert done
    return content.tobytes()


def _display(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as stream:
            is_png = stream.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
        return read_png(path).display if is_png else read_radiograph(read_dataset(path)).display
    except (DatasetRefused, PixelsRefused, Refused, OSError) as error:
        raise FileGone("expected the file of this image, found one that cannot be read") from error
