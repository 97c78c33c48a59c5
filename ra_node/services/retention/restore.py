"""Restores a backup of the ledger without losing images that arrived after it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import Refused
from ra_node.ledger.backup import expect_sound, identity_in, restore
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.patient_key import KEY_FILE, hangs_on_secret
from ra_node.ledger.retention import known_paths
from ra_node.ledger.storage.durable_files import INBOX, UNLISTED, Files, read_identity
from ra_node.ledger.storage.identity import IDENTITY, adopt, has_history, kept_files
from ra_node.services.jobs.liveness import alive


@dataclass(frozen=True, slots=True)
class Restored:
    """Folder of the previous ledger, and number of images in `unlisted` that must be sent again.

    `missing` files are named in the ledger but do not exist; `secret_missing`: earlier reports are not found.
    """

    before: Path | None
    images: int
    unlisted: Path
    missing: int
    secret_missing: bool


def restore_ledger(
    copy: Path, ledger_file: Path, files: Files, open_ledger: Callable[[], Ledger]
) -> Restored:
    """Restore, migrate, and move images newer than the backup to `unlisted`; Refused while a role runs.

    Their senders got Success, so the sweep must not treat them as orphans.
    """
    running = alive(files.data_dir / "run")
    if running:
        raise Refused(f"stop the node first, found running: {', '.join(sorted(running))}")
    _expect_own(copy, files)
    secret = files.data_dir / KEY_FILE
    before = restore(copy, ledger_file, secret)
    ledger = open_ledger()
    try:
        known = known_paths(ledger)
        secret_missing = not secret.exists() and hangs_on_secret(ledger)
        images = set_aside_unknown(files, known)
        adopt(ledger, files)
    finally:
        ledger.close()
    folder = files.data_dir / UNLISTED
    missing = sum(not files.path(path).exists() for path in known)
    return Restored(before, images, folder, missing, secret_missing)


def set_aside_unknown(files: Files, known: Collection[str]) -> int:
    """Move every kept file without a row to `unlisted`; return the number of images."""
    unknown = [path for path in kept_files(files) if path not in known]
    for path in unknown:
        files.set_aside(path)
    return sum(path.startswith(f"{INBOX}/") for path in unknown)


def _expect_own(copy: Path, files: Files) -> None:
    """Refused for the ledger of another data folder, where this one holds files."""
    expect_sound(copy)
    copied, present = identity_in(copy), read_identity(files.data_dir / IDENTITY)
    if copied and present and copied != present and has_history(files):
        raise Refused(
            f"expected a copy of the ledger of {files.data_dir} ({present}),"
            f" found that of another data folder ({copied}): restore it with its own data_dir"
        )
