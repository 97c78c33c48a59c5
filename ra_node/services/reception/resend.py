"""Classifies a resent instance: a repeat, a correction, a good copy of a damaged file, or another one.

The same pixels with a corrected header replace the first copy, and the study gets a new version of its
report. An instance that is neither stored nor equal is refused with the reason, also in the event log. A copy
with another compression, or one whose first copy is gone, is kept until a worker has compared its pixels.
Where neither the first copy nor a digest of its pixels exists, a correction is analysed without a comparison.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from ra_node.dicom.reading.file import DatasetRefused, read_dataset, read_loosely
from ra_node.dicom.reading.instance_equality import (
    NOT_CORRECTABLE,
    differences,
    header_values,
    same_pixel_bytes,
)
from ra_node.domain.patient.identity import differences as identity_differences
from ra_node.errors import Refused
from ra_node.ledger.alarms import AlarmKind, raise_alarm
from ra_node.ledger.corrections import MOST_CORRECTIONS, Correction, correct
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import record
from ra_node.ledger.inbox import Instance, NewInstance, find_instance
from ra_node.ledger.patient_key import keyed_digest, read_identity
from ra_node.ledger.resent_copies import keep_for_comparison
from ra_node.ledger.storage.damage import replace_file, restored
from ra_node.ledger.storage.durable_files import Damage, Files
from ra_node.services.jobs.damaged_content import says_damaged

_OTHER_STUDY = "this SOP Instance UID was received in another study"
_NO_IMAGE = "calls for no result, and the first copy, whose file is purged, did"
_TOO_MANY = f"its header was corrected {MOST_CORRECTIONS} times already"
_EARLIER = "images come again with a header that was corrected since; nothing was done"
_UNKNOWN_ATTRIBUTES = ("attributes of a first copy that is gone",)
OTHER_PIXELS_TEXT = "pixels differ from the kept copy of this SOP Instance UID"
NOT_COMPARED = "pixels cannot be compared with the kept copy"
MOST_COMPARED_BYTES = 2**29
"""Memory limit: both files are read."""
NOTED_S = 3600.0
"""Interval between event log entries for a sender that repeats; the log has each one."""
_MOST_NOTED = 1000


class Taken(StrEnum):
    """What became of the file of a copy."""

    REPLACED = "replaced"
    """It has taken the place of the first copy."""
    REPEAT = "repeat"
    """Not needed: the caller removes it."""
    WAITS = "waits"
    """Kept until a worker has compared its pixels."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """What an instance that comes again is; without any of these it is a repeat."""

    refusal: str = ""
    damage: Damage | None = None
    changed: tuple[str, ...] = ()
    """The keywords of what was corrected."""
    headers: tuple[str, str] = ("", "")
    """Keyed digests of the headers of the kept and of the new copy."""
    unproven: bool = False
    """Corrected, but nothing is left with which its pixels could be compared."""
    waits: bool = False
    """The pixels must be decoded to be compared."""


_WAITS = _Compared(waits=True)


@dataclass(frozen=True, slots=True)
class Resends:
    """Checks repeated instances for the threads of one listener."""

    ledger: Ledger
    files: Files
    secret: bytes = b""
    _noted: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, first: Instance, new: NewInstance) -> Taken:
        """Decide what becomes of the file of `new`.

        It replaces a damaged first copy, and one with the same pixels and an earlier header. Raises Refused,
        with an event, where it is another instance under the same UID.
        """
        try:
            return self._take(first, new)
        except Refused as error:
            self._tell_refusal(first, new, str(error))
            raise

    def take_compared(self, first: Instance, new: NewInstance, *, equal: bool, arrived: float) -> Taken:
        """As `take`, after the comparison of decoded pixels; a Refused has no event yet.

        `equal`: they are the same; else there was nothing to compare with. `arrived`: when the copy came.
        """
        return self._take(first, new, equal=equal, arrived=arrived)

    def _take(
        self, first: Instance, new: NewInstance, *, equal: bool = False, arrived: float | None = None
    ) -> Taken:
        while True:
            found = self._compared(first, new, equal=equal)
            if found.refusal:
                raise Refused(found.refusal)
            if found.waits:
                return Taken.WAITS if keep_for_comparison(self.ledger, first, new) else Taken.REPEAT
            if found.changed:
                correction = self._correct(first, new, found, arrived)
                if correction is Correction.LOST:
                    first = find_instance(self.ledger, first.id)
                    continue
                return Taken.REPLACED if correction is Correction.TAKEN else Taken.REPEAT
            if found.damage is None:
                if first.path is not None and says_damaged(first.finding_json):
                    restored(self.ledger, first, again=True)
                return Taken.REPEAT
            again = first.sha256 != new.sha256 or first.finding_json is None
            if replace_file(self.ledger, first, new, again=again or says_damaged(first.finding_json)):
                break
            first = find_instance(self.ledger, first.id)  # another association was faster
        structlog.get_logger().warning(
            "instance_replaced", sop_instance_uid=first.sop_instance_uid, damage=found.damage
        )
        if first.path is not None:
            self.files.remove(first.path)
        return Taken.REPLACED

    def _correct(
        self, first: Instance, new: NewInstance, found: _Compared, arrived: float | None
    ) -> Correction:
        """Take a copy with a corrected header; a header that was current before changes nothing."""
        before, after = found.headers
        done = correct(
            self.ledger,
            first,
            new,
            before=before,
            after=after,
            changed=found.changed,
            compared=not found.unproven,
            arrived=arrived,
        )
        uid, told = first.sop_instance_uid, {"calling_ae": new.calling_ae, "attributes": found.changed}
        if done is Correction.TAKEN:
            structlog.get_logger().info("instance_corrected", sop_instance_uid=uid, **told)
            if first.path is not None:
                self.files.remove(first.path)
        elif done is Correction.EARLIER:
            if self._is_news(uid, _EARLIER):
                record(self.ledger, "correction_ignored", first.study_uid, sop_instance_uid=uid)
            raise_alarm(self.ledger, AlarmKind.HEADER, new.calling_ae, _EARLIER)
        elif done is Correction.OVERTAKEN:
            record(self.ledger, "correction_overtaken", first.study_uid, sop_instance_uid=uid)
        elif done is Correction.TOO_MANY:
            raise_alarm(self.ledger, AlarmKind.HEADER, new.calling_ae, f"{_TOO_MANY}; {uid}")
            raise Refused(_TOO_MANY)
        return done

    def _compared(self, first: Instance, new: NewInstance, *, equal: bool) -> _Compared:
        """What a copy is beside the kept one; `equal`: its decoded pixels are the same."""
        if first.study_uid != new.study_uid:
            return _Compared(_OTHER_STUDY)
        if first.path is None:
            return self._beside_lost(first, new, None, equal=equal)
        damage = self.files.damage(first.path, first.sha256)
        if damage is None and first.sha256 is None and self._is_broken(first, new):
            damage = Damage.DIFFERS
        if damage is not None:
            return self._beside_lost(first, new, damage, equal=equal)
        if first.sha256 == new.sha256 or not (first.counts or new.counts):
            return _Compared()
        return self._contradiction(first, new, equal=equal)

    def _beside_lost(
        self, first: Instance, new: NewInstance, damage: Damage | None, *, equal: bool
    ) -> _Compared:
        """What a copy is beside one whose file is damaged, missing or, without a `damage`, purged."""
        good = _Compared(damage=damage)
        if first.sha256 == new.sha256:
            return good
        if first.sop_class_uid != new.sop_class_uid:
            return _Compared("differs from the first copy in SOPClassUID")
        if not new.counts:
            lost = "" if damage or not first.counts else _NO_IMAGE
            return _Compared(self._other_person(first, new) or lost, damage)
        if first.pixel_sha256 is not None and not equal:
            return _WAITS
        after = keyed_digest(self.secret, header_values(read_loosely(self.files.path(new.path))))
        changed = self._changed(first, new, after, purged=damage is None)
        if not changed:
            return good
        before = first.header_digest or str(first.sha256)
        return _Compared(changed=changed, headers=(before, after), unproven=not equal)

    def _changed(self, first: Instance, new: NewInstance, after: str, *, purged: bool) -> tuple[str, ...]:
        """Attributes in which a copy differs from one whose file is lost, by what the ledger keeps of it.

        Of a purged image whose header has no digest only its bytes are known to differ; a damaged file is
        replaced and analysed again in any case.
        """
        named = self._other_attributes(first, new)
        if first.header_digest is not None:
            return (named or _UNKNOWN_ATTRIBUTES) if after != first.header_digest else ()
        return named or (_UNKNOWN_ATTRIBUTES if purged and first.sha256 is not None else ())

    def _other_person(self, first: Instance, new: NewInstance) -> str:
        """The refusal of an object without a result that names another patient than the lost first copy."""
        named = self._other_attributes(first, new)
        return f"names another patient than the first copy: {', '.join(named)}" if named else ""

    def _other_attributes(self, first: Instance, new: NewInstance) -> tuple[str, ...]:
        people = [who for one in (first, new) if (who := read_identity(self.secret, one.patient or "{}"))]
        return tuple(identity_differences(people))

    def _is_broken(self, first: Instance, new: NewInstance) -> bool:
        """Whether a file of an older version, without a SHA-256, is truncated."""
        assert first.path is not None
        return not _is_whole(self.files.path(first.path)) and _is_whole(self.files.path(new.path))

    def _contradiction(self, first: Instance, new: NewInstance, *, equal: bool) -> _Compared:
        """In what a copy differs from the kept one, and whether that is a correction."""
        assert first.path is not None
        kept_path, new_path = self.files.path(first.path), self.files.path(new.path)
        if max(kept_path.stat().st_size, new_path.stat().st_size) > MOST_COMPARED_BYTES:
            return _Compared(NOT_COMPARED)
        a, b = read_loosely(kept_path), read_loosely(new_path)
        changed = tuple(differences(a, b))
        other = [keyword for keyword in changed if keyword in NOT_CORRECTABLE]
        if other or (changed and not new.counts):
            return _Compared(f"differs from the kept copy in {', '.join(other or changed)}")
        before, after = (keyed_digest(self.secret, header_values(one)) for one in (a, b))
        same = True if equal else same_pixel_bytes(a, b)
        if same is None:
            return _WAITS
        return _Compared("" if same else OTHER_PIXELS_TEXT, changed=changed, headers=(before, after))

    def _tell_refusal(self, first: Instance, new: NewInstance, reason: str) -> None:
        """Report it to the sender, the log and the event log of the studies, without values."""
        uid = first.sop_instance_uid
        structlog.get_logger().warning("resend_refused", sop_instance_uid=uid, reason=reason)
        if self._is_news(uid, reason):
            for study_uid in sorted({first.study_uid, new.study_uid}):
                told = {"sop_instance_uid": uid, "calling_ae": new.calling_ae, "reason": reason}
                record(self.ledger, "resend_refused", study_uid, **told)

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
