"""Sources of an archive run: files and folders, or an archive by Study Instance UID."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ra_node.dicom.reading.file import read_header
from ra_node.errors import Refused
from ra_node.services.archive_run.journal import Journal, QueuedStudies, SeenFile

Seen = Callable[[int], None]
"""Progress callback with the number of files so far."""


class StudySource(Protocol):
    """Provides the studies of a run, and the files of each during its analysis."""

    def line_up(self, journal: Journal, seen: Seen) -> QueuedStudies:
        """Record all studies in the journal."""

    def files(self, journal: Journal, uid: str) -> AbstractContextManager[Sequence[SeenFile]]:
        """The instances of a study, in an order that does not depend on where they come from.

        Raises Refused where it is not available, Retryable where it may be available later.
        """


@dataclass(frozen=True, slots=True)
class FolderStudies:
    """Files and folders, searched recursively; `apart` is excluded, e.g. the results."""

    sources: Sequence[Path]
    apart: Path

    def line_up(self, journal: Journal, seen: Seen) -> QueuedStudies:
        with closing(journal.see(self._paths(), self._look_into)) as steps:
            for count, _ in enumerate(steps, start=1):
                seen(count)
        return journal.line_up()

    def _look_into(self, path: Path, found: os.stat_result) -> SeenFile:
        """A file named on the command line is expected to be an image."""
        one = look_into(path, found)
        return replace(one, broken=True) if one.reason and path in self.sources else one

    @contextmanager
    def files(self, journal: Journal, uid: str) -> Iterator[Sequence[SeenFile]]:
        yield journal.files_of(uid)

    def _paths(self) -> Iterator[Path]:
        for source in self.sources:
            yield from self._below(source) if source.is_dir() else [source]

    def _below(self, source: Path) -> Iterator[Path]:
        """All files in the order of their names; an unreadable folder is listed itself."""
        broken: list[Path] = []
        walk = os.walk(source, onerror=lambda error: broken.append(Path(os.fsdecode(error.filename))))
        for folder, folders, names in walk:
            folders[:] = sorted(name for name in folders if not self._is_apart(Path(folder) / name))
            for name in sorted(names):
                yield Path(folder) / name
        yield from broken

    def _is_apart(self, folder: Path) -> bool:
        return folder.resolve() == self.apart.resolve()


@dataclass(frozen=True, slots=True)
class RemoteStudies:
    """Studies by UID from a peer or a server; `fetch(uid, folder)` stores the files of one in a folder.

    `fetch` raises Refused where the archive does not send the study, Retryable where it may later.
    """

    uids: Sequence[str]
    fetch: Callable[[str, Path], object]
    scratch: Path
    name: str

    def line_up(self, journal: Journal, seen: Seen) -> QueuedStudies:
        del seen
        return journal.line_up_named(self.uids)

    @contextmanager
    def files(self, journal: Journal, uid: str) -> Iterator[Sequence[SeenFile]]:
        del journal
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        try:
            self.fetch(uid, self.scratch)
            yield self._fetched(uid)
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _fetched(self, uid: str) -> Sequence[SeenFile]:
        found = [look_into(path, path.stat()) for path in self.scratch.iterdir()]
        if not found:
            raise Refused(f"expected instances of the study from {self.name}, found none")
        broken = next((one.reason for one in found if one.reason), None)
        if broken:
            raise Refused(f"expected instances that can be read from {self.name}, found one that is {broken}")
        if any(one.study_uid != uid for one in found):
            raise Refused(f"expected instances of the study from {self.name}, found some of another")
        return sorted(found, key=_in_order)


def look_into(path: Path, found: os.stat_result) -> SeenFile:
    """The instance of a file, or the reason why it is none; only its header is read."""
    size, changed_ns = found.st_size, found.st_mtime_ns
    try:
        if stat.S_ISDIR(found.st_mode):
            return SeenFile(path, size, changed_ns, reason="a folder that cannot be read", broken=True)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            return SeenFile(path, size, changed_ns, reason="expected a file, found something else")
        header = read_header(path)
    except Refused as error:
        return SeenFile(path, size, changed_ns, reason=str(error))
    except OSError as error:
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        return SeenFile(path, size, changed_ns, reason=reason, broken=True)
    uids = (header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid)
    return SeenFile(path, size, changed_ns, *uids, header.instance_number)


def one_of_each(files: Iterable[SeenFile]) -> tuple[list[SeenFile], list[SeenFile]]:
    """Separate the first file of each instance from duplicates."""
    first: dict[str, SeenFile] = {}
    again = [one for one in files if first.setdefault(one.sop_uid, one) is not one]
    return list(first.values()), again


def read_uids(words: Iterable[str]) -> list[str]:
    """Parse study UIDs: a UID, or a file with one a line (# begins a comment, "-" is standard input).

    Each once, in their order. Raises Refused for what is neither.
    """
    found: dict[str, None] = {}
    for word in words:
        for line in _lines(word):
            uid = line.partition("#")[0].strip()
            if uid and not set(uid) <= set("0123456789."):
                raise Refused(f"expected Study Instance UIDs, found {uid[:64]!r} in {word}")
            if uid:
                found[uid] = None
    return list(found)


def _lines(word: str) -> list[str]:
    if set(word) <= set("0123456789."):
        return [word]
    path = Path("/dev/stdin") if word == "-" else Path(word)
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise Refused(f"expected a Study Instance UID or a file with some, found {word}") from error


def _in_order(one: SeenFile) -> tuple[str, int, str]:
    return one.series_uid, one.instance_number, one.sop_uid
