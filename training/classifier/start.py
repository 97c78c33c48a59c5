"""Identity of the weights that a run started from, without torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from training.data.weights_origin import Origin
from training.io.atomic_file import write_whole

NOTE = "start.sha256"
"""Hash of the weights that a run started from, and the name of a state file; absent for random ones."""


@dataclass(frozen=True, slots=True)
class Start:
    """The file of initial weights, None for random weights."""

    path: Path | None
    from_run: bool = False
    bundle: str = ""
    """Name and version of the bundle that the file is of; "" for a file or a run."""
    origin: Origin = field(default_factory=Origin)
    """Patients on whom the weights were trained, and terms of use."""

    @property
    def sha256(self) -> str | None:
        """Of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path else None


def note_start(run: Path, start: Start) -> None:
    """Record the initial weights in the run's folder."""
    if start.path is None:
        (run / NOTE).unlink(missing_ok=True)
    else:
        name = "" if start.from_run else f"  {start.bundle and 'bundle '}{start.bundle or start.path.name}"
        text = f"{start.sha256}{name}\n"
        write_whole(run / NOTE, lambda file: file.write(text.encode()))


def noted_start(run: Path) -> str | None:
    """Read what `note_start` wrote: a hash, or hash and name of a file or bundle; None for random weights."""
    return (run / NOTE).read_text().strip() if (run / NOTE).exists() else None
