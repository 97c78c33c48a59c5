"""Purge: removes the files of finished studies; their rows stay."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.retention import Purgeable, end_purge, mark_purged, purgeable, unfinished_purges
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.storage.identity import Unbound, problem_before_deletion

PAGE = 100


@dataclass(frozen=True, slots=True)
class Purged:
    """Number of files removed, or to be removed."""

    studies: int = 0
    files: int = 0
    bytes: int = 0


def purge(ledger: Ledger, files: Files, keep_s: float, *, dry_run: bool = False) -> Purged:
    """Remove the files of every study that is reported, delivered and `keep_s` seconds old.

    The paths are cleared in the rows before the files are removed, and listed in the ledger until then: files
    that remain after a crash are removed by the next purge or sweep. Raises Unbound, and removes nothing,
    where data folder and ledger do not belong together or the ledger is damaged.
    """
    problem = problem_before_deletion(ledger, files)
    if problem:
        raise Unbound(f"nothing is purged: {problem}")
    if not dry_run:
        finish_purges(ledger, files)
    idle_since = ledger.clock() - keep_s
    done, seen = Purged(), set[str]()
    while True:
        limit = PAGE + len(seen)  # studies that are only counted, or no longer finished, are listed again
        page = [one for one in purgeable(ledger, idle_since, limit) if one.study_uid not in seen]
        if not page:
            break
        for listed in page:
            seen.add(listed.study_uid)
            done = _plus(done, _count(files, listed) if dry_run else _remove(ledger, files, listed))
    return done


def finish_purges(ledger: Ledger, files: Files) -> None:
    """Remove files whose paths were cleared before."""
    for listed in unfinished_purges(ledger):
        for path in listed.paths:
            files.remove(path)
        end_purge(ledger, listed.study_uid)


def _count(files: Files, listed: Purgeable) -> Purged:
    sizes = [size for path in listed.paths if (size := _size(files, path)) is not None]
    return Purged(1, len(sizes), sum(sizes))


def _remove(ledger: Ledger, files: Files, listed: Purgeable) -> Purged:
    removed = _count(files, listed)
    if not mark_purged(ledger, listed):
        return Purged()
    for path in listed.paths:
        files.remove(path)
    end_purge(ledger, listed.study_uid)
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
