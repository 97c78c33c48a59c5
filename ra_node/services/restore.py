"""Puts a backup of the ledger back without losing an image that came after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import Refused
from ra_node.ledger.backup import restore
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import INBOX, Files
from ra_node.ledger.patient_key import KEY_FILE, hangs_on_secret
from ra_node.ledger.retention import known_paths
from ra_node.services.presence import alive

UNLISTED = "unlisted"
"""Below the data folder: images that the restored ledger does not know. No sweep looks there."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the ledger before it lies, and how many images must be sent again from `unlisted`.

    `missing` files are named by the ledger and not there; `secret_missing`: earlier answers are not found.
    """

    before: Path | None
    images: int
    unlisted: Path
    missing: int
    secret_missing: bool


def restore_ledger(
    copy: Path, ledger_file: Path, files: Files, open_ledger: Callable[[], Ledger]
) -> Restored:
    """Restore, migrate, and set aside the images that came after the backup; Refused while a role runs.

    Their senders were told Success, so the hourly sweep must not take them for left-overs.
    """
    running = alive(files.data_dir / "run")
    if running:
        raise Refused(f"stop the node first, found running: {', '.join(sorted(running))}")
    secret = files.data_dir / KEY_FILE
    before = restore(copy, ledger_file, secret)
    ledger = open_ledger()
    try:
        known = known_paths(ledger)
        secret_missing = not secret.exists() and hangs_on_secret(ledger)
    finally:
        ledger.close()
    images = [path for path in files.unknown_files(known, float("inf")) if path.startswith(f"{INBOX}/")]
    folder = files.data_dir / UNLISTED
    for path in images:
        folder.mkdir(mode=0o700, exist_ok=True)
        files.path(path).rename(folder / Path(path).name)
    missing = sum(not files.path(path).exists() for path in known)
    return Restored(before, len(images), folder, missing, secret_missing)
