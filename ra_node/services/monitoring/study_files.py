"""Files of one study for a download: source images, and the objects of its newest result."""

from __future__ import annotations

from dataclasses import dataclass

from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.report_json import finding_from_json
from ra_node.ledger.results import latest_result, objects_of
from ra_node.ledger.storage.durable_files import Files

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A file of a study; `kind` is that of a result object, or SOURCE. `path` is None once purged."""

    kind: str
    sop_instance_uid: str
    path: str | None
    sha256: str | None
    series_uid: str = ""
    number: int = 0
    """Instance Number of a source image, 0 without one."""


def files_of(ledger: Ledger, study_uid: str) -> list[StudyFile]:
    """Objects of the newest result, then source images by series and instance number."""
    result = latest_result(ledger, study_uid)
    made = objects_of(ledger, study_uid, result.version) if result else []
    objects = [StudyFile(one.kind, one.sop_instance_uid, one.path, one.sha256) for one in made]
    images = [
        StudyFile(
            SOURCE, one.sop_instance_uid, one.path, one.sha256, one.series_uid, _number(one.finding_json)
        )
        for one in instances_of(ledger, study_uid)
        if one.counts
    ]
    series = list(dict.fromkeys(one.series_uid for one in images))
    return [*objects, *sorted(images, key=lambda one: (series.index(one.series_uid), one.number))]


def read_file(ledger: Ledger, files: Files, study_uid: str, sop_instance_uid: str) -> bytes:
    """Content of one file of a study; Refused where it is unknown, purged or damaged."""
    for one in files_of(ledger, study_uid):
        if one.sop_instance_uid == sop_instance_uid and one.path is not None:
            try:
                if not files.damage(one.path, one.sha256):
                    return files.path(one.path).read_bytes()
            except OSError as error:
                raise Refused(f"the file of {sop_instance_uid} cannot be read: {error.strerror}") from error
            raise Refused(f"expected {sop_instance_uid} as it was stored, found it damaged")
    raise Refused("expected a kept file of this study, found none")


def _number(finding_json: str | None) -> int:
    try:
        return finding_from_json(finding_json).facts.instance_number if finding_json else 0
    except (ValueError, KeyError, TypeError):
        return 0
