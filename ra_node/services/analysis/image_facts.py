"""Collects the attributes for the choice between several images of a hand."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.eligibility import is_for_processing
from ra_node.domain.report import ImageFacts
from ra_node.domain.study import ImageHeader
from ra_node.domain.view.position import View, view_of

_ROWS = 16
"""Row step of the hash: two exposures never agree in these rows, and no letter fits between them."""


def facts_of(header: ImageHeader, values: NDArray[np.float32]) -> ImageFacts:
    """The facts of one image with its values (rows, columns)."""
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values[::_ROWS]).data)
    return ImageFacts(
        digest.hexdigest(),
        for_processing=is_for_processing(header),
        frontal=view_of(header)[0] is View.FRONTAL,
        acquired_at=header.acquired_at,
        instance_number=header.instance_number,
        age=header.age,
    )
