"""Puts a backup of the ledger back without losing an image that came after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import Refused
from ra_node.ledger.backup import restore
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import INBOX, Files
from ra_node.ledger.retention import known_paths
from ra_node.services.presence import alive

UNLISTED = "unlisted"
"""Below the data folder: images that the restored ledger does not know. No sweep looks there."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the ledger before it lies, and how many images must be sent again from `unlisted`."""

    before: Path | None
    images: int
    unlisted: Path


def restore_ledger(
    copy: Path, ledger_file: Path, files: Files, open_ledger: Callable[[], Ledger]
) -> Restored:
    """Restore, migrate, and set aside the images that came after the backup; Refused while a role runs.

    Their senders were told Success, so the hourly sweep must not take them for left-overs.
    """
    running = alive(files.data_dir / "run")
    if running:
        raise Refused(f"stop the node first, found running: {', '.join(sorted(running))}")
    before = restore(copy, ledger_file)
    ledger = open_ledger()
    try:
        known = known_paths(ledger)
    finally:
        ledger.close()
    images = [path for path in files.unknown_files(known, float("inf")) if path.startswith(f"{INBOX}/")]
    folder = files.data_dir / UNLISTED
    for path in images:
        folder.mkdir(mode=0o700, exist_ok=True)
        files.path(path).rename(folder / Path(path).name)
    return Restored(before, len(images), folder)
