"""Hashes of decoded pixels that identify a radiograph independently of file, header and patient.

The hash depends on the order of the values only, and is the same for all eight orientations: copies that are
losslessly compressed, linearly rescaled in value, rotated by quarter turns or flipped have the same digest.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_MOST_STEPS = 1 << 22


def pixel_digest(values: NDArray[np.float32]) -> str:
    """Hash values (rows, columns): 32 hexadecimal digits."""
    ranks = _ranks(values)
    turned = [np.rot90(picture, k) for picture in (ranks, ranks[:, ::-1]) for k in range(4)]
    return min(_hash(np.ascontiguousarray(one)) for one in turned)


def _ranks(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Rank of each value among all distinct values, smallest first."""
    low, high = float(values.min()), float(values.max())
    if high - low < _MOST_STEPS and np.array_equal(values, np.rint(values)):
        steps = (values - np.float32(low)).astype(np.int32)
        present = np.bincount(steps.ravel()) > 0
        return np.asarray((np.cumsum(present) - 1)[steps], np.uint32)
    _, ranks = np.unique(values, return_inverse=True)
    return np.asarray(ranks.reshape(values.shape), np.uint32)


def _hash(ranks: NDArray[np.uint32]) -> str:
    digest = hashlib.blake2b(repr(ranks.shape).encode(), digest_size=16)
    digest.update(ranks.astype("<u4", copy=False).data)
    return digest.hexdigest()
