"""Scrub: compares every kept file with its SHA-256, at once by command, or slowly in the background.

A damaged file raises an alarm, which ends when it is intact again, replaced or purged. Nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import find_instance
from ra_node.ledger.storage.damage import restored
from ra_node.ledger.storage.durable_files import Damage, Files
from ra_node.ledger.storage.kept_files import (
    FileKind,
    KeptFile,
    Place,
    kept_files,
    named_value,
    set_named_values,
    still_kept,
)
from ra_node.services.delivery.deliver import Rebuild
from ra_node.services.jobs.damaged_content import alarm_text, says_damaged

PASS_S = 86400.0
"""Pause between two background passes."""
MOST_MISSING = 10
"""With more missing files at once the folder itself is missing."""
_PLACE, _ENDED = "scrub.place", "scrub.ended_at"
_NOT_THERE = "more than {} kept files are missing at once: is the data folder mounted, is it the right one?"


@dataclass(frozen=True, slots=True)
class Problem:
    """One damaged file; `found` is "missing", "differs" or the read error."""

    kind: FileKind
    study_uid: str
    uid: str
    path: str
    found: str
    mended: bool = False
    """Whether it was rebuilt."""


@dataclass
class Scrubbed:
    """Result of a check; of files without a SHA-256, from an older version, only absence is detected."""

    files: int = 0
    bytes: int = 0
    without_sha256: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return sum(one.found == Damage.MISSING for one in self.problems)


@dataclass
class Scrubber:
    """Checks the files of one node; `rebuild` rebuilds results, if given."""

    ledger: Ledger
    files: Files
    rebuild: Rebuild = lambda _study_uid, _version, _uids: set()
    _owed_bytes: int = 0
    _raised: frozenset[str] = frozenset()

    def scrub(
        self, follow: Callable[[Iterable[KeptFile]], Iterable[KeptFile]] = lambda files: files
    ) -> Scrubbed:
        """Check everything once; `follow` iterates over the files and shows the progress."""
        self._raised = self._alarmed()
        done = Scrubbed()
        for file in follow(kept_files(self.ledger, Place())):
            self._look(file, done)
        self._judge(done)
        self._clear_purged()
        return done

    def step(self, most_bytes: int) -> None:
        """Check about that many bytes from the last position; a new pass starts a day after the last."""
        self._owed_bytes = max(0, self._owed_bytes - most_bytes)
        if self._owed_bytes or not self._is_time():
            return
        self._raised = self._alarmed()
        done, place = Scrubbed(), None
        for file in kept_files(self.ledger, self._place()):
            self._look(file, done)
            place = Place(file.kind, file.key)
            if done.bytes >= most_bytes:
                break
        else:
            place = None
        self._owed_bytes = max(0, done.bytes - most_bytes)
        if not self._judge(done):
            return  # repeat the same files until the folder exists
        if place is None:
            self._clear_purged()
            set_named_values(self.ledger, {_PLACE: "", _ENDED: str(self.ledger.clock())})
            structlog.get_logger().info("scrub_completed")
        else:
            set_named_values(self.ledger, {_PLACE: f"{place.kind} {place.key}"})

    def _place(self) -> Place:
        kind, _, key = (named_value(self.ledger, _PLACE) or "").partition(" ")
        return Place(FileKind(kind), key) if kind else Place()

    def _is_time(self) -> bool:
        """Within a pass, or long enough after one, also after a clock that was ahead."""
        if named_value(self.ledger, _PLACE):
            return True
        age = self.ledger.clock() - float(named_value(self.ledger, _ENDED) or "0")
        return not 0 <= age < PASS_S

    def _look(self, file: KeptFile, done: Scrubbed) -> None:
        found = ""
        try:
            path = self.files.path(file.path)
            found = str(self.files.damage(file.path, file.sha256, from_disk=True) or "")
            size = 0 if found == Damage.MISSING else path.stat().st_size
        except OSError as error:
            found, size = f"cannot be read: {error.strerror or type(error).__name__}", 0
        if found and not still_kept(self.ledger, file):
            return
        done.files += 1
        done.bytes += size
        done.without_sha256 += file.sha256 is None
        if found:
            done.problems.append(
                Problem(file.kind, file.study_uid, file.uid, file.path, found, self._mend(file))
            )
        elif file.uid in self._raised:
            self._whole(file)

    def _mend(self, file: KeptFile) -> bool:
        """Rebuild a result."""
        if file.kind is not FileKind.RESULT or file.version is None:
            return False
        return file.uid in self.rebuild(file.study_uid, file.version, {file.uid})

    def _whole(self, file: KeptFile) -> None:
        """Clear the alarm of a file that is intact again."""
        if file.kind is FileKind.IMAGE:
            image = find_instance(self.ledger, file.key)
            restored(self.ledger, image, again=says_damaged(image.finding_json))
        elif file.kind is FileKind.RESULT:
            clear_alarm(self.ledger, AlarmKind.CONTENT, file.uid)

    def _judge(self, done: Scrubbed) -> bool:
        """Raise an alarm for each damaged image and result, or one for a missing folder (False)."""
        if done.missing > MOST_MISSING:
            raise_alarm(self.ledger, AlarmKind.CONTENT, "", _NOT_THERE.format(MOST_MISSING))
            return False
        clear_alarm(self.ledger, AlarmKind.CONTENT, "")
        for one in done.problems:
            log = structlog.get_logger().bind(study_uid=one.study_uid, kind=one.kind, path=one.path)
            log.error("content_damaged", found=one.found, mended=one.mended)
            if one.mended or one.found not in set(Damage):
                continue
            if one.kind is FileKind.IMAGE:
                text = alarm_text(Damage(one.found), one.path)
                raise_alarm(self.ledger, AlarmKind.CONTENT, one.uid, text)
            elif one.kind is FileKind.RESULT:
                text = f"expected the result in {one.path} as it was made, found it {one.found}"
                raise_alarm(self.ledger, AlarmKind.CONTENT, one.uid, text)
        return True

    def _alarmed(self) -> frozenset[str]:
        return frozenset(one.subject for one in alarms(self.ledger) if one.kind is AlarmKind.CONTENT)

    def _clear_purged(self) -> None:
        """Clear the alarms of files that no row names any more."""
        raised = self._alarmed() - {""}
        if raised:
            kept = {file.uid for file in kept_files(self.ledger, Place())}
            for uid in sorted(raised - kept):
                clear_alarm(self.ledger, AlarmKind.CONTENT, uid)
