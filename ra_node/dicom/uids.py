"""UIDs derived from the content, so that making a result twice is harmless."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from ra_node.domain.report import StudyReport


def derive_uid(*parts: str) -> str:
    """A UID under the UUID root 2.25 (PS3.5 B.2) that depends on all parts and their order.

    The first 128 bits of a SHA-256 over the parts, marked as a version 8 UUID (RFC 9562), which is
    the version for values that their maker derives. At most 44 characters. At least one part.
    """
    if not parts:
        raise ValueError("a derived UID needs at least one part, found none")
    digest = sha256(b"".join(_measured(part) for part in parts)).digest()
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return f"2.25.{UUID(int=value).int}"


def result_uid(report: StudyReport, kind: str) -> str:
    """The SOP Instance UID of an object of a report, unique to its content."""
    return derive_uid(
        report.study_instance_uid, report.bundle.sha256, str(report.version), report.made_of, kind
    )


def _measured(part: str) -> bytes:
    """The part led by its length, so that ("ab", "c") and ("a", "bc") differ."""
    encoded = part.encode("utf-8")
    return len(encoded).to_bytes(8, "big") + encoded
