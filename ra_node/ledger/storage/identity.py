"""Binds a data folder to a ledger by a random identity, so that absent rows or files prove nothing.

The folder has the identity in the file `identity` and in `.identity` of each folder of files; the ledger as a
property. The file `ledger-mark` names the newest event of the ledger of this folder: a ledger without that
event is an older copy, and lacks acknowledged images.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import exists, select

from ra_node.errors import NotReady
from ra_node.filesystem.durable_write import write_atomically
from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new
from ra_node.ledger.retention import known_paths
from ra_node.ledger.storage.durable_files import (
    FOLDERS,
    INBOX,
    INCOMING,
    INNER_MARK,
    UNLISTED,
    Files,
    read_identity,
)

IDENTITY = "identity"
"""Name of the property in the ledger, and of the file in the data folder."""
MARK = "ledger-mark"
ADOPTABLE = 64
"""Images without a row that an older version with an hourly sweep may have left."""
WAY_OUT = "mount the right data_dir or name the right ledger; to bind these two from now on: `ra-node adopt`"


class Unbound(NotReady):
    """Data folder and ledger do not belong together: nothing is received, swept or purged."""


def ledger_identity(ledger: Ledger) -> str | None:
    """The identity in the ledger, None where it has none."""
    value = schema.named_value
    with ledger.read() as connection:
        found = connection.execute(select(value.c.value).where(value.c.name == IDENTITY)).scalar()
    return None if found is None else str(found)


def has_history(files: Files) -> bool:
    """Whether this folder has had a ledger with events."""
    return (files.data_dir / MARK).exists() or _has_files(files)


def bind(ledger: Ledger, files: Files) -> str:
    """Bind a new folder and a new ledger, or those of an earlier version; return the obstacle, or "".

    Several processes and hosts may do this concurrently: the folder's file decides, the ledger is written
    last.
    """
    if ledger_identity(ledger) is not None:
        return problem_of(ledger, files)
    found = read_identity(files.data_dir / IDENTITY)
    if found == "":
        return f"expected an identity in {files.data_dir / IDENTITY}, found an unreadable file; {WAY_OUT}"
    problem = _first_problem(ledger, files)
    if problem:
        return f"{problem}; {WAY_OUT}"
    identity = _mark_folder(files, ledger.new_id())
    with ledger.write() as connection:
        insert_new(connection, schema.named_value, {"name": IDENTITY, "value": identity})
    return problem_of(ledger, files)


def problem_of(ledger: Ledger, files: Files) -> str:
    """Reason why data folder and ledger do not belong together, "" where they do. Read-only."""
    expected = ledger_identity(ledger)
    if expected is None:
        return f"expected a ledger with an identity, found none; {WAY_OUT}"
    for place in (IDENTITY, *(f"{folder}/{INNER_MARK}" for folder in FOLDERS)):
        found = read_identity(files.data_dir / place)
        if found != expected:
            told = "none" if found is None else found or "an unreadable file"
            return (
                f"expected the identity {expected} of the ledger in {files.data_dir / place},"
                f" found {told}; {WAY_OUT}"
            )
    return _older_than_mark(ledger, files)


def problem_before_deletion(ledger: Ledger, files: Files) -> str:
    """Reason why absence from this ledger proves nothing, with its alarm; "" where it may be relied on.

    Reads the whole ledger where it is a file: 0.3 s for 100 MB.
    """
    damage = ledger.file.damage() if ledger.file is not None else ""
    tell(ledger, "ledger", f"expected a sound ledger, found {damage}" if damage else "")
    return damage or (problem_of(ledger, files) if files.identity else "")


def keep_mark(ledger: Ledger, files: Files) -> None:
    """Write the newest event of the ledger to the folder; OSError where that fails."""
    identity, event = ledger_identity(ledger), schema.event
    with ledger.read() as connection:
        newest = connection.execute(
            select(event.c.id, event.c.at).order_by(event.c.id.desc()).limit(1)
        ).first()
    if newest is None or identity is None:
        return
    files.expect_identity()
    write_atomically(files.data_dir / MARK, f"{identity} {newest.id} {newest.at!r}\n".encode("ascii"))


def adopt(ledger: Ledger, files: Files) -> None:
    """Bind this folder and this ledger from now on, whatever they were bound to before."""
    identity = ledger_identity(ledger) or read_identity(files.data_dir / IDENTITY) or ledger.new_id()
    for place in (MARK, IDENTITY, *(f"{folder}/{INNER_MARK}" for folder in FOLDERS)):
        (files.data_dir / place).unlink(missing_ok=True)
    _mark_folder(files, identity)
    with ledger.write() as connection:
        insert_new(connection, schema.named_value, {"name": IDENTITY, "value": identity})
    keep_mark(ledger, files)


def tell(ledger: Ledger, subject: str, problem: str) -> None:
    """Raise the alarm of one data folder with the current reason; clear it for ""."""
    mine = [one for one in alarms(ledger) if (one.kind, one.subject) == (AlarmKind.IDENTITY, subject)]
    if any(one.detail != problem for one in mine):
        clear_alarm(ledger, AlarmKind.IDENTITY, subject)
    if problem:
        raise_alarm(ledger, AlarmKind.IDENTITY, subject, problem)


def kept_files(files: Files) -> Iterator[str]:
    """Every file below the folders of received and created files, without incomplete ones."""
    for folder in FOLDERS:
        if folder != INCOMING:
            yield from _below(files, folder)


def _first_problem(ledger: Ledger, files: Files) -> str:
    """Obstacles to bind a ledger without identity to a folder."""
    with ledger.read() as connection:
        empty = not connection.execute(select(exists(select(schema.study.c.study_uid)))).scalar()
    if empty:
        if has_history(files):
            return f"expected the ledger of {files.data_dir}, which holds files, found an empty one"
        return ""
    if (files.data_dir / MARK).exists():
        return _older_than_mark(ledger, files)
    known = known_paths(ledger)
    there = sum(files.path(path).exists() for path in known)
    if known and 2 * there < len(known):
        return f"expected the {len(known)} files that the ledger names in {files.data_dir}, found {there}"
    unknown = sum(path not in known for path in _below(files, INBOX))
    if unknown > ADOPTABLE:
        return f"expected a row for each image in {files.data_dir / INBOX}, found {unknown} without"
    return ""


def _older_than_mark(ledger: Ledger, files: Files) -> str:
    mark = _read_mark(files.data_dir / MARK)
    if mark is None:
        return ""
    identity, number, at = mark
    event = schema.event
    with ledger.read() as connection:
        found = connection.execute(select(event.c.at).where(event.c.id == number)).scalar()
    if found == at or identity != (ledger_identity(ledger) or identity):
        return ""
    return (
        f"expected event {number}, which {files.data_dir} has seen in its ledger, found an older ledger:"
        f" images that were acknowledged since are not in it; {WAY_OUT}"
    )


def _read_mark(path: Path) -> tuple[str, int, float] | None:
    try:
        identity, number, at = path.read_text(encoding="ascii").split()
        return identity, int(number), float(at)
    except (OSError, ValueError):
        return None


def _mark_folder(files: Files, fresh: str) -> str:
    """Set the identity of a folder unless it has one; return its identity."""
    identity = _claim(files.data_dir / IDENTITY, fresh)
    for folder in FOLDERS:
        (files.data_dir / folder).mkdir(mode=0o700, exist_ok=True)
        _claim(files.data_dir / folder / INNER_MARK, identity)
    return identity


def _claim(path: Path, fresh: str) -> str:
    """Write it under another name and link it: of concurrent processes the first one succeeds."""
    found = read_identity(path)
    if found is None:
        write_atomically(path, f"{fresh}\n".encode("ascii"), replace=False)
        found = read_identity(path)
    return found or fresh


def _has_files(files: Files) -> bool:
    folders = [folder for folder in FOLDERS if folder != INCOMING]
    return any(True for folder in (*folders, UNLISTED) for _ in _below(files, folder))


def _below(files: Files, folder: str) -> Iterator[str]:
    for where, _, names in os.walk(files.data_dir / folder, onerror=_unless_missing):
        for name in names:
            if not name.startswith("."):
                yield (Path(where) / name).relative_to(files.data_dir).as_posix()


def _unless_missing(error: OSError) -> None:
    """A folder that cannot be read is not an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error
