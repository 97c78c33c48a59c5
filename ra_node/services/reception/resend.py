"""Classifies a resent instance: a repeat, a correction, a good copy of a damaged file, or another one.

The same pixels with a corrected header replace the first copy, and the study gets a new version of its
report. An instance that is neither stored nor equal is refused with the reason, also in the event log. Pixels
with another compression are decoded in a process of its own with limits, one at a time.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_loosely
from ra_node.dicom.reading.instance_equality import (
    NOT_CORRECTABLE,
    OTHER_PIXELS,
    SAME_PIXELS,
    UNKNOWN_PIXELS,
    differences,
    header_values,
    same_pixel_bytes,
)
from ra_node.domain.patient.identity import differences as identity_differences
from ra_node.errors import Refused, Retryable
from ra_node.ledger.alarms import AlarmKind, raise_alarm
from ra_node.ledger.corrections import MOST_CORRECTIONS, Correction, correct
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import record
from ra_node.ledger.inbox import Instance, NewInstance, find_instance
from ra_node.ledger.patient_key import keyed_digest, read_identity
from ra_node.ledger.storage.damage import replace_file, restored
from ra_node.ledger.storage.durable_files import Damage, Files
from ra_node.services.jobs.damaged_content import says_damaged

DECODE_S = 25.0
"""Senders wait a minute for a C-STORE response."""
_OTHER_STUDY = "this SOP Instance UID was received in another study"
_PURGED = "differs from the first copy, whose file is purged"
_TOO_MANY = f"its header was corrected {MOST_CORRECTIONS} times already"
_EARLIER = "images come again with a header that was corrected since; nothing was done"
_OTHER_PIXELS = "pixels differ from the kept copy of this SOP Instance UID"
_NOT_DECODED = "pixels cannot be compared with the kept copy"
MOST_COMPARED_BYTES = 2**29
"""Memory limit: both files are read."""
NOTED_S = 3600.0
"""Interval between event log entries for a sender that repeats; the log has each one."""
_MOST_NOTED = 1000


@dataclass(frozen=True, slots=True)
class _Compared:
    """What an instance that comes again is; without any of these it is a repeat."""

    refusal: str = ""
    damage: Damage | None = None
    changed: tuple[str, ...] = ()
    """The keywords of what was corrected."""
    headers: tuple[bytes, bytes] = (b"", b"")
    """Of the kept and of the new copy, as `header_values` writes them."""


@dataclass(frozen=True, slots=True)
class Resends:
    """Checks repeated instances for the threads of one listener."""

    ledger: Ledger
    files: Files
    secret: bytes = b""
    _decoding: threading.Lock = field(default_factory=threading.Lock)
    _noted: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, first: Instance, new: NewInstance) -> bool:
        """Whether the file of `new` has replaced the first copy; else it is a repeat.

        It does where the first copy is damaged, or for the same pixels with a corrected header. Raises
        Refused where it is another instance under the same UID, and Retryable where that cannot be decided
        now.
        """
        while True:
            found = self._compared(first, new)
            if found.refusal:
                self._refuse(first, new, found.refusal)
            if found.changed:
                correction = self._correct(first, new, found)
                if correction is Correction.LOST:
                    first = find_instance(self.ledger, first.id)
                    continue
                return correction is Correction.TAKEN
            if found.damage is None:
                if says_damaged(first.finding_json):
                    restored(self.ledger, first, again=True)
                return False
            again = first.sha256 != new.sha256 or first.finding_json is None
            if replace_file(self.ledger, first, new, again=again or says_damaged(first.finding_json)):
                break
            first = find_instance(self.ledger, first.id)  # another association was faster
        structlog.get_logger().warning(
            "instance_replaced", sop_instance_uid=first.sop_instance_uid, damage=found.damage
        )
        if first.path is not None:
            self.files.remove(first.path)
        return True

    def _correct(self, first: Instance, new: NewInstance, found: _Compared) -> Correction:
        """Take a copy with a corrected header; a header that was current before changes nothing."""
        before, after = (keyed_digest(self.secret, header) for header in found.headers)
        done = correct(self.ledger, first, new, before=before, after=after, changed=found.changed)
        uid, told = first.sop_instance_uid, {"calling_ae": new.calling_ae, "attributes": found.changed}
        if done is Correction.TAKEN:
            structlog.get_logger().info("instance_corrected", sop_instance_uid=uid, **told)
            assert first.path is not None
            self.files.remove(first.path)
        elif done is Correction.EARLIER:
            if self._is_news(uid, _EARLIER):
                record(self.ledger, "correction_ignored", first.study_uid, sop_instance_uid=uid)
            raise_alarm(self.ledger, AlarmKind.HEADER, new.calling_ae, _EARLIER)
        elif done is Correction.TOO_MANY:
            raise_alarm(self.ledger, AlarmKind.HEADER, new.calling_ae, f"{_TOO_MANY}; {uid}")
            self._refuse(first, new, _TOO_MANY)
        return done

    def _compared(self, first: Instance, new: NewInstance) -> _Compared:
        """What a copy is beside the kept one."""
        if first.study_uid != new.study_uid:
            return _Compared(_OTHER_STUDY)
        if first.path is None:
            same = first.sha256 in (None, new.sha256)
            return _Compared(self._other_person(first, new) or ("" if same else _PURGED))
        damage = self.files.damage(first.path, first.sha256)
        if damage is None and first.sha256 is None and self._is_broken(first, new):
            damage = Damage.DIFFERS
        if damage is not None:
            return _Compared(self._other_person(first, new), damage)
        if first.sha256 == new.sha256 or not (first.counts or new.counts):
            return _Compared()
        return self._contradiction(first, new)

    def _other_person(self, first: Instance, new: NewInstance) -> str:
        """Attributes in which a copy names another patient than the first one, whose file is lost."""
        people = [who for one in (first, new) if (who := read_identity(self.secret, one.patient or "{}"))]
        named = identity_differences(people)
        return f"names another patient than the first copy: {', '.join(named)}" if named else ""

    def _is_broken(self, first: Instance, new: NewInstance) -> bool:
        """Whether a file of an older version, without a SHA-256, is truncated."""
        assert first.path is not None
        return not _is_whole(self.files.path(first.path)) and _is_whole(self.files.path(new.path))

    def _contradiction(self, first: Instance, new: NewInstance) -> _Compared:
        """In what a copy differs from the kept one, and whether that is a correction."""
        assert first.path is not None
        kept_path, new_path = self.files.path(first.path), self.files.path(new.path)
        if max(kept_path.stat().st_size, new_path.stat().st_size) > MOST_COMPARED_BYTES:
            return _Compared(_NOT_DECODED)
        a, b = read_loosely(kept_path), read_loosely(new_path)
        changed = tuple(differences(a, b))
        other = [keyword for keyword in changed if keyword in NOT_CORRECTABLE]
        if other or (changed and not new.counts):
            return _Compared(f"differs from the kept copy in {', '.join(other or changed)}")
        headers = (header_values(a), header_values(b))
        same = same_pixel_bytes(a, b)
        del a, b
        refusal = self._decoded(kept_path, new_path) if same is None else "" if same else _OTHER_PIXELS
        return _Compared(refusal, changed=changed, headers=headers)

    def _decoded(self, kept: Path, new: Path) -> str:
        if not self._decoding.acquire(timeout=DECODE_S):
            raise Retryable("expected to compare pixels now, found another comparison")
        try:
            argv = [sys.executable, "-m", "ra_node.dicom.reading.instance_equality", str(kept), str(new)]
            done = subprocess.run(argv, capture_output=True, check=False, timeout=DECODE_S)  # noqa: S603 - ourselves
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = UNKNOWN_PIXELS
        finally:
            self._decoding.release()
        return {SAME_PIXELS: "", OTHER_PIXELS: _OTHER_PIXELS}.get(code, _NOT_DECODED)

    def _refuse(self, first: Instance, new: NewInstance, reason: str) -> None:
        """Report it to the sender, the log and the event log of the studies, without values."""
        uid = first.sop_instance_uid
        structlog.get_logger().warning("resend_refused", sop_instance_uid=uid, reason=reason)
        if self._is_news(uid, reason):
            for study_uid in sorted({first.study_uid, new.study_uid}):
                told = {"sop_instance_uid": uid, "calling_ae": new.calling_ae, "reason": reason}
                record(self.ledger, "resend_refused", study_uid, **told)
        raise Refused(reason)

    def _is_news(self, uid: str, reason: str) -> bool:
        now = time.monotonic()
        if now - self._noted.get((uid, reason), float("-inf")) < NOTED_S:
            return False
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted[uid, reason] = now
        return True


def _is_whole(path: Path) -> bool:
    try:
        read_dataset(path)
    except DatasetRefused:
        return False
    return True
