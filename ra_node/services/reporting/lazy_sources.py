"""Files of a study by instance, read on access.

A study of 2,000 images has 3 GB of previews, of which an overlay shows four.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

KEPT = 16
"""Number of cached values."""


class LazySources(Mapping[str, T]):
    """`read` of each path, by SOP Instance UID; raises its exceptions. Not thread-safe."""

    def __init__(self, paths: Mapping[str, Path], read: Callable[[Path], T]) -> None:
        self._paths, self._read = paths, read
        self._kept: OrderedDict[str, T] = OrderedDict()

    def __getitem__(self, sop_uid: str) -> T:
        if sop_uid not in self._kept:
            self._kept[sop_uid] = self._read(self._paths[sop_uid])
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[sop_uid]

    def __contains__(self, sop_uid: object) -> bool:
        return sop_uid in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
