"""Removes the files of studies that nobody waits for any more; their rows stay."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import Files
from ra_node.ledger.retention import Purgeable, mark_purged, purgeable

PAGE = 100


@dataclass(frozen=True, slots=True)
class Purged:
    """What was removed, or would be."""

    studies: int = 0
    files: int = 0
    bytes: int = 0


def purge(ledger: Ledger, files: Files, keep_s: float, *, dry_run: bool = False) -> Purged:
    """Remove the files of every study that is answered, delivered and `keep_s` seconds old.

    The rows forget the files before they go: what a crash leaves in between has no row and is swept.
    """
    idle_since = ledger.clock() - keep_s
    done, seen = Purged(), set[str]()
    while True:
        limit = PAGE + len(seen)  # what is only counted, or has just become busy, is listed again
        page = [one for one in purgeable(ledger, idle_since, limit) if one.study_uid not in seen]
        if not page:
            break
        for listed in page:
            seen.add(listed.study_uid)
            done = _plus(done, _count(files, listed) if dry_run else _remove(ledger, files, listed))
    return done


def _count(files: Files, listed: Purgeable) -> Purged:
    sizes = [size for path in listed.paths if (size := _size(files, path)) is not None]
    return Purged(1, len(sizes), sum(sizes))


def _remove(ledger: Ledger, files: Files, listed: Purgeable) -> Purged:
    removed = _count(files, listed)
    if not mark_purged(ledger, listed):
        return Purged()
    for path in listed.paths:
        files.remove(path)
    structlog.get_logger().info(
        "study_purged", study_uid=listed.study_uid, files=removed.files, bytes=removed.bytes
    )
    return removed


def _size(files: Files, path: str) -> int | None:
    try:
        return files.path(path).stat().st_size
    except FileNotFoundError:
        return None


def _plus(one: Purged, other: Purged) -> Purged:
    return Purged(one.studies + other.studies, one.files + other.files, one.bytes + other.bytes)
