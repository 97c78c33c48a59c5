"""Durable files: synced to disk when the call returns, under names independent of peers."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ra_node.errors import Retryable
from ra_node.filesystem.durable_write import PRIVATE_MODE, fsync_file, fsync_folder, move_durably
from ra_node.ledger.database.engine import random_id

INCOMING = "incoming"
INBOX = "inbox"
PREVIEWS = "previews"
RESULTS = "results"
FOLDERS = (INCOMING, INBOX, PREVIEWS, RESULTS)
"""Folders whose files all have a row, or are swept; the ledger is in none of them."""

READER_STUDIES = "reader-studies"
"""Hands of reader studies, kept until they are exported. No sweep looks there."""
UNLISTED = "unlisted"
"""Below the data folder: files that the ledger does not know. No sweep looks there."""
INNER_MARK = ".identity"
"""File in each of FOLDERS with the identity of the data folder, because each may be a mount of its own."""


class FolderUnavailable(Retryable):
    """The data folder is not the one of this ledger: unmounted, replaced, or emptied."""


class Damage(StrEnum):
    """Kind of damage of a kept file."""

    MISSING = "missing"
    DIFFERS = "differs"
    """Its SHA-256 differs from the one computed while it was received or written."""


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a whole content in hexadecimal digits, as the ledger keeps it."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path, *, from_disk: bool = False) -> str:
    """SHA-256 of a file, 6 ms for 10 MB; `from_disk` first drops it from the page cache."""
    with path.open("rb") as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Files:
    """The data folder of one node; safe to share among threads and processes.

    Files have mode 0600, folders 0700. Paths given and returned as `str` are relative to the data
    folder, with forward slashes. With an `identity` nothing is written to a folder without it:
    an unmounted share is an empty folder, and files in it would be hidden after the mount.
    """

    data_dir: Path
    identity: str = ""
    new_name: Callable[[], str] = random_id
    _synced: set[Path] = field(default_factory=set, compare=False, repr=False)

    def incoming(self, suffix: str = ".part") -> Path:
        """Return a fresh absolute path in the incoming folder, for the caller to write to."""
        return self._folder(INCOMING) / f"{self.new_name()}{suffix}"

    def keep(self, temporary: Path, folder: str, suffix: str = ".dcm") -> str:
        """Sync a finished file of the incoming folder and move it to `folder`; return its path.

        After this the file survives a power cut. OSError (e.g. ENOSPC) leaves it where it was, or
        moved but unknown to the ledger, where the sweep finds it. FolderUnavailable where the folder does
        not carry the identity.
        """
        self.expect_identity(folder)
        target_folder = self._folder(folder)
        target = target_folder / f"{self.new_name()}{suffix}"
        move_durably(temporary, target, PRIVATE_MODE)
        return target.relative_to(self.data_dir).as_posix()

    def write(self, content: bytes | Callable[[Path], object], folder: str, suffix: str) -> str:
        """Write a new file durably (bytes, or a function that writes to a path); return its path.

        The returned path never shows a partial file.
        """
        temporary = self.incoming()
        try:
            if callable(content):
                content(temporary)
            else:
                temporary.write_bytes(content)
            return self.keep(temporary, folder, suffix)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def expect_identity(self, folder: str = "") -> None:
        """Raise FolderUnavailable unless the data folder and `folder` in it have the identity. 0.05 ms."""
        if not self.identity:
            return
        top, root = folder.partition("/")[0], str(self.data_dir)
        for place in (f"{root}/identity", f"{root}/{top}/{INNER_MARK}") if top else (f"{root}/identity",):
            found = read_identity(place)
            if found != self.identity:
                told = "none" if found is None else found or "an unreadable file"
                raise FolderUnavailable(f"expected the identity {self.identity} in {place}, found {told}")

    def path(self, relative: str) -> Path:
        """Return the absolute path; ValueError if it leads out of the data folder."""
        absolute = self.data_dir / relative
        if Path(relative).is_absolute() or ".." in Path(relative).parts:
            raise ValueError(f"expected a path below the data folder, found {relative!r}")
        return absolute

    def damage(self, relative: str, sha256: str | None, *, from_disk: bool = False) -> Damage | None:
        """Compare a kept file with its SHA-256; None where it is intact.

        Without one (None: a file of an older version) only its absence is detected. Raises OSError where the
        file cannot be read: a fault of the machine that says nothing about the content.
        """
        try:
            if sha256 is None:
                self.path(relative).stat()
                return None
            found = sha256_of_file(self.path(relative), from_disk=from_disk)
        except (FileNotFoundError, NotADirectoryError):
            return Damage.MISSING
        return None if found == sha256 else Damage.DIFFERS

    def remove(self, relative: str) -> bool:
        """Remove a file if it exists; return whether it did."""
        try:
            self.path(relative).unlink()
        except FileNotFoundError:
            return False
        return True

    def set_aside(self, relative: str) -> str:
        """Move a file without a row to unlisted/, an image to its top; return its new path."""
        parts = Path(relative).parts
        target = self.data_dir / UNLISTED / (parts[-1] if parts[0] == INBOX else Path(*parts))
        while target.exists():
            target = target.with_name(f"{self.new_name()}{target.suffix}")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _move(self.path(relative), target)
        fsync_folder(target.parent)
        return target.relative_to(self.data_dir).as_posix()

    def unknown_files(self, known: Collection[str], older_than: float) -> Iterator[str]:
        """Give the files below FOLDERS that are not in `known`, last changed before `older_than`.

        `older_than` (seconds since 1970) must be before the time when `known` was read, so that a file whose
        row is about to be committed is not included.
        """
        for folder in FOLDERS:
            for path in sorted(self.path(folder).rglob("*")):
                relative = path.relative_to(self.data_dir).as_posix()
                if relative not in known and _is_old_file(path, older_than):
                    yield relative

    def _folder(self, relative: str) -> Path:
        """Create a folder and its parents durably, once a process."""
        folder = self.path(relative)
        if folder in self._synced and folder.is_dir():
            return folder
        self.expect_identity(relative)
        for parent in (*reversed(folder.relative_to(self.data_dir).parents), Path(relative)):
            step = self.data_dir / parent
            step.mkdir(mode=0o700, parents=True, exist_ok=True)
            fsync_folder(step.parent)
        self._synced.add(folder)
        return folder


def read_identity(path: Path | str) -> str | None:
    """Read an identity; None where there is no such file, "" for one that holds none or cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return ""
    try:
        words = os.read(handle, 256).decode("ascii", "replace").split()
    except OSError:
        return ""
    finally:
        os.close(handle)
    return words[0] if len(words) == 1 else ""


def _move(source: Path, target: Path) -> None:
    """Rename; between two mounts copy, sync, and only then remove."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)
        fsync_file(target, PRIVATE_MODE)
        fsync_folder(target.parent)
        source.unlink()


def _is_old_file(path: Path, older_than: float) -> bool:
    """Skips files that vanish meanwhile, and files with a leading dot, which are locks."""
    try:
        return not path.name.startswith(".") and path.is_file() and path.stat().st_mtime < older_than
    except FileNotFoundError:
        return False
