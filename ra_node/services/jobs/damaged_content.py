"""Handling of damaged kept files."""

from __future__ import annotations

from ra_node.domain.job import Job
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import ImageFinding
from ra_node.errors import Retryable
from ra_node.ledger.report_json import finding_from_json
from ra_node.ledger.storage.durable_files import Damage

_TEXTS = {
    Damage.MISSING: "The kept file of this image is missing: send it to the node again.",
    Damage.DIFFERS: ("The kept file of this image was damaged after it came: send it to the node again."),
}


def wait_for_missing(damage: Damage | None, job: Job) -> None:
    """Raise Retryable for a missing file while attempts are left: the folder may be unmounted."""
    if damage is Damage.MISSING and not job.gives_up:
        raise Retryable("expected the kept file of an image, found none")


def damaged_finding(sop_uid: str, sop_class_uid: str, series_uid: str, damage: Damage) -> ImageFinding:
    """The finding of an image whose kept file is damaged; its rows and columns are not known."""
    return ImageFinding(
        sop_uid, sop_class_uid, series_uid, 0, 0, refusal=Refusal(Reason.FILE_DAMAGED, _TEXTS[damage])
    )


def says_damaged(finding_json: str | None) -> bool:
    """Whether a recorded finding is a damaged file."""
    if finding_json is None:
        return False
    try:
        refusal = finding_from_json(finding_json).refusal
    except ValueError:  # an unreadable row
        return False
    return refusal is not None and refusal.reason is Reason.FILE_DAMAGED


def alarm_text(damage: Damage, path: str) -> str:
    """Text of the alarm of a received image."""
    found = "none" if damage is Damage.MISSING else "another content"
    return f"expected the received image in {path}, found {found}; have its sender send it again"
