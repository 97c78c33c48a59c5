"""Orphans: files without a row, and what is done with each kind.

Nothing is decided from absence alone. Only while data folder and ledger have the same identity, the ledger is
intact and has the folder's mark, and no more files lack a row than a crash can leave:

    incoming/          temporary files of images without Success: removed
    previews, results  can be rebuilt from images and report: removed
    inbox/             moved to unlisted/, never removed; an alarm where no row has this SOP Instance UID
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ra_node.dicom.reading.file import read_header
from ra_node.errors import Refused
from ra_node.ledger.alarms import AlarmKind, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import paths_of
from ra_node.ledger.retention import known_paths
from ra_node.ledger.storage.durable_files import INBOX, INCOMING, UNLISTED, Files
from ra_node.ledger.storage.identity import problem_before_deletion
from ra_node.services.retention.purge import finish_purges

ORPHAN_AGE_S = 3600.0
"""Minimum age of an orphan; a younger file may be about to get its row."""
FILES_OF_A_JOB = 8
"""Most created files per job: five objects, and a preview for each image of a batch."""
TEMPORARY = (".part", ".dcm", ".pgm", ".png", ".npz", ".json")
"""File name suffixes of the node; other files stay."""


@dataclass(frozen=True, slots=True)
class CrashBound:
    """Most files without a row that one crash of all roles can leave between two sweeps.

    `images`: each open association has one file between its rename into the inbox and its row. `made`: each
    running job has its preview or its objects there. An unreachable ledger adds none: the listener removes
    files without Success.
    """

    images: int = 20
    made: int = 64


@dataclass(frozen=True, slots=True)
class Swept:
    """Number of files removed, and of images moved to unlisted/."""

    removed: int = 0
    set_aside: int = 0


def sweep(ledger: Ledger, files: Files, bound: CrashBound) -> Swept:
    """Sweep what a crash has left; for more than that raise the alarm ORPHANS and change nothing."""
    problem = problem_before_deletion(ledger, files)
    if problem:
        structlog.get_logger().error("sweep_refused", reason=problem)
        return Swept()
    finish_purges(ledger, files)
    orphans = list(files.unknown_files(known_paths(ledger), ledger.clock() - ORPHAN_AGE_S))
    images = [path for path in orphans if path.startswith(f"{INBOX}/")]
    arriving = [path for path in orphans if path.startswith(f"{INCOMING}/")]
    made = sorted({*orphans} - {*images, *arriving})
    if _tell_excess(ledger, len(images), len(made), bound):
        return Swept()
    removed = sum(files.remove(path) for path in (*made, *arriving) if path.endswith(TEMPORARY))
    unknown = [path for path in images if _set_aside(ledger, files, path)]
    _tell_unlisted(ledger, files, unknown)
    return Swept(removed, len(images))


def _tell_excess(ledger: Ledger, images: int, made: int, bound: CrashBound) -> bool:
    over = images > bound.images or made > bound.made
    if not over:
        clear_alarm(ledger, AlarmKind.ORPHANS, "files")
        return False
    detail = (
        f"expected at most {bound.images} images and {bound.made} previews and results without a row,"
        f" found {images} and {made}: nothing is swept"
    )
    raise_alarm(ledger, AlarmKind.ORPHANS, "files", detail)
    return True


def _set_aside(ledger: Ledger, files: Files, path: str) -> bool:
    """Move an image to unlisted/; return whether no row has its UID, so that it was not sent again."""
    try:
        known = bool(paths_of(ledger, read_header(files.path(path)).sop_instance_uid))
    except (Refused, OSError):
        known = False
    moved = files.set_aside(path)
    structlog.get_logger().warning("orphan_moved", path=moved, sent_again=known)
    return not known


def _tell_unlisted(ledger: Ledger, files: Files, unknown: Sequence[str]) -> None:
    """Raise the alarm for images that were not sent again; it ends once unlisted/ is empty."""
    folder = files.data_dir / UNLISTED
    if unknown:
        detail = f"expected a row for each image, found {len(unknown)} without: they lie in {folder}"
        raise_alarm(ledger, AlarmKind.ORPHANS, UNLISTED, detail)
    elif not any(folder.glob("*.dcm")):
        clear_alarm(ledger, AlarmKind.ORPHANS, UNLISTED)
