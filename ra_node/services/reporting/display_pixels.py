"""Display pixels of an image for the overlay: its kept preview, or its file where it was never analysed.

An image that its header refuses (an oblique view, a chest) is not decoded on arrival. The overlay shows at
most six of these as thumbnails, so that a study of 300 images costs six decodings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.reading.file import read_dataset
from ra_node.errors import MachineFault, Refused
from ra_node.imaging.pixels import read_radiograph
from ra_node.imaging.preview import PREVIEW_SUFFIX, read_preview, reduced


def read_display(path: Path) -> NDArray[np.uint8]:
    """Read a preview, or decode a DICOM file: (rows, columns).

    Raises KeyError, as a mapping without this image, for a file that cannot be displayed.
    """
    if path.suffix == PREVIEW_SUFFIX:
        return read_preview(path)
    try:
        return reduced(read_radiograph(read_dataset(path)).display)
    except MachineFault:
        raise
    except (Refused, ValueError, AttributeError) as error:
        raise KeyError(path.name) from error
