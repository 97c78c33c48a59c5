"""`ra-node adopt`: binds a data folder and a ledger to each other; no file is removed.

Files without a row are moved to `unlisted`, and images can be taken in again from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from ra_node.errors import Refused
from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import KEY_FILE, open_secret
from ra_node.ledger.retention import known_paths
from ra_node.ledger.storage.durable_files import INBOX, UNLISTED, Files, read_identity, sha256_of_file
from ra_node.ledger.storage.identity import IDENTITY, adopt, kept_files, ledger_identity
from ra_node.network.scp.server import ReceivedFile
from ra_node.services.jobs.liveness import alive
from ra_node.services.reception.ingest import Ingest
from ra_node.services.retention.restore import set_aside_unknown

SOURCE = "UNLISTED"
"""Calling AE title of images that are taken in again; the original one is unknown."""


@dataclass(frozen=True, slots=True)
class BindingPreview:
    """Preview of the binding; an identity is None where there is none, "" where it is unreadable."""

    folder: str | None
    ledger: str | None
    images: int
    """Images without a row: they would be moved to `unlisted`."""
    made: int
    """Previews and results without a row: also moved."""
    missing: int
    """Files named in the ledger and missing in the folder."""


def survey(files: Files, ledger: Ledger | None) -> BindingPreview:
    """Preview without changes; Refused while a role runs. `ledger` None: a new one would be created."""
    running = alive(files.data_dir / "run")
    if running:
        raise Refused(f"stop the node first, found running: {', '.join(sorted(running))}")
    known = known_paths(ledger) if ledger is not None else set()
    unknown = [path for path in kept_files(files) if path not in known]
    images = sum(path.startswith(f"{INBOX}/") for path in unknown)
    return BindingPreview(
        folder=read_identity(files.data_dir / IDENTITY),
        ledger=ledger_identity(ledger) if ledger is not None else None,
        images=images,
        made=len(unknown) - images,
        missing=sum(not files.path(path).exists() for path in known),
    )


def bind_anew(ledger: Ledger, files: Files) -> int:
    """Move files without a row to `unlisted` and bind the two; return the number of images moved."""
    moved = set_aside_unknown(files, known_paths(ledger))
    adopt(ledger, files)
    for alarm in alarms(ledger):
        if alarm.kind is AlarmKind.IDENTITY or (alarm.kind, alarm.subject) == (AlarmKind.ORPHANS, "files"):
            clear_alarm(ledger, alarm.kind, alarm.subject)
    return moved


def ingest_unlisted(ledger: Ledger, files: Files, say: Callable[[str], None]) -> int:
    """Ingest the images of `unlisted` as if they had just been received; return their number.

    A refused one stays where it is. `say` is called with its name and the reason.
    """
    secret = open_secret(files.data_dir / KEY_FILE)
    inbox, taken = Ingest(ledger, files, listener="adopt", secret=secret), 0
    for path in sorted((files.data_dir / UNLISTED).glob("*.dcm")):
        copy = files.incoming(".dcm")
        try:
            shutil.copyfile(path, copy)
            inbox.keep(_received(path, copy))
        except Refused as refusal:
            say(f"{path.name}: {refusal}")
            continue
        finally:
            copy.unlink(missing_ok=True)
        path.unlink()
        taken += 1
    if not any((files.data_dir / UNLISTED).glob("*.dcm")):
        clear_alarm(ledger, AlarmKind.ORPHANS, UNLISTED)
    return taken


def _received(path: Path, copy: Path) -> ReceivedFile:
    """The request that brought a file, as its meta information has it (PS3.10 table 7.1-1)."""
    try:
        meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
        return ReceivedFile(
            path=copy,
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
            calling_ae=SOURCE,
            association_id="",
            sha256=sha256_of_file(copy),
        )
    except (InvalidDicomError, AttributeError, ValueError) as error:
        raise Refused(f"expected a DICOM file, found none ({type(error).__name__})") from error
