"""Files that are on the disk when the call returns, under names that owe nothing to a peer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ra_node.ledger.engine import random_id

@dataclass(frozen=True, slots=True)
class Files:
    """The data folder of one node. Files have mode 0600, folders 0700. Paths given and returned
    as `str` are relative to it, with forward slashes."""

    data_dir: Path
    new_name: Callable[[], str] = random_id

    def incoming(self, suffix: str = ".part") -> Path:
        """Return a fresh absolute path in the incoming folder, for the caller to write to."""
        raise LookupError

    def keep(self, temporary: Path, folder: str, suffix: str = ".dcm") -> str:
        """Sync a finished file of the incoming folder and move it to `folder` for good; return its path.

        After this the file outlives a power cut. OSError (e.g. ENOSPC) leaves it where it was.
        """
        raise LookupError

    def write(self, content: bytes | Callable[[Path], None], folder: str, suffix: str) -> str:
        """Write a new file durably (bytes, or a function that writes to a path); return its path."""
        raise LookupError

    def path(self, relative: str) -> Path:
        """Return the absolute path; ValueError if it leads out of the data folder."""
        raise LookupError

    def remove(self, relative: str) -> bool:
        """Remove a file if it is there; tell whether it was."""
        raise LookupError

    def unknown_files(self, known: Collection[str], older_than: float) -> Iterator[str]:
        """Give files that are not in `known` and were last written before `older_than` (seconds since 1970)."""
        raise LookupError
